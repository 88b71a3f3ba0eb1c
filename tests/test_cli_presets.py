"""`avsep presets list`."""

import json

import pytest

from avsep_plugin.cli.main import run


def test_presets_are_listed_with_what_they_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["presets", "list"]) == 0
    out = capsys.readouterr().out
    assert "interview: " in out
    assert "bit depth: 24" in out


def test_presets_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["presets", "list", "--json", "-"]) == 0
    assert {"interview", "documentary"} <= {entry["name"] for entry in json.loads(capsys.readouterr().out)}
