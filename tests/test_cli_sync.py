"""`avsep sync` from the command line: the table, the report, exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
from blinking import Blinking, blinks, write_blinks

from avsep_plugin import tasks
from avsep_plugin.batch import Row
from avsep_plugin.cli import clips
from avsep_plugin.cli.main import run
from avsep_plugin.cli.sync import sparkline, table


@pytest.fixture(autouse=True)
def _blinking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is done here, by an aligner that sees blinks."""
    monkeypatch.setattr(tasks, "_aligner", lambda *_: Blinking())
    monkeypatch.setattr(clips, "_engine", lambda _: None)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage") / "in"
    write_blinks(folder / "late.mov", blinks(120), 0.4)
    write_blinks(folder / "day 2" / "early.mov", blinks(120), -0.2)
    write_blinks(folder / "dark.mov", blinks(60) * 0)
    return folder


def avsep_sync(footage: Path, out: Path, *more: str) -> int:
    return run(["sync", str(footage), "-o", str(out), "-m", "mini", "--abstain-below", "0.3", *more])


def test_a_line_for_each_clip(footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert avsep_sync(footage, tmp_path / "out") == 0
    said = capsys.readouterr()
    lines = {line.split()[0]: line for line in said.out.splitlines()}
    assert next(iter(lines)) == "clip"
    assert "curve, -1000 to +1000 ms" in lines["clip"]
    assert "+400 ms late" in lines["late.mov"]
    assert "-200 ms early" in lines["early.mov"]
    assert "none found" in lines["dark.mov"]
    assert said.err.splitlines()[-1] == "3 done, 0 skipped, 0 failed"
    assert (tmp_path / "out" / "day 2" / "early" / "sync.json").is_file()


def test_what_was_done_before_is_in_the_table_too(footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    avsep_sync(footage / "late.mov", tmp_path / "out")
    first = capsys.readouterr().out
    avsep_sync(footage / "late.mov", tmp_path / "out")
    assert capsys.readouterr().out == first != ""


def test_the_report_has_the_measurement(footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert avsep_sync(footage, tmp_path / "out", "--json", "-") == 0
    rows = {Path(row["input"]).name: row for row in json.loads(capsys.readouterr().out)}
    assert rows["late.mov"]["sync"] == json.loads((tmp_path / "out" / "late" / "sync.json").read_text())
    assert rows["dark.mov"]["sync"]["offset_seconds"] is None


def test_fix_writes_the_clip_and_says_what_it_did(footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert avsep_sync(footage, tmp_path / "out", "--fix", "--fix-from", "0.3", "--json", str(tmp_path / "report.json")) == 0
    rows = {Path(row["input"]).name: row for row in json.loads((tmp_path / "report.json").read_text())}
    assert set(rows["late.mov"]["outputs"]) == {"sync", "video"}
    assert set(rows["dark.mov"]["outputs"]) == {"sync"}
    assert "dark.mov: The sound was not moved" in capsys.readouterr().err
    assert run(["verify", str(tmp_path / "out")]) == 0


def test_a_container_that_is_refused_fails_its_clip_only(footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_blinks(tmp_path / "in" / "a.avi", blinks(60))
    assert (
        run(["sync", str(tmp_path / "in"), str(footage / "late.mov"), "-o", str(tmp_path / "out"), "--fix", "--abstain-below", "0.3"]) == 1
    )
    said = capsys.readouterr()
    assert "a.avi: the container avi cannot say" in said.err
    assert "+400 ms late" in said.out
    assert not (tmp_path / "out" / "a").exists()


@pytest.mark.parametrize(
    "wrong", [("--max-offset", "0"), ("--windows", "0"), ("--abstain-below", "2"), ("--fix-from", "2"), ("--audio-track", "0")]
)
def test_values_out_of_range_are_usage(wrong: tuple[str, str], footage: Path, tmp_path: Path) -> None:
    assert avsep_sync(footage, tmp_path / "out", *wrong) == 2


def _point(offset: float, score: float) -> dict[str, Any]:
    return {"offset_seconds": offset, "score": score}


def test_the_sparkline_is_highest_where_the_curve_is() -> None:
    line = sparkline([_point(number / 12, float(number == 6)) for number in range(-12, 13)], 1.0)
    assert line == 18 * "▁" + "█" + 6 * "▁"


def test_a_stretch_that_was_not_judged_is_blank() -> None:
    assert sparkline([_point(0.0, 1.0)], 1.0).strip() == "▁"
    assert sparkline([], 1.0) == ""


def test_no_table_where_nothing_was_measured() -> None:
    assert table([Row("a.mov", "error", {}, "mini", "no")]) == ""
