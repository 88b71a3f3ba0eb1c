"""The installed package. `.ci/run` sets AVSEP_TEST_WHEEL and runs this against the wheel; then nothing is skipped."""

import importlib.metadata
import importlib.resources
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import avsep_plugin

HEAVY = ("torch", "torchaudio", "av", "pedalboard")
wheel_only = pytest.mark.skipif("AVSEP_TEST_WHEEL" not in os.environ, reason="installed in editable mode; .ci/run tests the wheel")


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def _avsep() -> str:
    return str(Path(sysconfig.get_path("scripts")) / "avsep")


@wheel_only
def test_the_package_comes_from_the_wheel() -> None:
    assert Path(avsep_plugin.__file__).is_relative_to(sysconfig.get_path("purelib"))


@wheel_only
def test_only_avsep_plugin_lands_in_site_packages() -> None:
    files = importlib.metadata.files("avsep-plugin") or []
    assert {file.parts[0] for file in files if not file.parts[0].endswith(".dist-info")} - {".."} == {"avsep_plugin"}


@wheel_only
def test_the_wheel_carries_everything_that_is_no_code() -> None:
    names = {file.name for file in importlib.metadata.files("avsep-plugin") or []}
    assert {"py.typed", "interview.toml", "LICENSE"} <= names
    assert any(name.endswith(".safetensors") for name in names)
    assert any(name.endswith(".tsv") for name in names)


def test_the_command_tells_its_version() -> None:
    assert _run(_avsep(), "--version") == f"avsep, version {importlib.metadata.version('avsep-plugin')}\n"


@pytest.mark.parametrize("command", [(), ("separate",), ("localize",), ("info",), ("demo",), ("train",), ("evaluate",), ("prepare",)])
def test_help_imports_nothing_heavy(command: tuple[str, ...]) -> None:
    code = (
        "import sys; from avsep_plugin.cli.main import run; code = run(sys.argv[1:]);"
        f"sys.exit(code or ' '.join(name for name in {HEAVY} if name in sys.modules) or None)"
    )
    assert "Usage: avsep" in _run(sys.executable, "-P", "-c", code, *command, "--help")


def test_presets_are_there() -> None:
    assert importlib.resources.files("avsep_plugin.presets").joinpath("interview.toml").is_file()


def test_the_weights_of_every_known_model_are_there() -> None:
    from avsep_plugin.models import zoo

    assert [path for card in zoo.known_models() for path in card.files.values() if not path.is_file()] == []
