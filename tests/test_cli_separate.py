"""`avsep separate` and `avsep localize` from the command line, with tiny models: files, reports, exit codes.

Every call starts worker processes that load PyTorch, so one batch over a folder of everything serves most tests. What does not need
them is in test_tasks.py (the real tasks in this process) and test_cli_batch.py (the command line with a task that only copies).
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from avsep_plugin.cli.main import run

MakeClip = Callable[..., Path]
LATIN1 = os.fsdecode(b"caf\xe9.mov") if sys.platform not in ("win32", "darwin") else "café.mov"


@dataclass(frozen=True)
class Said:
    """One run of the command line."""

    code: int
    rows: list[dict[str, Any]]
    err: str
    out: Path

    def status(self) -> dict[str, str]:
        return {Path(row["input"]).name: row["status"] for row in self.rows}

    def files(self) -> dict[str, bytes]:
        return {path.relative_to(self.out).as_posix(): path.read_bytes() for path in sorted(self.out.rglob("*")) if path.is_file()}


def avsep(command: str, source: Path, out: Path, model: Path, *more: str) -> Said:
    with contextlib.redirect_stdout(io.StringIO()) as stdout, contextlib.redirect_stderr(io.StringIO()) as stderr:
        code = run([command, str(source), "-o", str(out), "-m", str(model), "-d", "cpu", "--json", "-", *more])
    return Said(code, json.loads(stdout.getvalue()), stderr.getvalue(), out)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory, make_clip: MakeClip) -> Path:
    """A folder of everything."""
    clips = tmp_path_factory.mktemp("footage") / "clips"
    make_clip(clips / "day1" / "talk.mov", 2.0)
    make_clip(clips / "sound.wav", picture=False)
    make_clip(clips / "silent.mov", sound=False)
    make_clip(clips / LATIN1)
    (clips / "broken.mov").write_bytes(b"not a movie")
    (clips / "notes.txt").write_text("no media")
    return clips


@pytest.fixture(scope="module")
def separated(footage: Path, tiny_models: dict[str, Path]) -> Said:
    return avsep("separate", footage, footage.parent / "out", tiny_models["separate"], "-j", "2")


def test_a_folder_with_all_kinds_of_files(separated: Said) -> None:
    assert separated.code == 1
    assert separated.status() == {"talk.mov": "done", "sound.wav": "skipped", "silent.mov": "error", "broken.mov": "error", LATIN1: "done"}
    assert separated.err.splitlines()[-1] == "2 done, 1 skipped, 2 failed, 1 no media"


def test_a_clip_gets_its_three_files_and_the_sidecar(separated: Said) -> None:
    (row,) = (row for row in separated.rows if row["input"].endswith("talk.mov"))
    assert {name for name in separated.files() if name.startswith("day1")} == {
        "day1/talk/on-screen.wav", "day1/talk/off-screen.wav", "day1/talk/talk.mov", "day1/talk/separate.avsep.json",
    }  # fmt: skip
    assert {kind: Path(path).name for kind, path in row["outputs"].items()} == {
        "on": "on-screen.wav", "off": "off-screen.wav", "video": "talk.mov",
    }  # fmt: skip


def test_failed_clips_leave_no_folders(separated: Said) -> None:
    assert {path.name for path in separated.out.rglob("*") if path.is_dir()} == {"day1", "talk", LATIN1.removesuffix(".mov")}


def test_a_failure_is_one_line(separated: Said) -> None:
    assert sum(line.startswith("error: ") for line in separated.err.splitlines()) == 2


@pytest.mark.slow
def test_one_worker_makes_the_bytes_of_two(separated: Said, footage: Path, tiny_models: dict[str, Path]) -> None:
    alone = avsep("separate", footage, footage.parent / "alone", tiny_models["separate"], "-j", "1")
    assert alone.files() == separated.files()


@pytest.mark.slow
def test_localize_writes_overlay_and_heat_map(footage: Path, tiny_models: dict[str, Path], tmp_path: Path) -> None:
    said = avsep("localize", footage / LATIN1, tmp_path / "out", tiny_models["align"])
    assert (said.code, set(said.rows[0]["outputs"])) == (0, {"overlay", "heatmap"}), said.err
    assert {Path(name).name for name in said.files()} == {"overlay.mp4", "heatmap.npz", "localize.avsep.json"}


@pytest.mark.slow
def test_weights_that_are_damaged_end_the_batch_with_one_line(footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    assert run(["separate", str(footage), "-o", str(tmp_path / "out"), "-m", str(tmp_path / "bad.safetensors")]) == 1
    said = capsys.readouterr().err
    assert (said.count("\n"), "bad.safetensors is not a whole avsep weights file" in said) == (1, True)
    assert not (tmp_path / "out").exists()
