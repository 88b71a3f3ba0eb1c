"""`avsep presets list|show|check`."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from avsep_plugin.errors import ConfigError

from . import options
from .console import Talk

if TYPE_CHECKING:
    from avsep_plugin.preset import Known, Preset

_CHECKED_AT_HZ = 48000


@click.group()
def presets() -> None:
    """Presets of `avsep separate`: those that come along, and your own."""


@presets.command("list")
@options.json_report
@options.talking
def list_presets(json_path: Path | None) -> None:
    """List the presets that have a name and what they set.

    Your own are the files in $AVSEP_PRESET_DIR, else in `presets` in your folder of settings. One that has the name of a preset that
    comes along is taken instead of it.

    \b
    Examples:
      avsep presets list
      avsep separate talk.mp4 -o stems --preset interview
    """
    from avsep_plugin import preset

    entries = [_entry(found) for found in preset.known().values()]
    options.give_entries(entries if json_path is not None else [_in_short(entry) for entry in entries], json_path)


@presets.command()
@click.argument("name", metavar="NAME|PATH")
@options.talking
def show(name: str) -> None:
    """Show all that a preset sets, what it leaves out too, as TOML: a start for one of your own.

    \b
    Examples:
      avsep presets show interview
      avsep presets show interview > mine.toml
    """
    from avsep_plugin import preset

    click.echo(to_toml(preset.load(name)), nl=False)


@presets.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.talking
@click.pass_obj
def check(talk: Talk, paths: tuple[Path, ...]) -> int:
    """Read presets and say what is wrong with them: one line for each bad one, and exit code 1 if there is any.

    A folder stands for the .toml files in it. The finishing chain is set up for sound of 48 kHz.

    \b
    Examples:
      avsep presets check mine.toml
      avsep presets check ~/.config/avsep/presets
    """
    files = [file for path in paths for file in (sorted(path.glob("[!.]*.toml")) if path.is_dir() else [path])]
    if not files:
        raise ConfigError(f"There is no .toml file in {', '.join(map(str, paths))}.")
    failed = 0
    for file in files:
        try:
            _check(file)
        except ConfigError as exc:
            talk.fail(str(exc))
            failed += 1
        else:
            talk.say(f"{file}: good")
    return 1 if failed else 0


def to_toml(preset: "Preset") -> str:
    """A preset as the text of its file."""
    values = dataclasses.asdict(preset)
    steps = values.pop("finish")
    lines = [f"{key} = {_toml_value(value)}" for key, value in values.items()]
    for step in steps:
        lines += ["", "[[finish]]", f'plugin = "{step["plugin"]}"']
        lines += [f"{key} = {_toml_value(value)}" for key, value in step["parameters"].items()]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    """JSON's spelling of strings, numbers, switches and lists of these is TOML's too, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _check(file: Path) -> None:
    from avsep_plugin import preset

    steps = preset.parse_file(file).finish
    if steps:
        from avsep_plugin.finishing import Finishing

        try:
            Finishing(steps, _CHECKED_AT_HZ)
        except ConfigError as exc:
            raise ConfigError(f"Preset {file}: {exc}") from exc


def _entry(found: "Known") -> dict[str, Any]:
    """A preset for the listing; one that cannot be read says why in place of its description."""
    origin = {"file": str(found.file) if found.is_users else None, "hides_another": found.hides}
    try:
        values = dataclasses.asdict(found.read())
    except ConfigError as exc:
        values = {"description": f"unusable: {exc}"}
    return {"name": found.name, "description": values.pop("description"), **origin, **values}


def _in_short(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry for people: where it comes from in words, of the finishing chain the names."""
    short = dict(entry)
    file, hides = short.pop("file"), short.pop("hides_another")
    short["from"] = f"{file}{' (instead of the one that comes with avsep)' if hides else ''}" if file else "avsep"
    if "finish" in short:
        short["finish"] = [step["plugin"] for step in short["finish"]]
    return short
