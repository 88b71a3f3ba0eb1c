"""What is said on stderr."""

import pytest

from avsep_plugin.cli.console import Talk


def test_without_a_terminal_there_are_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    talk = Talk()
    with talk.bars(2) as bars:
        bars.start("clips/a.mp4", "a.mp4")
        bars.seconds("clips/a.mp4", 1.5, 3.0)
        talk.fail("a.mp4: damaged.")
        bars.finish("clips/a.mp4")
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


def test_there_is_a_bar_for_every_running_file(capsys: pytest.CaptureFixture[str]) -> None:
    with Talk(progress=True).bars(3) as bars:
        bars.start("day1/a.mp4", "a.mp4")
        bars.start("day2/a.mp4", "a.mp4")
        bars.seconds("day1/a.mp4", 1.0, 3.0)
        bars.seconds("day2/a.mp4", 2.0, None)
        bars.finish("day3/b.mp4")
    said = capsys.readouterr().err
    assert [part in said for part in ("1/3", "1/3 s", "2 s")] == [True, True, True]


def test_progress_that_is_asked_for_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Talk(progress=True).count("steps") as bar:
        bar(3, 7)
    assert "3/7" in capsys.readouterr().err
