"""The demonstration, one second of it, with tiny models."""

from fractions import Fraction
from pathlib import Path

import pytest

from avsep_plugin.cli.main import run
from avsep_plugin.demo import Demonstration, demonstrate
from avsep_plugin.models import zoo


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, tiny_models: dict[str, Path]) -> Demonstration:
    output = tmp_path_factory.mktemp("demo") / "a folder that is not there yet"
    separator, aligner = zoo.load_separator(str(tiny_models["separate"]), "cpu"), zoo.load_aligner(str(tiny_models["align"]), "cpu")
    return demonstrate(output, separator, aligner, lambda _text: None, Fraction(1))


def test_every_file_is_there(shown: Demonstration) -> None:
    assert {"scene", "on", "off", "video", "overlay", "heatmap"} <= shown.files.keys()
    assert all(path.stat().st_size > 0 for path in shown.files.values())


def test_the_mixture_is_about_as_loud_as_its_half(shown: Demonstration) -> None:
    assert shown.mixture_db == pytest.approx(0, abs=1)


def test_the_two_pictures_give_two_results(shown: Demonstration) -> None:
    assert shown.right_picture_db != shown.wrong_picture_db


def test_the_command_prints_figures_and_files(
    shown: Demonstration, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("avsep_plugin.demo.demonstrate", lambda *_: shown)
    monkeypatch.setattr("avsep_plugin.models.zoo.load_separator", lambda *_: None)
    monkeypatch.setattr("avsep_plugin.models.zoo.load_aligner", lambda *_: None)
    assert run(["demo", "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"mixture        {shown.mixture_db:6.1f} dB" in out
    assert all(str(path) in out for path in shown.files.values())
