"""A task for tests of the batch that needs no model: it copies the clip, and does what the clip's name says.

It lies in a module of its own because worker processes have to import it. `main` is the command line with this task in place of the
real one, for tests that kill it.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from avsep_plugin.discover import Job
from avsep_plugin.errors import DamagedMediaError, ModelError, NoVideoError
from avsep_plugin.work import Progress

BLOCK = 1000
SIZE = 5 * BLOCK


@dataclass(frozen=True)
class Copied:
    outputs: dict[str, Path]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CopyTask:
    """pause_seconds: time that each block takes. Every clip that is begun leaves a line in the file `made` beside it."""

    model: str = "mini"
    pause_seconds: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_sha256: str = "0" * 64
    name: ClassVar[str] = "separate"

    def identified(self) -> "CopyTask":
        return self

    def prepare(self, threads: int) -> None:  # noqa: ARG002  there is nothing to set
        if self.model == "unloadable":
            raise ImportError("no PyTorch here")

    def expected(self, job: Job) -> dict[str, Path]:
        return {"on": job.out_dir / "on-screen.wav", "video": job.out_dir / job.source.name}

    def seconds(self, job: Job) -> float:
        return job.source.stat().st_size / BLOCK

    def handle(self, job: Job, progress: Progress) -> Copied:
        _obey(job.source)
        with (job.source.parent / "made").open("a") as log:
            log.write(f"{job.source.name}\n")
        outputs = self.expected(job)
        content = job.source.read_bytes()
        for path in outputs.values():
            with path.open("wb") as file:
                for start in range(0, len(content), BLOCK):
                    file.write(content[start : start + BLOCK])
                    file.flush()
                    progress((start + BLOCK) / BLOCK)
                    _stumble(job.source)
                    time.sleep(self.pause_seconds)
        return Copied(outputs, [f"{job.source}: a warning"] if job.source.stem == "warned" else [])


def _obey(source: Path) -> None:
    what = source.stem.partition("-")[0]
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "crashing":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "hanging":
        time.sleep(600)
    elif what == "stuck":  # as in code that never comes back to Python: SIGTERM is of no use
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        time.sleep(600)
    elif what == "damaged":
        raise DamagedMediaError(f"{source} is damaged.")
    elif what == "blind":
        raise NoVideoError(f"{source} has no picture.")
    elif what == "modelless":
        raise ModelError("The weights are damaged.")


def _stumble(source: Path) -> None:
    """Half-way through a clip called fragile-*, and the first time only, the process is killed."""
    mark = source.with_suffix(".stumbled")
    if source.stem.startswith("fragile") and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def clips(folder: Path, *names: str) -> list[Path]:
    """Files that CopyTask takes for clips, each with content of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((name.encode() * SIZE)[:SIZE])
    return [folder / name for name in names]


def main() -> None:
    """`avsep` with a CopyTask; the first argument is its pause."""
    from avsep_plugin.cli import separate
    from avsep_plugin.cli.main import run

    pause = float(sys.argv[1])
    separate.SeparateTask = lambda model, *_, **__: CopyTask(model, pause)
    sys.exit(run(sys.argv[2:]))
