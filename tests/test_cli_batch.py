"""The command line of a batch, with a task that only copies: what goes in, where it goes, what is told."""

import io
import json
import sys
from pathlib import Path

import pytest
from workbench import CopyTask, clips

from avsep_plugin.cli import separate
from avsep_plugin.cli.main import run


@pytest.fixture(autouse=True)
def _copying(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separate, "SeparateTask", lambda model, *_, **__: CopyTask(model))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_patterns_lists_and_names_come_together(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clips(tmp_path / "in", "a 1.mp4", "b.mp4", "deep/er/c.mp4", "d.mp4")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(bytes(tmp_path / "in" / "a 1.mp4") + b"\n")))
    given = [str(tmp_path / "in" / "**" / "c.*"), str(tmp_path / "in" / "b.mp4"), "--input-list", "-"]
    assert run(["separate", *given, "-o", str(out), "-m", "mini", "--filename", "{model}/{stem}.{ext}"]) == 0
    assert {path.name for path in (out / "mini").iterdir()} == {"a 1.mp4", "b.mp4", "c.mp4"}
    assert capsys.readouterr().err.splitlines()[-1] == "3 done, 0 skipped, 0 failed"


def test_events_are_lines_of_json(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips(tmp_path, "a.mp4", "damaged-b.mp4")
    report = tmp_path / "report.json"
    line = ["separate", str(tmp_path / "a.mp4"), str(tmp_path / "damaged-b.mp4"), "-o", str(out), "--events", "-", "--json", str(report)]
    assert run(line) == 1
    events = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    told = [(event["event"], Path(event.get("input", "")).name) for event in events if event["event"] != "progress"]
    assert told == [
        ("started", "a.mp4"), ("done", "a.mp4"), ("started", "damaged-b.mp4"), ("error", "damaged-b.mp4"), ("finished", ""),
    ]  # fmt: skip
    assert events[-1] == {"event": "finished", "done": 1, "skipped": 0, "error": 1}
    rows = [{key: value for key, value in event.items() if key != "event"} for event in events if event["event"] in ("done", "error")]
    assert rows == json.loads(report.read_text())


def test_why_is_said_with_v(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clip,) = clips(tmp_path, "a.mp4")
    run(["separate", str(clip), "-o", str(out), "-v"])
    assert f"{clip}: made because it is new" in capsys.readouterr().err


def test_quiet_says_failures_only(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clip,) = clips(tmp_path, "warned.mp4")
    run(["separate", str(clip), str(tmp_path / "missing.mp4"), "-o", str(out), "--quiet"])
    assert capsys.readouterr().err == f"error: {tmp_path / 'missing.mp4'}: no such file or folder.\n"


def test_names_that_collide_are_refused_before_any_work(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips(tmp_path / "in", "a.mp4", "b.mp4", "a.mov")
    assert run(["separate", str(tmp_path / "in"), "-o", str(out), "--filename", "{stem}"]) == 1
    said = capsys.readouterr().err
    assert (said.count("\n"), "would both get the folder" in said, out.exists()) == (1, True, False)


@pytest.mark.parametrize(
    "wrong",
    [["--filename", "../{stem}"], ["--filename", "{artist}"], ["--shard", "3/2"], ["--shard", "0/2"], ["--shard", "half"], ["-j", "0"],
     ["--timeout", "0"], ["--threads", "0"], ["--json", "-", "--events", "-"]],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_option_is_2(wrong: list[str], tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clip,) = clips(tmp_path, "a.mp4")
    assert run(["separate", str(clip), "-o", str(out), *wrong]) == 2
    assert (capsys.readouterr().out, out.exists()) == ("", False)


def test_an_unknown_model_is_one_line(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    (clip,) = clips(tmp_path, "a.mp4")
    assert run(["separate", str(clip), "-o", str(out), "-m", "maxi"]) == 1
    said = capsys.readouterr().err
    assert (said.count("\n"), "maxi" in said, out.exists()) == (1, True, False)


def test_an_output_folder_that_is_a_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    (clip,) = clips(tmp_path, "a.mp4")
    assert run(["separate", str(clip), "-o", str(tmp_path / "file" / "out")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
