"""`avsep models`."""

import json

import pytest

from avsep_plugin.cli.main import run


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--json", "-"]) == 0
    cards = {card["name"]: card for card in json.loads(capsys.readouterr().out)}
    assert {"description", "licence"} <= cards["mini"].keys()


def test_models_are_listed_with_their_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list"]) == 0
    assert "tasks: separate, align" in capsys.readouterr().out
