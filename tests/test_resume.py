"""What is done with a clip in whose folder there is something already: nothing that avsep did not write is replaced unasked."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
from workbench import CopyTask, clips

from avsep_plugin import sidecar
from avsep_plugin.batch import Orders, Row, run
from avsep_plugin.discover import Findings, Job
from avsep_plugin.errors import SidecarError

MORE = {"format": "flac"}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (source,) = clips(tmp_path / "clips", "a.mp4")
    return Job(source, True, tmp_path / "out" / "a")


def again(job: Job, task: CopyTask | None = None, *, overwrite: bool = False) -> Row:
    (row,) = run(Findings([job], [], 0), task or CopyTask(), Orders(overwrite=overwrite))
    return row


@pytest.fixture
def done(job: Job) -> Job:
    """A clip that is finished."""
    assert again(job).status == "done"
    return job


def test_finished_work_is_skipped(done: Job) -> None:
    assert again(done).status == "skipped"


def test_another_version_of_the_clip_is_made(done: Job) -> None:
    done.source.write_bytes(b"another" * 1000)
    row = again(done)
    assert (row.status, row.reason) == ("done", "the clip has changed")
    assert (done.out_dir / "on-screen.wav").read_bytes() == b"another" * 1000


def test_a_clip_with_another_time_counts_as_changed(done: Job) -> None:
    os.utime(done.source, (1, 1))
    assert again(done).reason == "the clip has changed"


def test_the_same_clip_elsewhere_is_the_same_clip(done: Job) -> None:
    moved = done.source.rename(done.source.with_name("moved.mp4"))
    assert again(dataclasses.replace(done, source=moved)).status == "skipped"


def test_another_model_makes_it_again(done: Job) -> None:
    assert again(done, CopyTask(model_sha256="1" * 64)).reason == "it was made by another model, aligner, mask or sound (mini)"


def test_a_model_by_another_name_is_the_same_model(done: Job) -> None:
    assert again(done, CopyTask(model="elsewhere/mini.safetensors")).status == "skipped"


def test_other_options_make_it_again(done: Job) -> None:
    assert again(done, CopyTask(settings=MORE)).reason == "it was made with other options (format)"
    assert again(done, CopyTask(settings=MORE)).status == "skipped"


def test_files_that_avsep_did_not_write_are_not_replaced(job: Job) -> None:
    job.out_dir.mkdir(parents=True)
    (job.out_dir / "on-screen.wav").write_bytes(b"precious")
    row = again(job)
    assert (row.status, "on-screen.wav, which avsep did not finish" in row.message) == ("error", True)
    assert [path.read_bytes() for path in job.out_dir.iterdir()] == [b"precious"]


def test_files_that_avsep_did_not_write_are_replaced_when_asked(job: Job) -> None:
    job.out_dir.mkdir(parents=True)
    (job.out_dir / "on-screen.wav").write_bytes(b"precious")
    assert again(job, overwrite=True).status == "done"
    assert (job.out_dir / "on-screen.wav").read_bytes() == job.source.read_bytes()


def test_other_files_in_the_folder_do_not_matter(job: Job) -> None:
    job.out_dir.mkdir(parents=True)
    (job.out_dir / "notes.txt").write_bytes(b"precious")
    assert again(job).status == "done"
    assert (job.out_dir / "notes.txt").read_bytes() == b"precious"


@pytest.mark.parametrize("edited", [b"shorter", b"x" * 5000], ids=["another size", "the same size"])
def test_outputs_that_were_edited_are_not_replaced(done: Job, edited: bytes) -> None:
    (done.out_dir / "on-screen.wav").write_bytes(edited)
    row = again(done, CopyTask(settings=MORE))
    assert (row.status, "was changed after avsep wrote it" in row.message) == ("error", True)
    assert (done.out_dir / "on-screen.wav").read_bytes() == edited


def test_the_outputs_of_another_clip_are_not_replaced(done: Job, tmp_path: Path) -> None:
    (other,) = clips(tmp_path / "others", "a.mp4")
    other.write_bytes(b"something else")
    row = again(Job(other, True, done.out_dir))
    assert (row.status, f"the outputs of another clip, {done.source}" in row.message) == ("error", True)
    assert (done.out_dir / "a.mp4").read_bytes() == done.source.read_bytes()


def test_what_earlier_options_wrote_stays_and_may_be_replaced_later(done: Job) -> None:
    @dataclasses.dataclass(frozen=True)
    class Other(CopyTask):
        def expected(self, job: Job) -> dict[str, Path]:
            return {"on": job.out_dir / "on-screen.flac"}

    assert again(done, Other(settings=MORE)).status == "done"
    assert {path.name for path in done.out_dir.iterdir()} == {"on-screen.wav", "on-screen.flac", "a.mp4", "separate.avsep.json"}
    assert again(done).status == "done"


def test_a_run_that_was_killed_while_it_published_is_made_again(done: Job) -> None:
    """What is left then: the sidecar under its hidden name, and any of the outputs either old or new."""
    (done.out_dir / "separate.avsep.json").rename(done.out_dir / ".separate.avsep.json")
    (done.out_dir / "on-screen.wav").write_bytes(b"of the run before")
    assert again(done).status == "done"
    assert {path.name for path in done.out_dir.iterdir()} == {"on-screen.wav", "a.mp4", "separate.avsep.json"}


def test_drafts_of_a_killed_run_are_swept_up(job: Job) -> None:
    (job.out_dir / ".avsep-dead").mkdir(parents=True)
    (job.out_dir / ".avsep-dead" / "on-screen.wav").write_bytes(b"half")
    (job.out_dir / ".avsep.lock").touch()
    again(job)
    assert {path.name for path in job.out_dir.iterdir()} == {"on-screen.wav", "a.mp4", "separate.avsep.json"}


def test_a_damaged_sidecar_does_not_count_as_finished(done: Job) -> None:
    (done.out_dir / "separate.avsep.json").write_text('{"schema": 1, "task"')
    assert (again(done).status, again(done, overwrite=True).status, again(done).status) == ("error", "done", "skipped")


def test_a_sidecar_of_a_later_version_is_not_guessed_at(done: Job) -> None:
    path = done.out_dir / "separate.avsep.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 2}))
    with pytest.raises(SidecarError, match="version 2; this avsep knows version 1"):
        sidecar.read(path)
    assert again(done).status == "error"


def test_the_ends_of_a_clip_are_hashed_and_not_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    path.write_bytes(b"a" * 3 * 2**20)
    before = sidecar.look_at(path)
    states = []
    for place in (0, 2**20 + 5, 3 * 2**20 - 1):
        content = bytearray(b"a" * 3 * 2**20)
        content[place] = 0
        path.write_bytes(content)
        os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
        states.append(sidecar.look_at(path))
    assert [state.head_sha256 == before.head_sha256 for state in states] == [False, True, True]
    assert [state.tail_sha256 == before.tail_sha256 for state in states] == [True, True, False]
