"""Many clips, and the report of what became of each.

inputs --discover.find--> Findings --run--> a Row for each input --report, write_text--> JSON
                                      |
                                 an Engine: `in_process`, worker processes (workers.py) or a cluster (cluster.py);
                                 each clip goes through `handle`
"""

import dataclasses
import json
import logging
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from avsep_plugin import resume, sidecar, workplace
from avsep_plugin.atomic import write_text
from avsep_plugin.discover import Findings, Job
from avsep_plugin.errors import AvsepError, FolderBusyError, MediaError, ModelError, NoVideoError, OutputError
from avsep_plugin.resume import Decision
from avsep_plugin.sidecar import Sidecar
from avsep_plugin.work import Progress, Result, Task

__all__ = [
    "Engine",
    "Event",
    "Orders",
    "Progress",
    "Result",
    "Row",
    "Task",
    "handle",
    "in_process",
    "lost",
    "report",
    "run",
    "settled",
    "write_text",
]

Status = Literal["done", "skipped", "error"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """What became of one input; the fields of the JSON report, in its order."""

    input: str
    status: Status
    outputs: dict[str, str] = field(default_factory=dict)
    """Paths by kind: on, off, confidence (of several tracks track1-on, ...), video; overlay, overlay-<style>,
    layer-<kind>, heatmap, heatmap-json; sync."""
    model: str = ""
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    reason: str = ""
    """Why it was made."""


@dataclass(frozen=True)
class Orders:
    """What holds for all clips.

    overwrite: replace whatever is there. dry_run: write nothing. fail_fast: stop at the first error.
    sources: all clips, none of which an output may replace.
    """

    overwrite: bool = False
    dry_run: bool = False
    fail_fast: bool = False
    sources: frozenset[Path] = frozenset()


@dataclass(frozen=True)
class Event:
    """What can be said of a clip before it is finished; seconds and total (None: not known) are those of the footage."""

    kind: Literal["started", "progress", "waiting"]
    job: Job
    seconds: float = 0.0
    total: float | None = None


Tell = Callable[[Event], None]
Engine = Callable[[Sequence[Job], Task, Orders, Tell], Generator[Row]]
"""Brings every job through `handle`, in whatever order, and yields the rows as they come; closing it ends what is still running."""


def run(
    findings: Findings, task: Task, orders: Orders | None = None, engine: Engine | None = None, tell: Tell | None = None
) -> Generator[Row]:
    """Handle the clips and yield what became of each, first the inputs that are no clips.

    An error ends its clip, not the batch (except with `fail_fast`). ModelError and KeyboardInterrupt end the batch; what was finished
    stays, and nothing half-written and no new folder that is empty does.
    """
    orders = orders or Orders()
    for problem in findings.problems:
        yield Row(str(problem.input), "error", {}, task.model, problem.message)
        if orders.fail_fast:
            return
    if not findings.jobs:
        return
    orders = dataclasses.replace(orders, sources=frozenset(_real(job.source) for job in findings.jobs))
    new = [workplace.missing(job.out_dir) for job in findings.jobs]
    try:
        with closing((engine or in_process)(findings.jobs, task.identified(), orders, tell or _silent)) as rows:
            for row in rows:
                yield row
                if orders.fail_fast and row.status == "error":
                    return
    finally:  # only now: clips that are worked on side by side share the folders above theirs
        for folders in new:
            workplace.remove_empty(folders)


def in_process(jobs: Sequence[Job], task: Task, orders: Orders, tell: Tell) -> Generator[Row]:
    """The plainest engine: one clip after another in this process. What another run is working on comes last."""
    busy: list[Job] = []
    for job in jobs:
        try:
            yield _told(job, task, orders, tell, wait=False)
        except FolderBusyError:
            busy.append(job)
    for job in busy:
        tell(Event("waiting", job))
        yield _told(job, task, orders, tell, wait=True)


def _told(job: Job, task: Task, orders: Orders, tell: Tell, *, wait: bool) -> Row:
    row = settled(job, task, orders)
    if row is not None:
        return row
    total = task.seconds(job)
    tell(Event("started", job, 0.0, total))
    return handle(job, task, orders, lambda seconds: tell(Event("progress", job, seconds, total)), wait=wait)


def settled(job: Job, task: Task, orders: Orders) -> Row | None:
    """The row of a clip that is finished already; None where it has to go through `handle`. Opens no media."""
    decision = None if orders.overwrite else resume.finished(job, task)
    return _left_alone(job, task, decision) if decision else None


def handle(job: Job, task: Task, orders: Orders, progress: Progress, *, wait: bool) -> Row:
    """One clip from beginning to end, in any process: looks what is there, makes what is missing, says what became of it.

    Raises ModelError, and FolderBusyError where another run is working on it (with `wait` it is waited for).
    """
    try:
        return _handle(job, task, orders, progress, wait)
    except (ModelError, FolderBusyError):  # not the clip's fault
        raise
    except NoVideoError as exc:
        return _row(job, task, "error" if job.named else "skipped", {}, str(exc))
    except AvsepError as exc:
        return _row(job, task, "error", {}, str(exc))
    except Exception as exc:  # a bug, a full disk, a folder of somebody else: the other clips go on
        log.debug("%s failed", job.source, exc_info=exc)
        if isinstance(exc, PermissionError) and exc.filename is not None:
            return _row(job, task, "error", {}, f"{job.source}: {exc.filename} may not be read or written ({exc.strerror}).")
        reason = " ".join(str(exc).split()) or "no reason given"
        return _row(job, task, "error", {}, f"{job.source}: unexpected {type(exc).__name__}: {reason}")


def _handle(job: Job, task: Task, orders: Orders, progress: Progress, wait: bool) -> Row:
    expected = task.expected(job)
    _check_no_clip(job, orders, expected.values())
    decision = resume.decide(job, task, expected, orders.overwrite)
    if decision.action != "make":
        return _left_alone(job, task, decision)
    if orders.dry_run:
        return _row(job, task, "skipped", expected, f"dry run: nothing was written; it would be made because {decision.reason}.")
    with workplace.working_in(job.out_dir, wait=wait) as drafts:
        decision = resume.decide(job, task, expected, orders.overwrite)  # another run may have finished it in the meantime
        if decision.action != "make":
            return _left_alone(job, task, decision)
        return _make(job, task, decision, orders, drafts, progress)


def _make(job: Job, task: Task, decision: Decision, orders: Orders, drafts: Path, progress: Progress) -> Row:
    """Have the task write into a folder for drafts, and publish what it wrote together with the sidecar."""
    seen = sidecar.look_at(job.source)
    try:
        result = task.handle(dataclasses.replace(job, out_dir=drafts), progress)
    except AvsepError as exc:
        if str(drafts) in str(exc):
            raise type(exc)(str(exc).replace(str(drafts), str(job.out_dir))) from exc
        raise
    if sidecar.look_at(job.source) != seen:
        raise MediaError(f"{job.source} was changed while it was read; nothing was written.")
    names = {kind: path.relative_to(drafts).as_posix() for kind, path in result.outputs.items()}
    _check_replaced(job, decision, orders, set(names.values()))
    warnings = [warning.replace(str(drafts), str(job.out_dir)) for warning in result.warnings]
    record = Sidecar(
        task.name, sidecar.program(), seen, sidecar.Model(task.model, task.model_sha256),
        {kind: sidecar.describe(drafts, name) for kind, name in names.items()},
        tuple(written for written in decision.owned if written.name not in names.values()),
        tuple(warnings), sidecar.plain(task.settings),
    )  # fmt: skip
    workplace.publish(record, drafts, job.out_dir)
    outputs = {kind: job.out_dir / name for kind, name in names.items()}
    return _row(job, task, "done", outputs, "", warnings, decision.reason)


def _check_replaced(job: Job, decision: Decision, orders: Orders, names: set[str]) -> None:
    """Raises OutputError where an output would replace a clip, or something that is not as avsep wrote it."""
    _check_no_clip(job, orders, [job.out_dir / name for name in names])
    if not orders.overwrite:
        changed = resume.changed_since(job.out_dir, decision.owned, names)
        if changed:
            raise OutputError(f"{job.out_dir / changed} was changed after avsep wrote it; --overwrite replaces it.")


def _check_no_clip(job: Job, orders: Orders, outputs: Iterable[Path]) -> None:
    if any(_real(path) in orders.sources for path in outputs):
        raise OutputError(f"{job.source}: an output in {job.out_dir} would replace a clip; name another output folder.")


def _left_alone(job: Job, task: Task, decision: Decision) -> Row:
    status: Status = "error" if decision.action == "refuse" else "skipped"
    return _row(job, task, status, decision.outputs or {}, decision.reason)


def _row(
    job: Job, task: Task, status: Status, outputs: Mapping[str, Path], message: str, warnings: Sequence[str] = (), reason: str = ""
) -> Row:
    paths = {kind: str(path) for kind, path in outputs.items()}
    return Row(str(job.source), status, paths, task.model, message, list(warnings), reason)


def _real(path: Path) -> Path:
    """Where a path leads; unlike `Path.resolve` it does not mind links that lead round in a circle."""
    return Path(os.path.realpath(path))


def _silent(_: Event) -> None:
    """Where nobody wants to know."""


def lost(job: Job, task: Task, cause: str) -> Row:
    """The row of a clip whose worker is gone."""
    return _row(job, task, "error", {}, f"{job.source}: {cause}")


def report(rows: Sequence[Row], details: Callable[[Row], Mapping[str, Any]] | None = None) -> str:
    """The rows as a JSON list; `details`: further fields of a row."""
    return json.dumps([dataclasses.asdict(row) | dict(details(row) if details else {}) for row in rows], indent=2) + "\n"
