"""What `separate` and `localize` have in common: find the clips, have them done, say and report what became of each."""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from avsep_plugin.batch import Engine, Event, Orders, Row, Task, report, run
from avsep_plugin.discover import Findings, find, shard
from avsep_plugin.errors import OutputError
from avsep_plugin.inputs import expand, read_list
from avsep_plugin.models import store

from .batch_options import Request
from .console import Bars, Talk
from .events import Events, events_to
from .options import give_json

_STDIO = Path("-")


@dataclass(frozen=True)
class Shown:
    """What is said of the rows beside the usual."""

    details: Callable[[Row], Mapping[str, Any]]
    """Further fields of a row in the report."""
    table: Callable[[Sequence[Row]], str]
    """For people, when all is done; goes to standard output where the report does not."""


def run_clips(
    talk: Talk, request: Request, task: Task, asked: str, json_path: Path | None, track: str = "0", shown: Shown | None = None
) -> None:  # fmt: skip
    """Do the task with all clips. Leaves with exit code 1 if one failed; whatever happens, the report tells what was finished.

    asked: the model that the user named. track: the sound track, for name templates. shown: what is said of results, if there is more to
    say than which files were written.
    """
    _check(request, json_path)
    findings = _find(request, task.model, track)
    rows: list[Row] = []
    try:
        with events_to(request.events_path) as events, talk.bars(len(findings.jobs) + len(findings.problems)) as bars:
            teller = _Teller(talk, bars, events, None if request.dry_run else _choice(asked, task.model))
            orders = Orders(request.overwrite, request.dry_run, request.fail_fast)
            with contextlib.closing(run(findings, task, orders, _engine(request), teller.event)) as finished:
                for row in finished:
                    rows.append(row)
                    teller.row(row)
            events.write({"event": "finished", **_counts(rows)})
        if shown is not None and _STDIO not in (json_path, request.events_path):
            click.echo(shown.table(rows), nl=False)
        _sum_up(talk, findings, rows)
    finally:
        if json_path is not None:
            give_json(report(rows, shown.details if shown else None), json_path)
    if any(row.status == "error" for row in rows):
        raise click.exceptions.Exit(1)


def _find(request: Request, model: str, track: str) -> Findings:
    """The clips among the inputs, or this machine's part of them."""
    inputs = expand(request.inputs)
    if request.input_list is not None:
        inputs += read_list(sys.stdin.buffer if request.input_list == _STDIO else request.input_list)
    template = request.filename
    findings = find(inputs, request.output_dir, functools.partial(template.folder, model=model, track=track) if template else None)
    return shard(findings, *request.shard) if request.shard else findings


def _engine(request: Request) -> Engine:
    if request.engine == "ray":
        from avsep_plugin.cluster import Cluster

        return Cluster(request.jobs, request.threads, request.timeout, request.gpus_per_worker or 0.0, request.address)
    from avsep_plugin.workers import Workers

    return Workers(request.jobs, request.threads, request.timeout)


def _check(request: Request, json_path: Path | None) -> None:
    """What would fail every clip is said once."""
    if request.events_path == _STDIO and json_path == _STDIO:
        raise click.UsageError("--json and --events cannot both go to standard output.")
    if request.engine != "ray" and (request.address is not None or request.gpus_per_worker is not None):
        raise click.UsageError("--address and --gpus-per-worker are for --engine ray.")
    for path in (request.output_dir, *request.output_dir.parents):
        if path.exists() and not path.is_dir():
            raise OutputError(f"{request.output_dir}: no output folder can be made here, {path} is a file.")


def _choice(asked: str, chosen: str) -> str | None:
    """Where no model was asked for, which one is used, and how to get a better one."""
    if asked != store.AUTO:
        return None
    better = " (`avsep models pull multisensory` fetches the authors' larger ones)" if chosen == store.BUNDLED else ""
    return f"model: {chosen}{better}"


class _Teller:
    """Says what happens, in the console's words, on the bars and as events."""

    def __init__(self, talk: Talk, bars: Bars, events: Events, first: str | None) -> None:
        self._talk, self._bars, self._events, self._first = talk, bars, events, first

    def event(self, event: Event) -> None:
        """Something about a clip that is not finished yet."""
        if self._first is not None:
            self._talk.say(self._first)
            self._first = None
        source = str(event.job.source)
        if event.kind == "waiting":
            self._talk.tell(f"{source}: another avsep is working on it; waiting.")
        if event.kind == "progress":
            self._bars.seconds(source, event.seconds, event.total)
        else:
            self._bars.start(source, event.job.source.name)
        self._events.write({"event": event.kind, "input": source, "seconds": event.seconds, "total": event.total})

    def row(self, row: Row) -> None:
        """What became of an input."""
        for line in _warnings(row):
            self._talk.warn(line)
        message = row.message if row.input in row.message else f"{row.input}: {row.message}"
        if row.status == "error":
            self._talk.fail(message)
        elif row.status == "skipped":
            self._talk.say(f"skipped: {message}")
        else:
            made = [Path(path) for path in row.outputs.values()]
            self._talk.say(f"done: {row.input} -> {made[0].parent}: {', '.join(path.name for path in made)}")
            self._talk.tell(f"{row.input}: made because {row.reason}")
        self._bars.finish(row.input)
        self._events.write_row(row)


def _warnings(row: Row) -> Iterator[str]:
    yield from (warning if row.input in warning else f"{row.input}: {warning}" for warning in row.warnings)


def _counts(rows: list[Row]) -> dict[str, int]:
    return {status: sum(row.status == status for row in rows) for status in ("done", "skipped", "error")}


def _sum_up(talk: Talk, findings: Findings, rows: list[Row]) -> None:
    counts = _counts(rows)
    left = len(findings.jobs) + len(findings.problems) - len(rows)
    ignored = f", {findings.ignored} no media" if findings.ignored else ""
    stopped = f", {left} not begun or given up (--fail-fast)" if left else ""
    if len(rows) > 1 or ignored or stopped:
        talk.say(f"{counts['done']} done, {counts['skipped']} skipped, {counts['error']} failed{stopped}{ignored}")
