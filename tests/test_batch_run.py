"""Clips one after another: every input gets a row, an error ends its own clip only."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from avsep_plugin.batch import Row, Task, report, run, write_text
from avsep_plugin.discover import Findings, Job, Problem
from avsep_plugin.errors import DamagedMediaError, ModelError, NoVideoError, OutputError


@dataclass(frozen=True)
class Written:
    outputs: dict[str, Path]
    warnings: list[str] = field(default_factory=list)


def expected(job: Job) -> Mapping[str, Path]:
    return {"on": job.out_dir / "on-screen.wav", "video": job.out_dir / job.source.name}


def copy(job: Job) -> Written:
    """Write every expected output."""
    for path in expected(job).values():
        path.write_bytes(job.source.read_bytes())
    return Written(dict(expected(job)), ["a warning"] if job.source.stem == "warned" else [])


def refuse(error: BaseException) -> Callable[[Job], Written]:
    def handle(_job: Job) -> Written:
        raise error

    return handle


def findings(top: Path, *names: str, named: bool = True) -> Findings:
    for name in names:
        (top / name).write_text(name)
    return Findings([Job(top / name, named, top / "out" / Path(name).stem) for name in names], [], 0)


def rows(found: Findings, handle: Callable[[Job], Written] = copy, **options: bool) -> list[Row]:
    return list(run(found, Task("mini", expected, handle, **options)))


def test_a_finished_clip_has_its_outputs_and_warnings(tmp_path: Path) -> None:
    (row,) = rows(findings(tmp_path, "warned.mp4"))
    out = tmp_path / "out" / "warned"
    outputs = {"on": str(out / "on-screen.wav"), "video": str(out / "warned.mp4")}
    assert row == Row(str(tmp_path / "warned.mp4"), "done", outputs, "mini", "", ["a warning"])


def test_problems_come_first_and_are_errors(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4")
    made = rows(Findings(found.jobs, [Problem(tmp_path / "b.mp4", "b.mp4: no such file.")], 0))
    assert [(row.status, row.message) for row in made] == [("error", "b.mp4: no such file."), ("done", "")]


def test_what_is_there_is_skipped(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4")
    rows(found)
    (row,) = rows(found, refuse(AssertionError("must not run")))
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
    assert rows(found)[0].status == "done"


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    (row,) = rows(findings(tmp_path, "a.mp4"), dry_run=True)
    assert row.status == "skipped"
    assert row.message.startswith("dry run")
    assert not (tmp_path / "out").exists()


def test_an_error_is_a_row_and_the_batch_goes_on(tmp_path: Path) -> None:
    def second_fails(job: Job) -> Written:
        if job.source.stem == "b":
            raise DamagedMediaError("b.mp4: damaged.")
        return copy(job)

    made = rows(findings(tmp_path, "a.mp4", "b.mp4", "c.mp4"), second_fails)
    assert [(row.status, row.message) for row in made] == [("done", ""), ("error", "b.mp4: damaged."), ("done", "")]
    assert made[1].outputs == {}


@pytest.mark.parametrize("error", [DamagedMediaError("damaged"), RuntimeError("a bug"), KeyboardInterrupt()])
def test_an_error_leaves_no_new_folder(tmp_path: Path, error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            rows(findings(tmp_path, "a.mp4"), refuse(error))
    else:
        rows(findings(tmp_path, "a.mp4"), refuse(error))
    assert not (tmp_path / "out").exists()


def test_an_error_keeps_a_folder_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    rows(findings(tmp_path, "a.mp4"), refuse(DamagedMediaError("damaged")))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("named", "status"), [(True, "error"), (False, "skipped")])
def test_sound_only_is_an_error_when_named_and_skipped_when_walked(tmp_path: Path, named: bool, status: str) -> None:
    (row,) = rows(findings(tmp_path, "a.wav", named=named), refuse(NoVideoError("a.wav: no picture.")))
    assert (row.status, row.message) == (status, "a.wav: no picture.")


def test_an_unforeseen_error_is_one_line_with_its_kind(tmp_path: Path) -> None:
    (row,) = rows(findings(tmp_path, "a.mp4"), refuse(RuntimeError("first\nsecond")))
    assert row.message == f"{tmp_path / 'a.mp4'}: unexpected RuntimeError: first second"


def test_no_output_replaces_a_clip(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    source = tmp_path / "a" / "a.mp4"
    source.write_text("the clip")
    (row,) = rows(Findings([Job(source, True, tmp_path / "a")], [], 0), overwrite=True)
    assert row.status == "error"
    assert "would replace a clip" in row.message
    assert source.read_text() == "the clip"


def test_an_interrupt_keeps_what_was_finished(tmp_path: Path) -> None:
    def second_is_stopped(job: Job) -> Written:
        if job.source.stem == "b":
            raise KeyboardInterrupt
        return copy(job)

    made = run(findings(tmp_path, "a.mp4", "b.mp4"), Task("mini", expected, second_is_stopped))
    assert next(made).status == "done"
    with pytest.raises(KeyboardInterrupt):
        next(made)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_the_report_has_the_fields_in_order() -> None:
    (row,) = json.loads(report([Row("a.mp4", "done", {"on": "x.wav"}, "mini")]))
    assert list(row) == ["input", "status", "outputs", "model", "message", "warnings"]


def test_a_report_that_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OutputError, match=r"report\.json: this file cannot be written"):
        write_text("[]", tmp_path / "report.json")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_model_that_cannot_be_had_ends_the_batch(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        rows(findings(tmp_path, "a.mp4", "b.mp4"), refuse(ModelError("no model is called 'maxi'.")))
    assert not (tmp_path / "out").exists()
