"""A Ray of two workers on this machine: the same bytes, rows and exit codes as worker processes; a dead worker costs nothing but time."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from conftest import MakeClip
from workbench import CopyTask, clips

from avsep_plugin.batch import Engine, Event, Orders, Row, run
from avsep_plugin.cli import main
from avsep_plugin.cluster import Cluster
from avsep_plugin.discover import Findings, Job, find
from avsep_plugin.errors import ConfigError, ModelError, WorkerError
from avsep_plugin.tasks import SeparateTask
from avsep_plugin.workers import Workers

CREW = Cluster(jobs=2, threads=1)


@pytest.fixture(scope="module", autouse=True)
def _two_workers() -> Iterator[None]:
    """One Ray for all tests here; a batch that finds one uses it and leaves it running."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # workers have to find the workbench
        ray.init("local", num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False, object_store_memory=80 * 2**20)
    yield
    ray.shutdown()


def findings(top: Path, *names: str) -> Findings:
    return Findings([Job(clip, True, top / "out" / clip.stem) for clip in clips(top / "in", *names)], [], 0)


def rows(found: Findings, crew: Cluster = CREW, task: CopyTask | None = None, **orders: bool) -> dict[str, Row]:
    return {Path(row.input).name: row for row in run(found, task or CopyTask(), Orders(**orders), crew)}


def files(top: Path) -> dict[str, bytes]:
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def made(top: Path) -> list[str]:
    return (top / "in" / "made").read_text().split()


def _separated(engine: Engine, source: Path, out: Path, model: Path) -> tuple[dict[str, bytes], list[Row]]:
    task = SeparateTask(str(model), "cpu")
    done = list(run(find([source], out), task, Orders(), engine))
    return files(out), sorted(done, key=lambda row: row.input)


def test_it_writes_the_bytes_that_worker_processes_write(tmp_path: Path, make_clip: MakeClip, tiny_models: dict[str, Path]) -> None:
    for index in range(3):
        make_clip(tmp_path / "in" / f"clip {index}.mov", 1.0 + index / 2)
    (tmp_path / "in" / "broken.mov").write_bytes(b"no clip")
    outs = {"local": Workers(2, threads=1), "ray": CREW}
    results = {name: _separated(engine, tmp_path / "in", tmp_path / name, tiny_models["separate"]) for name, engine in outs.items()}
    assert [row.status for row in results["ray"][1]].count("done") == 3
    assert results["ray"][0] == results["local"][0]
    assert any(name.endswith("separate.avsep.json") for name in results["ray"][0])
    spelled = {name: json.dumps([vars(row) for row in done]).replace(str(tmp_path / name), "OUT") for name, (_, done) in results.items()}
    assert spelled["ray"] == spelled["local"]


