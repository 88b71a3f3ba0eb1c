"""`avsep info` says what is in a file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avsep_plugin.cli.main import run


@pytest.fixture
def facts(tmp_path: Path, make_clip: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["info", str(make_clip(tmp_path / "a.mov")), "--json", "-"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_samples_are_counted(facts: dict[str, Any]) -> None:
    assert facts["samples"] == 16000


def test_rates_stay_exact(facts: dict[str, Any]) -> None:
    assert facts["video"]["average_rate"] == "25"


def test_sound_tracks_are_described(facts: dict[str, Any]) -> None:
    (track,) = facts["audio"]
    assert (track["sample_rate_hz"], track["channels"], track["bits_per_sample"]) == (16000, 2, 16)


def test_the_table_names_codec_and_size(tmp_path: Path, make_clip: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(make_clip(tmp_path / "a.mov"))]) == 0
    out = capsys.readouterr().out
    assert "mpeg4, 64x48, 25 pictures/s" in out
    assert "pcm_s16le, 16000 Hz, 2 channels" in out


def test_json_goes_to_a_file(tmp_path: Path, make_clip: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(make_clip(tmp_path / "a.mov")), "--json", str(tmp_path / "facts.json")]) == 0
    assert json.loads((tmp_path / "facts.json").read_text())["samples"] == 16000
    assert capsys.readouterr().out == ""


def test_a_file_without_sound_is_described(tmp_path: Path, make_clip: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(make_clip(tmp_path / "a.mov", sound=False)), "--json", "-"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["audio"], facts["samples"]) == ([], None)


def test_what_is_no_media_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("no media at all")
    assert run(["info", str(tmp_path / "notes.txt")]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n"), said.err.startswith("error: ")) == ("", 1, True)
