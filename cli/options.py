"""Options that several commands share, each under one name, one meaning and one help text."""

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from avsep_plugin.atomic import write_text

from .console import Talk, set_log_level

Command = TypeVar("Command", bound=Callable[..., Any])
"""A function that becomes a click command."""


def training(module: str) -> Any:
    """A module of avsep_plugin.training; loaded when a command runs, so that help stays quick."""
    return importlib.import_module(f"avsep_plugin.training.{module}")


def stacked(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """One decorator out of several; help lists the options in this order."""

    def apply(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


def _tell(change: Callable[[Talk, Any], None]) -> Callable[[click.Context, click.Parameter, Any], None]:
    """A callback that hands an option's value to the Talk of this run instead of to the command."""

    def callback(context: click.Context, _option: click.Parameter, value: Any) -> None:
        change(context.ensure_object(Talk), value)

    return callback


def _louder(talk: Talk, by: int) -> None:
    talk.verbosity += by
    set_log_level(talk.verbosity)


def _set_progress(talk: Talk, progress: bool | None) -> None:
    talk.progress = progress


def _said(*names: str, change: Callable[[Talk, Any], None], text: str, **kind: Any) -> Callable[[Any], Any]:
    """An option that sets how much is said, instead of being given to the command."""
    return click.option(*names, expose_value=False, callback=_tell(change), help=text, **kind)


talking = stacked(
    _said("-q", "--quiet", change=lambda talk, times: _louder(talk, -times), text="Say failures only.", count=True),
    _said("-v", "--verbose", change=_louder, text="Say more; -vv shows tracebacks.", count=True),
    _said("--debug", change=lambda talk, on: _louder(talk, 2 * on), text="The same as -vv.", is_flag=True),
    _said(
        "--progress/--no-progress", change=_set_progress, default=None,
        text="Show progress bars on stderr.  [default: where stderr is a terminal]",
    ),
)  # fmt: skip

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
"""A folder that is there."""


recording_pattern = click.option(
    "--recording-pattern", default="", metavar="REGEX", help="Searched in a file's path: its first group says what it was recorded with."
)
speaker_pattern = click.option(
    "--speaker-pattern", default="", metavar="REGEX", help="Searched in a file's path: its first group says who is seen."
)


def output_dir(metavar: str, text: str, default: Path | None = None, **kind: Any) -> Callable[[Any], Any]:
    """The option -o; required where there is no default."""
    need: dict[str, Any] = {"required": True} if default is None else {"default": default, "show_default": True}
    path = click.Path(path_type=Path, file_okay=False)
    return click.option("-o", "--output-dir", type=path, metavar=metavar, help=text, **need, **kind)


json_report = click.option(
    "--json", "json_path", type=click.Path(path_type=Path, allow_dash=True), metavar="PATH|-",
    help="Write the result as JSON; with - standard output carries nothing else.",
)  # fmt: skip


def _spelled(_context: click.Context, _option: click.Parameter, name: str) -> str:
    """Checks the spelling; whether the device is there is seen when it is needed."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", name):
        raise click.BadParameter(f"'{name}' is none of auto, cpu, cuda, cuda:N and mps.")
    return name


device = click.option(
    "-d", "--device", default="auto", callback=_spelled, metavar="auto|cpu|cuda[:N]|mps", show_default=True, help="Where the model runs."
)  # fmt: skip


def model(default: str) -> Callable[[Any], Any]:
    """The option -m; `default` says what is taken without it."""
    text = f"A known model (see `avsep models list`) or a checkpoint.  [default: {default}]"
    return click.option("-m", "--model", metavar="NAME|PATH", help=text)


def give_entries(entries: list[dict[str, Any]], json_path: Path | None) -> None:
    """Named entries for people, or as JSON; what is long (`files`, `configuration`) is indented below its name."""
    if json_path is not None:
        give_json(json.dumps(entries, indent=2, default=str) + "\n", json_path)
        return
    for entry in entries:
        click.echo(f"{entry['name']}: {entry['description']}")
        for key, value in entry.items():
            if key not in ("name", "description"):
                _give_value(key.replace("_", " "), value, 4)


def _give_value(name: str, value: Any, indent: int) -> None:
    """One line, or for a table a line for each of its values."""
    if isinstance(value, dict):
        click.echo(f"{' ' * indent}{name}:")
        for key, inner in value.items():
            _give_value(key.replace("_", " "), inner, indent + 4)
    else:
        click.echo(f"{' ' * indent}{name}: {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}")


def give_json(text: str, json_path: Path) -> None:
    """Print JSON on standard output (path -), or write it to a file in one step."""
    if json_path == Path("-"):
        click.echo(text, nl=False)
    else:
        write_text(text, json_path)
