"""What `separate` and `localize` have in common: find the clips, handle one after another, say and report what became of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from avsep_plugin.batch import Result, Row, Task, report, run
from avsep_plugin.discover import Findings, Job, find
from avsep_plugin.errors import AvsepError, OutputError
from avsep_plugin.models import store

from .console import Talk
from .options import give_json


@dataclass(frozen=True)
class Request:
    """What the user asked for, whatever is done with the clips."""

    inputs: tuple[Path, ...]
    output_dir: Path
    overwrite: bool
    dry_run: bool
    json_path: Path | None


Expected = Callable[[Job], Mapping[str, Path]]
"""The outputs of a clip by kind; all there = nothing to do."""
Handle = Callable[[Job, Callable[[float], None]], Result]
"""Does one clip; the callback takes the seconds that are done."""


def run_clips(talk: Talk, request: Request, model: str, expected: Expected, handle: Handle) -> None:
    """Handle all clips. Leaves with exit code 1 if one failed; whatever happens, the report tells what was finished."""
    _check_output_dir(request.output_dir)
    findings = find(request.inputs, request.output_dir)
    rows: list[Row] = []
    try:
        with talk.bars(len(findings.jobs) + len(findings.problems)) as bars:

            def one(job: Job) -> Result:
                bars.start(job.source.name, _duration(job.source))
                return handle(job, bars.seconds)

            for row in run(findings, Task(model, expected, one, request.overwrite, request.dry_run)):
                rows.append(row)
                _tell(talk, row)
                bars.finish()
        _sum_up(talk, findings, rows)
    finally:
        if request.json_path is not None:
            give_json(report(rows), request.json_path)
    if any(row.status == "error" for row in rows):
        raise click.exceptions.Exit(1)


def tell_choice(talk: Talk, asked: str, chosen: str) -> None:
    """Where no model was asked for, say which one is used, and how to get a better one."""
    if asked == store.AUTO:
        better = " (`avsep models pull multisensory` fetches the authors' larger ones)" if chosen == store.BUNDLED else ""
        talk.say(f"model: {chosen}{better}")


def _check_output_dir(folder: Path) -> None:
    """An output folder that is a file would fail every clip: say it once."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise OutputError(f"{folder}: no output folder can be made here, {path} is a file.")


def _duration(source: Path) -> float | None:
    """Seconds of footage, for the progress bar; a clip that cannot be read says so when it is handled."""
    from avsep_plugin.media.probe import probe

    try:
        seconds = probe(source).duration_seconds
    except AvsepError:
        return None
    return float(seconds) if seconds is not None else None


def _tell(talk: Talk, row: Row) -> None:
    message = row.message if row.input in row.message else f"{row.input}: {row.message}"
    for warning in row.warnings:
        talk.warn(warning if row.input in warning else f"{row.input}: {warning}")
    if row.status == "error":
        talk.fail(message)
    elif row.status == "skipped":
        talk.say(f"skipped: {message}")
    else:
        made = [Path(path) for path in row.outputs.values()]
        talk.say(f"done: {row.input} -> {made[0].parent}: {', '.join(path.name for path in made)}")


def _sum_up(talk: Talk, findings: Findings, rows: list[Row]) -> None:
    counts = {status: sum(row.status == status for row in rows) for status in ("done", "skipped", "error")}
    ignored = f", {findings.ignored} no media" if findings.ignored else ""
    if len(rows) > 1 or ignored:
        talk.say(f"{counts['done']} done, {counts['skipped']} skipped, {counts['error']} failed{ignored}")
