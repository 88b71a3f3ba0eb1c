"""The command line as a whole: exit codes, help, what goes to stdout and what to stderr."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from avsep_plugin.cli import info as info_module
from avsep_plugin.cli.main import app, run
from avsep_plugin.errors import DataError


def _commands(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*above, name)
        if isinstance(command, click.Group):
            yield from _commands(command, *above, name)


COMMANDS = list(_commands(app))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help(command: tuple[str, ...], flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, flag]) == 0
    assert f"Usage: avsep {' '.join(command)}" in capsys.readouterr().out


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in {("models",), ("presets",), ("train",)}], ids=" ".join)
def test_every_command_shows_examples(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    run([*command, "--help"])
    examples = capsys.readouterr().out.partition("Examples:")[2]
    assert f"avsep {' '.join(command)}" in examples


def test_examples_use_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        run([*command, "--help"])
        examples, _, listed = capsys.readouterr().out.partition("Options:")
        own = [line for line in examples.splitlines() if line.strip().startswith(f"avsep {' '.join(command)} ")]
        assert [flag for line in own for flag in re.findall(r"(?<=\s)--[a-z-]+", line) if flag not in listed] == []


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([flag]) == 0
    assert capsys.readouterr().out.startswith("avsep, version ")


@pytest.mark.parametrize(
    "line",
    [[], ["seperate"], ["separate"], ["separate", "a.mp4"], ["separate", "a.mp4", "-o", "out", "--highs", "loud"],
     ["separate", "a.mp4", "-o", "out", "--device", "gpu"], ["info", "a.mp4", "--no-such-option"]],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_command_line_is_2(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(line) == 2
    said = capsys.readouterr()
    assert (said.out, "Usage: avsep" in said.err) == ("", True)


def _fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(info_module.info, "callback", fail)
    monkeypatch.setattr(info_module.info, "params", [])


def test_an_error_of_ours_is_1_and_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _fail_with(monkeypatch, DataError("The shards are\nempty."))
    assert run(["info"]) == 1
    assert capsys.readouterr().err == "error: The shards are empty.\n"


def test_a_long_error_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _fail_with(monkeypatch, DataError("word " * 100))
    run(["info"])
    assert capsys.readouterr().err.count("\n") == 1


def test_an_unforeseen_error_is_1_and_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _fail_with(monkeypatch, RuntimeError("a bug"))
    assert run(["info"]) == 1
    assert re.fullmatch(r"error: unexpected RuntimeError: a bug .*--debug.*\n", capsys.readouterr().err)


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _fail_with(monkeypatch, KeyboardInterrupt())
    assert run(["info"]) == 130
    assert "stopped" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--debug"], ["-vv"]])
def test_debug_shows_the_traceback(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", "no-such-file.mp4", *flags]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_environment_variables_are_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVSEP_SEPARATE_HIGHS", "loud")
    assert run(["separate", "a.mp4", "-o", "out"]) == 2


def test_a_run_leaves_no_log_handler_behind() -> None:
    import logging

    before = list(logging.getLogger("avsep_plugin").handlers)
    run(["--version"])
    assert logging.getLogger("avsep_plugin").handlers == before


def test_the_readme_uses_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    lines = re.findall(r"^    avsep (.*)$", (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert lines
    for line in lines:
        command = max((c for c in COMMANDS if line.split()[: len(c)] == list(c)), key=len)
        run([*command, "--help"])
        listed = capsys.readouterr().out
        assert [flag for flag in re.findall(r"(?<=\s)--?[a-z][a-z-]*", line) if flag not in listed] == []
