"""The options of commands that work on many clips: what goes in, where it goes, how the work is shared out, what is told of it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import click

from avsep_plugin.errors import ConfigError
from avsep_plugin.naming import FIELDS, Template
from avsep_plugin.work import THREADS

from .options import output_dir, stacked

_KEPT = "avsep.request"

EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class Request:
    """What the user asked for, whatever is done with the clips."""

    inputs: tuple[Path, ...]
    output_dir: Path
    input_list: Path | None = None
    filename: Template | None = None
    overwrite: bool = False
    dry_run: bool = False
    fail_fast: bool = False
    jobs: int = 1
    threads: int = THREADS
    timeout: float | None = None
    engine: EngineName = "local"
    address: str | None = None
    gpus_per_worker: float | None = None
    shard: tuple[int, int] | None = None
    events_path: Path | None = None


def requested() -> Request:
    """What the options of this run said; for commands with `clips_to_outputs`."""
    return Request(**click.get_current_context().meta[_KEPT])


def _keep(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Put an option's value into this run's Request instead of giving it to the command."""
    context.meta.setdefault(_KEPT, {})[option.name] = value
    return value


def _template(context: click.Context, option: click.Parameter, value: str | None) -> None:
    try:
        _keep(context, option, Template(value) if value is not None else None)
    except ConfigError as exc:
        raise click.BadParameter(str(exc)) from exc


def _part(context: click.Context, option: click.Parameter, value: str | None) -> None:
    match = re.fullmatch(r"(\d+)/(\d+)", value or "1/1")
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count:
        raise click.BadParameter(f"'{value}' is no part such as 2/4: the second of four.")
    _keep(context, option, (number, count) if value else None)


def _inputs(context: click.Context, option: click.Parameter, value: tuple[Path, ...]) -> None:
    if not value and context.meta.get(_KEPT, {}).get("input_list") is None:
        raise click.UsageError("Missing argument 'IN...': name files, folders or patterns, or give --input-list.")
    _keep(context, option, value)


def _option(*names: str, text: str, callback: Any = _keep, **kind: Any) -> Any:
    return click.option(*names, callback=callback, expose_value=False, help=text, **kind)


_FIELDS = ", ".join(f"{{{name}}}" for name in FIELDS)

clips_to_outputs = stacked(
    click.argument("inputs", nargs=-1, type=click.Path(path_type=Path), metavar="[IN]...", callback=_inputs, expose_value=False),
    output_dir("DIR", "Folder for the outputs; each clip gets a folder in it.", callback=_keep, expose_value=False),
    _option(
        "--input-list", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE|-", is_eager=True,
        text="Take further inputs from a file (- standard input), one path in each line, to the letter.",
    ),
    _option(
        "--filename", metavar="TEMPLATE", callback=_template,
        text=f"Name of each clip's folder, of {_FIELDS} and / for folders; two clips with one name are an error before any work is done. "
        "[default: {stem}, and longer names for those that collide]",
    ),
    _option("--overwrite/--no-overwrite", default=False, show_default=True, text="Make everything again, and replace whatever is there."),
    _option("-n", "--dry-run", is_flag=True, text="Say for each clip what would be done and why; write nothing."),
    _option("-j", "--jobs", type=click.IntRange(1), default=1, show_default=True, text="Clips at a time, each in a process of its own."),
    _option(
        "--threads", type=click.IntRange(1), default=THREADS, show_default="4, or as many as there are cores",
        text="Threads in each process. The same number gives the same bytes on one machine, whatever -j is.",
    ),
    _option(
        "--engine", type=click.Choice(get_args(EngineName)), default="local", show_default=True,
        text="Who does the work: processes of this machine, or workers of a Ray cluster (needs the extra [cluster]).",
    ),
    _option(
        "--address", metavar="ADDR",
        text="The Ray cluster, HOST:PORT or auto; all its machines need avsep, and the clips and DIR under the same paths. "
        "[default: a Ray of its own on this machine]",
    ),
    _option(
        "--gpus-per-worker", type=click.FloatRange(0), metavar="N",
        text="GPUs that each Ray worker has to itself; a part such as 0.5 shares one. [default: 0, all on the CPU]",
    ),
    _option(
        "--shard", metavar="I/N", callback=_part,
        text="Do part I of N, from 1/N on: every clip is in exactly one part, on whatever machine, in whatever order.",
    ),
    _option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", text="Give a clip up that takes longer than that."),
    _option("--fail-fast", is_flag=True, text="Stop at the first clip that fails."),
    _option(
        "--events", "events_path", type=click.Path(path_type=Path, allow_dash=True), metavar="PATH|-",
        text="Write what happens while it happens: one JSON object in each line.",
    ),
)  # fmt: skip
