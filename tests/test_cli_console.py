"""What is said on stderr."""

import pytest

from avsep_plugin.cli.console import Talk


def test_without_a_terminal_there_are_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk()
    with talk.bars(2) as bars:
        bars.start("a.mp4", 3.0)
        bars.seconds(1.5)
        talk.fail("a.mp4: damaged.")
        bars.finish()
    assert capsys.readouterr() == ("", "error: a.mp4: damaged.\n")


def test_brackets_in_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk()
    talk.say("done: [red]a[/red].mp4")
    talk.warn("[bold]b.mp4: a gap")
    assert capsys.readouterr().err == "done: [red]a[/red].mp4\nwarning: [bold]b.mp4: a gap\n"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    Talk().warn("a gap")
    assert "\x1b[3" not in capsys.readouterr().err


def test_quiet_keeps_failures_only(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk(verbosity=-1)
    talk.say("done")
    talk.warn("a gap")
    talk.fail("damaged")
    assert capsys.readouterr().err == "error: damaged\n"


def test_progress_that_is_asked_for_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Talk(progress=True).count("steps") as bar:
        bar(3, 7)
    assert "3/7" in capsys.readouterr().err
