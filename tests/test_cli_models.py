"""`avsep models`."""

import json
from pathlib import Path

import pytest

from avsep_plugin.cli.main import run
from avsep_plugin.models import checkpoint


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--json", "-"]) == 0
    cards = {card["name"]: card for card in json.loads(capsys.readouterr().out)}
    assert {"description", "licence"} <= cards["mini"].keys()


def test_models_are_listed_with_their_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list"]) == 0
    assert "tasks: separate, align" in capsys.readouterr().out


def test_models_that_went_on_from_one_another_have_a_mean(tmp_path: Path, tiny_models: dict[str, Path]) -> None:
    packed, mean = tmp_path / "packed.safetensors", tmp_path / "mean.safetensors"
    assert run(["models", "pack", str(tiny_models["separate"]), "-o", str(packed)]) == 0
    assert run(["models", "average", str(packed), str(tiny_models["separate"]), "-o", str(mean)]) == 0
    checkpoint.verify(mean)
    assert packed.stat().st_size < mean.stat().st_size


def test_the_mean_of_one_model_is_a_wrong_command_line(
    tmp_path: Path, tiny_models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "average", str(tiny_models["separate"]), "-o", str(tmp_path / "mean.safetensors")]) == 2
    assert "two weights files" in capsys.readouterr().err


def test_a_separator_and_an_aligner_have_no_mean(tmp_path: Path, tiny_models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    both = [str(tiny_models[name]) for name in ("separate", "align")]
    assert run(["models", "average", *both, "-o", str(tmp_path / "mean.safetensors")]) == 1
    assert "not alike" in capsys.readouterr().err
    assert not (tmp_path / "mean.safetensors").exists()
