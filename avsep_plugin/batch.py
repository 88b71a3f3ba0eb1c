"""Many clips, one after another, and the report of what became of each.

inputs --discover.find--> Findings --run--> a Row for each input --report, write_text--> JSON
"""

import dataclasses
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from avsep_plugin.atomic import atomic
from avsep_plugin.discover import Findings, Job
from avsep_plugin.errors import AvsepError, ModelError, NoVideoError, OutputError

Status = Literal["done", "skipped", "error"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """What became of one input; the fields of the JSON report, in its order."""

    input: str
    status: Status
    outputs: dict[str, str] = field(default_factory=dict)
    """Paths by kind: on, off, video, overlay, heatmap."""
    model: str = ""
    message: str = ""
    warnings: list[str] = field(default_factory=list)


class Result(Protocol):
    """What the function that handles one clip gives back."""

    @property
    def outputs(self) -> Mapping[str, Path]:
        """Written files by kind."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know about them."""


@dataclass(frozen=True)
class Task:
    """What is to be done with every clip.

    expected: source -> paths of the outputs by kind, inside the clip's folder; all there = nothing to do.
    handle: does it and raises AvsepError where the clip does not allow it.
    """

    model: str
    expected: Callable[[Job], Mapping[str, Path]]
    handle: Callable[[Job], Result]
    overwrite: bool = False
    dry_run: bool = False


def run(findings: Findings, task: Task) -> Iterator[Row]:
    """Handle the clips one after another and yield what became of each, first the inputs that are no clips.

    An error ends its clip, not the batch, and leaves no new empty folder behind. ModelError and KeyboardInterrupt end the batch;
    what was finished stays.
    """
    for problem in findings.problems:
        yield Row(str(problem.input), "error", {}, task.model, problem.message)
    sources = {job.source.resolve() for job in findings.jobs}
    for job in findings.jobs:
        yield _run_one(job, task, sources)


def _run_one(job: Job, task: Task, sources: set[Path]) -> Row:
    outputs = task.expected(job)
    if not task.overwrite and all(path.is_file() for path in outputs.values()):
        return _row(job, task, "skipped", outputs, "the outputs are there already; --overwrite makes them again.")
    try:
        if any(path.resolve() in sources for path in outputs.values()):
            raise OutputError(f"{job.source}: an output in {job.out_dir} would replace a clip; name another output folder.")
        if task.dry_run:
            return _row(job, task, "skipped", outputs, "dry run: nothing was written.")
        with _no_empty_folder(job.out_dir):
            result = task.handle(job)
        return _row(job, task, "done", result.outputs, "", result.warnings)
    except ModelError:  # not the clip's fault: the next one would not fare better
        raise
    except NoVideoError as exc:
        return _row(job, task, "error" if job.named else "skipped", {}, str(exc))
    except AvsepError as exc:
        return _row(job, task, "error", {}, str(exc))
    except Exception as exc:  # a bug or a full disk: the other clips go on
        log.debug("%s failed", job.source, exc_info=exc)
        reason = " ".join(str(exc).split()) or "no reason given"
        return _row(job, task, "error", {}, f"{job.source}: unexpected {type(exc).__name__}: {reason}")


def _row(job: Job, task: Task, status: Status, outputs: Mapping[str, Path], message: str, warnings: Sequence[str] = ()) -> Row:
    return Row(str(job.source), status, {kind: str(path) for kind, path in outputs.items()}, task.model, message, list(warnings))


@contextmanager
def _no_empty_folder(folder: Path) -> Iterator[None]:
    """Make the folder; when the body raises, take away those of the new folders that are empty."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OutputError(f"{folder}: this folder cannot be made ({exc.strerror}).") from exc
        yield
    except BaseException:
        for path in new:
            try:
                path.rmdir()
            except OSError:
                break
        raise


def report(rows: Sequence[Row]) -> str:
    """The rows as a JSON list."""
    return json.dumps([dataclasses.asdict(row) for row in rows], indent=2) + "\n"


def write_text(text: str, path: Path) -> None:
    """Write a report in one step: the file is the old one or the new one, never a part. Raises OutputError."""
    try:
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise OutputError(f"{path}: this file cannot be written ({exc.strerror}).") from exc
