"""Clips one after another: every input gets a row, an error ends its own clip only, what is finished is left alone."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from workbench import Copied, CopyTask, clips

from avsep_plugin.atomic import write_text
from avsep_plugin.batch import Event, Orders, Progress, Row, report, run
from avsep_plugin.discover import Findings, Job, Problem
from avsep_plugin.errors import DamagedMediaError, ModelError, OutputError
from avsep_plugin.sidecar import read


def findings(top: Path, *names: str, named: bool = True) -> Findings:
    return Findings([Job(clip, named, top / "out" / clip.stem) for clip in clips(top, *names)], [], 0)


def rows(found: Findings, task: CopyTask | None = None, **orders: bool) -> list[Row]:
    return list(run(found, task or CopyTask(), Orders(**orders)))


@dataclass(frozen=True)
class Doing(CopyTask):
    """Does what a function says before it copies."""

    do: Callable[[Job], None] = lambda _: None

    def handle(self, job: Job, progress: Progress) -> Copied:
        self.do(job)
        return super().handle(job, progress)


def refusing(error: BaseException, stem: str = "") -> Doing:
    def refuse(job: Job) -> None:
        if job.source.stem.startswith(stem):
            raise error

    return Doing(do=refuse)


def test_a_finished_clip_has_its_outputs_and_warnings(tmp_path: Path) -> None:
    (row,) = rows(findings(tmp_path, "warned.mp4"))
    out = tmp_path / "out" / "warned"
    outputs = {"on": str(out / "on-screen.wav"), "video": str(out / "warned.mp4")}
    source = str(tmp_path / "warned.mp4")
    assert row == Row(source, "done", outputs, "mini", "", [f"{source}: a warning"], "it is new")
    assert sorted(path.name for path in out.iterdir()) == ["on-screen.wav", "separate.avsep.json", "warned.mp4"]


def test_the_sidecar_says_what_was_made_of_what(tmp_path: Path) -> None:
    rows(findings(tmp_path, "warned.mp4"), CopyTask(settings={"part": (1, 2)}))
    known = read(tmp_path / "out" / "warned" / "separate.avsep.json")
    assert known is not None
    assert (known.task, known.input.path, known.input.size) == ("separate", str(tmp_path / "warned.mp4"), 5000)
    assert (known.model.name, known.model.sha256, known.options) == ("mini", "0" * 64, {"part": [1, 2]})
    assert {kind: (written.name, written.size) for kind, written in known.outputs.items()} == {
        "on": ("on-screen.wav", 5000), "video": ("warned.mp4", 5000),
    }  # fmt: skip
    assert known.warnings == (f"{tmp_path / 'warned.mp4'}: a warning",)


def test_problems_come_first_and_are_errors(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4")
    made = rows(Findings(found.jobs, [Problem(tmp_path / "b.mp4", "b.mp4: no such file.")], 0))
    assert [(row.status, row.message) for row in made] == [("error", "b.mp4: no such file."), ("done", "")]


def test_what_is_there_is_skipped(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4")
    rows(found)
    (row,) = rows(found, refusing(AssertionError("must not run")))
    assert (row.status, sorted(row.outputs)) == ("skipped", ["on", "video"])


def test_overwrite_makes_it_again(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4")
    rows(found)
    (row,) = rows(found, overwrite=True)
    assert row.status == "done"


def test_half_of_the_outputs_is_not_enough(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4")
    rows(found)
    (tmp_path / "out" / "a" / "on-screen.wav").unlink()
    (row,) = rows(found)
    assert (row.status, row.reason) == ("done", "on-screen.wav is gone")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    (row,) = rows(findings(tmp_path, "a.mp4"), dry_run=True)
    assert row.status == "skipped"
    assert row.message == "dry run: nothing was written; it would be made because it is new."
    assert not (tmp_path / "out").exists()


def test_an_error_is_a_row_and_the_batch_goes_on(tmp_path: Path) -> None:
    made = rows(findings(tmp_path, "a.mp4", "damaged-b.mp4", "c.mp4"))
    assert [(row.status, row.message) for row in made] == [
        ("done", ""), ("error", f"{tmp_path / 'damaged-b.mp4'} is damaged."), ("done", ""),
    ]  # fmt: skip
    assert made[1].outputs == {}


def test_fail_fast_stops_at_the_first_error(tmp_path: Path) -> None:
    assert [row.status for row in rows(findings(tmp_path, "a.mp4", "damaged-b.mp4", "c.mp4"), fail_fast=True)] == ["done", "error"]
    assert not (tmp_path / "out" / "c").exists()


@pytest.mark.parametrize("error", [DamagedMediaError("damaged"), RuntimeError("a bug"), KeyboardInterrupt()])
def test_an_error_leaves_no_new_folder(tmp_path: Path, error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            rows(findings(tmp_path, "a.mp4"), refusing(error))
    else:
        rows(findings(tmp_path, "a.mp4"), refusing(error))
    assert not (tmp_path / "out").exists()


def test_errors_side_by_side_leave_no_folder_above_theirs(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4", "b.mp4")

    def fail_while_another_begins(_: Job) -> None:
        (tmp_path / "out" / "b").mkdir(exist_ok=True)
        raise DamagedMediaError("It is damaged.")

    assert [row.status for row in rows(found, Doing(do=fail_while_another_begins))] == ["error", "error"]
    assert not (tmp_path / "out").exists()


def test_an_error_keeps_a_folder_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    rows(findings(tmp_path, "a.mp4"), refusing(DamagedMediaError("damaged")))
    assert list((tmp_path / "out").iterdir()) == []


def test_an_error_keeps_what_was_made_before(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4")
    rows(found)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out" / "a").iterdir()}
    rows(found, refusing(DamagedMediaError("damaged")), overwrite=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "a").iterdir()} == before


@pytest.mark.parametrize(("named", "status"), [(True, "error"), (False, "skipped")])
def test_sound_only_is_an_error_when_named_and_skipped_when_walked(tmp_path: Path, named: bool, status: str) -> None:
    (row,) = rows(findings(tmp_path, "blind.wav", named=named))
    assert (row.status, row.message) == (status, f"{tmp_path / 'blind.wav'} has no picture.")


def test_an_unforeseen_error_is_one_line_with_its_kind(tmp_path: Path) -> None:
    (row,) = rows(findings(tmp_path, "a.mp4"), refusing(RuntimeError("first\nsecond")))
    assert row.message == f"{tmp_path / 'a.mp4'}: unexpected RuntimeError: first second"


def test_an_error_names_the_folder_that_the_user_knows(tmp_path: Path) -> None:
    def full(job: Job) -> None:
        raise OutputError(f"{job.out_dir / 'on-screen.wav'} cannot be written: the disk is full.")

    (row,) = rows(findings(tmp_path, "a.mp4"), Doing(do=full))
    assert row.message == f"{tmp_path / 'out' / 'a' / 'on-screen.wav'} cannot be written: the disk is full."


def test_no_output_replaces_a_clip(tmp_path: Path) -> None:
    (source,) = clips(tmp_path / "a", "a.mp4")
    before = source.read_bytes()
    (row,) = rows(Findings([Job(source, True, tmp_path / "a")], [], 0), overwrite=True)
    assert row.status == "error"
    assert "would replace a clip" in row.message
    assert source.read_bytes() == before


def test_a_clip_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    (row,) = rows(findings(tmp_path, "a.mp4"), Doing(do=lambda job: os.utime(job.source, (1, 1))))
    assert (row.status, "was changed while it was read" in row.message) == ("error", True)
    assert not (tmp_path / "out").exists()


def test_an_interrupt_keeps_what_was_finished(tmp_path: Path) -> None:
    made = run(findings(tmp_path, "a.mp4", "b.mp4"), refusing(KeyboardInterrupt(), "b"))
    assert next(made).status == "done"
    with pytest.raises(KeyboardInterrupt):
        next(made)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_what_another_run_is_working_on_is_done_last(tmp_path: Path) -> None:
    """The other run here is the first one itself: while it makes c, a second run finds c busy."""
    found = findings(tmp_path, "c.mp4", "d.mp4")
    events: list[tuple[str, str]] = []

    def second(job: Job) -> None:
        made = run(found, CopyTask(), tell=lambda event: events.append((event.kind, event.job.source.stem)))
        assert (next(made).input, job.source.stem) == (str(tmp_path / "d.mp4"), "c")
        made.close()

    list(run(Findings(found.jobs[:1], [], 0), Doing(do=second)))
    assert [event for event in events if event[0] == "started"] == [("started", "c"), ("started", "d")]


def test_progress_is_told_in_seconds(tmp_path: Path) -> None:
    events: list[Event] = []
    list(run(findings(tmp_path, "a.mp4"), CopyTask(), tell=events.append))
    assert (events[0].kind, events[0].total) == ("started", 5.0)
    assert [event.seconds for event in events[1:6]] == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_the_report_has_the_fields_in_order() -> None:
    (row,) = json.loads(report([Row("a.mp4", "done", {"on": "x.wav"}, "mini")]))
    assert list(row) == ["input", "status", "outputs", "model", "message", "warnings", "reason"]


def test_a_report_that_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OutputError, match=r"report\.json: this file cannot be written \(Is a directory\)"):
        write_text("[]", tmp_path / "report.json")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_model_that_cannot_be_had_ends_the_batch(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        rows(findings(tmp_path, "a.mp4", "b.mp4"), refusing(ModelError("no model is called 'maxi'.")))
    assert not (tmp_path / "out").exists()
