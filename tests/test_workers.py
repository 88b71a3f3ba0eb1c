"""Worker processes: what kills one costs one file, and how many there are changes nothing."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workbench import CopyTask, clips

from avsep_plugin.batch import Event, Orders, Row, run
from avsep_plugin.discover import Findings, Job, find
from avsep_plugin.errors import ModelError, WorkerError
from avsep_plugin.workers import Workers


def findings(top: Path, *names: str) -> Findings:
    return Findings([Job(clip, True, top / "out" / clip.stem) for clip in clips(top / "in", *names)], [], 0)


def rows(found: Findings, crew: Workers, pause_seconds: float = 0.0, **orders: bool) -> dict[str, Row]:
    return {Path(row.input).name: row for row in run(found, CopyTask(pause_seconds=pause_seconds), Orders(**orders), crew)}


def files(top: Path) -> dict[str, bytes]:
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def made(top: Path) -> list[str]:
    """Clips that were begun, in order."""
    return (top / "in" / "made").read_text().split()


def test_what_kills_a_process_or_hangs_costs_one_file(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4", "killed-b.mp4", "c.mp4", "crashing-d.mp4", "hanging-e.mp4", "f.mp4", "damaged-g.mp4", "stuck-h.mp4")
    done = rows(found, Workers(jobs=2, timeout_seconds=3.0))
    assert {name: row.status for name, row in done.items()} == {
        "a.mp4": "done", "killed-b.mp4": "error", "c.mp4": "done", "crashing-d.mp4": "error", "hanging-e.mp4": "error", "f.mp4": "done",
        "damaged-g.mp4": "error", "stuck-h.mp4": "error",
    }  # fmt: skip
    assert "SIGKILL; perhaps there was too little memory" in done["killed-b.mp4"].message
    assert "SIGSEGV" in done["crashing-d.mp4"].message
    for name in ("hanging-e.mp4", "stuck-h.mp4"):
        assert done[name].message == f"{tmp_path / 'in' / name}: given up: it took longer than 3 seconds."
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "c", "f"}


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    written = []
    for jobs in (1, 3):
        top = tmp_path / str(jobs)
        rows(findings(top, *(f"{letter}.mp4" for letter in "abcde")), Workers(jobs))
        written.append({name: data for name, data in files(top / "out").items() if not name.endswith(".json")})
    assert len(written[0]) == 10
    assert written[0] == written[1]


def test_finished_clips_need_no_worker(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4", "b.mp4")
    rows(found, Workers(1))
    before = made(tmp_path)
    assert {row.status for row in rows(found, Workers(1)).values()} == {"skipped"}
    assert made(tmp_path) == before


def test_a_model_that_cannot_be_had_ends_the_batch(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^The weights are damaged\.$"):
        rows(findings(tmp_path, "modelless-a.mp4", "hanging-b.mp4", "c.mp4"), Workers(2))
    assert not (tmp_path / "out").exists()


def test_workers_that_cannot_begin_end_the_batch(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="avsep doctor"):
        list(run(findings(tmp_path, "a.mp4"), CopyTask("unloadable"), Orders(), Workers(1)))
    assert not (tmp_path / "out").exists()


def test_a_dry_run_loads_no_model(tmp_path: Path) -> None:
    (row,) = run(findings(tmp_path, "a.mp4"), CopyTask("unloadable"), Orders(dry_run=True), Workers(1))
    assert (row.status, row.message[:7]) == ("skipped", "dry run")


def test_fail_fast_stops_the_other_workers(tmp_path: Path) -> None:
    done = rows(findings(tmp_path, "damaged-a.mp4", "hanging-b.mp4", "c.mp4", "d.mp4"), Workers(2), fail_fast=True)
    assert [row.status for row in done.values()][-1] == "error"
    assert not (tmp_path / "out" / "hanging-b").exists()


def test_progress_comes_back_from_the_workers(tmp_path: Path) -> None:
    events: list[Event] = []
    found = findings(tmp_path, "a.mp4")
    assert len(list(run(found, CopyTask(pause_seconds=0.3), Orders(), Workers(1), events.append))) == 1
    told = [(event.seconds, event.total) for event in events if event.kind == "progress"]
    assert events[0].kind == "started"
    assert {total for _, total in told} == {5.0}
    assert len({seconds for seconds, _ in told}) >= 3


def _start(top: Path, *more: str, pause: float = 0.0) -> "subprocess.Popen[str]":
    """`avsep separate in -o out` with the CopyTask, as the leader of a process group, open to Ctrl-C even where the tests are not."""
    line = [sys.executable, "-c", "import workbench; workbench.main()", str(pause), "separate", str(top / "in"), "-o", str(top / "out")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(
        [*line, *more], env=environment, start_new_session=True, text=True, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_a_batch_that_is_killed_at_any_time_leaves_whole_outputs_or_none_and_goes_on(tmp_path: Path) -> None:
    names = [f"{letter}.mp4" for letter in "abcdef"]
    sources = clips(tmp_path / "in", *names)
    times = random.Random(0)
    for _ in range(3):
        batch = _start(tmp_path, "-j", "2", pause=0.05)
        time.sleep(times.uniform(0.5, 3))
        os.killpg(batch.pid, signal.SIGKILL)
        batch.communicate()
        for source in sources:
            for path in (tmp_path / "out" / source.stem / "on-screen.wav", tmp_path / "out" / source.stem / source.name):
                assert not path.exists() or path.read_bytes() == source.read_bytes()
    batch = _start(tmp_path, "-j", "2")
    _, said = batch.communicate(timeout=60)
    assert batch.returncode == 0, said
    expected = {f"{s.stem}/{name}" for s in sources for name in ("on-screen.wav", s.name, "separate.avsep.json")}
    assert {name for name in files(tmp_path / "out") if not name.endswith(".lock")} == expected


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    ("sent", "to_all", "code"), [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143), (signal.SIGTERM, True, 143)], ids=str
)
def test_ctrl_c_and_sigterm_keep_finished_work(tmp_path: Path, sent: signal.Signals, to_all: bool, code: int) -> None:
    """Ctrl-C goes to the whole group; SIGTERM to the program alone (`kill`), or to all that it has started (systemd)."""
    clips(tmp_path / "in", "a.mp4", "hanging-b.mp4", "z.mp4")
    batch = _start(tmp_path, "--json", str(tmp_path / "report.json"), "--events", str(tmp_path / "events"))
    until = time.monotonic() + 60
    while time.monotonic() < until and "hanging-b" not in ((tmp_path / "events").read_text() if (tmp_path / "events").exists() else ""):
        time.sleep(0.05)
    os.killpg(batch.pid, sent) if to_all else os.kill(batch.pid, sent)
    _, said = batch.communicate(timeout=60)  # the pipe ends when the last worker has closed it
    assert (batch.returncode, said.splitlines()[-1]) == (code, "error: stopped; what was finished stays.")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a"}
    assert sorted(name for name in files(tmp_path / "out") if not name.endswith(".lock")) == sorted(
        f"a/{name}" for name in ("a.mp4", "on-screen.wav", "separate.avsep.json")
    )
    assert '"status": "done"' in (tmp_path / "report.json").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_workers_do_not_outlive_a_batch_that_is_killed(tmp_path: Path) -> None:
    clips(tmp_path / "in", "hanging-a.mp4")
    batch = _start(tmp_path)
    until = time.monotonic() + 60
    while time.monotonic() < until and not list(tmp_path.glob("out/hanging-a/.avsep-*")):
        time.sleep(0.05)
    batch.kill()
    batch.communicate()  # the pipe ends when the last process of the group has closed it
    assert time.monotonic() < until
    assert not (tmp_path / "out").exists()


def test_two_runs_on_one_folder_share_the_work(tmp_path: Path) -> None:
    names = [f"{letter}.mp4" for letter in "abcdef"]
    clips(tmp_path / "in", *names)
    runs = [_start(tmp_path, pause=0.05), _start(tmp_path, pause=0.05)]
    said = [one.communicate(timeout=120)[1] for one in runs]
    assert [one.returncode for one in runs] == [0, 0], said
    assert sorted(made(tmp_path)) == names
    assert [text.count("done: ") + text.count("skipped: ") for text in said] == [6, 6]


def test_shards_of_two_machines_make_what_one_makes(tmp_path: Path) -> None:
    names = [f"{letter}.mp4" for letter in "abcdefgh"]
    for part in ("1/2", "2/2"):
        clips(tmp_path / "in", *names)
        batch = _start(tmp_path, "--shard", part)
        assert (batch.communicate(timeout=60), batch.returncode)[1] == 0
    assert sorted(made(tmp_path)) == names
    assert {job.out_dir for job in find([tmp_path / "in"], tmp_path / "out").jobs} == set((tmp_path / "out").iterdir())