def test_a_worker_that_is_killed_half_way_costs_nothing_but_time(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4", "fragile-b.mp4", "c.mp4", "d.mp4")
    done = rows(found)
    assert {row.status for row in done.values()} == {"done"}
    assert sorted(made(tmp_path)) == ["a.mp4", "c.mp4", "d.mp4", "fragile-b.mp4", "fragile-b.mp4"]
    whole = {f"{job.out_dir.name}/{name}" for job in found.jobs for name in ("on-screen.wav", job.source.name, "separate.avsep.json")}
    assert set(files(tmp_path / "out")) == whole
    for job in found.jobs:
        assert (job.out_dir / job.source.name).read_bytes() == job.source.read_bytes()


def test_a_clip_that_kills_every_worker_or_hangs_costs_one_file(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4", "killed-b.mp4", "c.mp4", "hanging-d.mp4", "damaged-e.mp4", "f.mp4", "stuck-g.mp4")
    done = rows(found, Cluster(jobs=2, threads=1, timeout_seconds=1.0))
    assert {name: row.status for name, row in done.items()} == {
        "a.mp4": "done", "killed-b.mp4": "error", "c.mp4": "done", "hanging-d.mp4": "error", "damaged-e.mp4": "error", "f.mp4": "done",
        "stuck-g.mp4": "error",
    }  # fmt: skip
    assert "2 workers that worked on it died" in done["killed-b.mp4"].message
    for name in ("hanging-d.mp4", "stuck-g.mp4"):
        assert done[name].message == f"{tmp_path / 'in' / name}: given up: it took longer than 1 seconds."
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "c", "f"}


def test_progress_and_beginnings_are_told(tmp_path: Path) -> None:
    events: list[Event] = []
    assert len(list(run(findings(tmp_path, "a.mp4"), CopyTask(pause_seconds=0.4), Orders(), CREW, events.append))) == 1
    told = [(event.seconds, event.total) for event in events if event.kind == "progress"]
    assert events[0].kind == "started"
    assert {total for _, total in told} == {5.0}
    assert len({seconds for seconds, _ in told}) >= 3


def test_fail_fast_stops_the_other_workers(tmp_path: Path) -> None:
    done = rows(findings(tmp_path, "damaged-a.mp4", "hanging-b.mp4", "c.mp4", "d.mp4"), fail_fast=True)
    assert [row.status for row in done.values()][-1] == "error"
    assert not (tmp_path / "out" / "hanging-b").exists()


def test_finished_clips_need_no_worker(tmp_path: Path) -> None:
    found = findings(tmp_path, "a.mp4")
    rows(found)
    before = made(tmp_path)
    assert {row.status for row in rows(found, Cluster(address="nowhere.invalid:1")).values()} == {"skipped"}
    assert made(tmp_path) == before


def test_relative_paths_begin_where_the_batch_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips(tmp_path / "in", "a.mp4")
    monkeypatch.chdir(tmp_path)
    (row,) = rows(Findings([Job(Path("in/a.mp4"), True, Path("out/a"))], [], 0)).values()
    assert (row.input, row.outputs["on"], row.status) == ("in/a.mp4", "out/a/on-screen.wav", "done")
    assert (tmp_path / "out" / "a" / "on-screen.wav").is_file()


def test_a_model_that_cannot_be_had_ends_the_batch(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^The weights are damaged\.$"):
        rows(findings(tmp_path, "modelless-a.mp4", "hanging-b.mp4", "c.mp4"))
    assert not (tmp_path / "out").exists()


def test_workers_that_cannot_begin_end_the_batch(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="avsep doctor"):
        rows(findings(tmp_path, "a.mp4"), task=CopyTask("unloadable"))
    assert not (tmp_path / "out").exists()


def test_more_gpus_than_there_are_end_the_batch(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="no machine of this Ray has 1 CPUs and 8 GPUs"):
        rows(findings(tmp_path, "a.mp4"), Cluster(threads=1, gpus_per_worker=8))


def test_without_ray_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ImportError("No module named 'ray'")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"pip install 'avsep-plugin\[cluster\]'"):
        rows(findings(tmp_path, "a.mp4"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [["--address", "auto"], ["--gpus-per-worker", "1"], ["--engine", "dask"]], ids=" ".join)
def test_options_of_another_engine_are_2(wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clip,) = clips(tmp_path, "a.mp4")
    assert main.run(["separate", str(clip), "-o", str(tmp_path / "out"), *wrong]) == 2
    assert (capsys.readouterr().out, (tmp_path / "out").exists()) == ("", False)


def _start(top: Path, *more: str, pause: float = 0.0) -> "subprocess.Popen[str]":
    """`avsep separate in -o out --engine ray` with the CopyTask and a Ray of its own, as the leader of a process group."""
    line = [sys.executable, "-c", "import workbench; workbench.main()", str(pause), "separate", str(top / "in"), "-o", str(top / "out")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(
        [*line, "--engine", "ray", "--threads", "1", *more], env=environment, start_new_session=True, text=True, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def _reported(top: Path, name: str) -> dict[str, str]:
    return {Path(row["input"]).name: row["status"] for row in json.loads((top / name).read_text())}


def test_report_and_exit_code_are_those_of_a_batch(tmp_path: Path) -> None:
    clips(tmp_path / "in", "a.mp4", "damaged-b.mp4", "warned.mp4")
    batch = _start(tmp_path, "-j", "2", "--json", str(tmp_path / "report.json"), "--events", str(tmp_path / "events"))
    _, said = batch.communicate(timeout=120)
    assert batch.returncode == 1, said
    assert _reported(tmp_path, "report.json") == {"a.mp4": "done", "damaged-b.mp4": "error", "warned.mp4": "done"}
    lines = said.splitlines()
    assert lines[-1] == "2 done, 0 skipped, 1 failed"
    assert [line for line in lines if not line.startswith(("model: ", "done: ", "warning: ", "error: "))] == lines[-1:]
    told = [json.loads(line)["event"] for line in (tmp_path / "events").read_text().splitlines()]
    assert sorted(event for event in told if event != "progress") == sorted(["started"] * 3 + ["done"] * 2 + ["error", "finished"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_finished_work_and_is_130(tmp_path: Path) -> None:
    clips(tmp_path / "in", "a.mp4", "hanging-b.mp4", "z.mp4")
    batch = _start(tmp_path, "--json", str(tmp_path / "report.json"))
    until = time.monotonic() + 60
    while time.monotonic() < until and not list(tmp_path.glob("out/hanging-b/.avsep-*")):
        time.sleep(0.05)
    os.killpg(batch.pid, signal.SIGINT)
    _, said = batch.communicate(timeout=60)  # the pipe ends when the last process of the group has closed it
    assert (batch.returncode, said.splitlines()[-1]) == (130, "error: stopped; what was finished stays.")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a"}
    assert _reported(tmp_path, "report.json") == {"a.mp4": "done"}


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    clips(tmp_path / "in", "a.mp4")
    batch = _start(tmp_path, "--address", "127.0.0.1:1")
    _, said = batch.communicate(timeout=120)
    assert (batch.returncode, said.count("\n"), "127.0.0.1:1 cannot be reached" in said) == (1, 1, True), said
