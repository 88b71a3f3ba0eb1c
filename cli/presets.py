"""`avsep presets list`."""

import dataclasses
from pathlib import Path

import click

from . import options


@click.group()
def presets() -> None:
    """Presets of `avsep separate` that are known by name."""


@presets.command("list")
@options.json_report
@options.talking
def list_presets(json_path: Path | None) -> None:
    """List the known presets and what they set.

    \b
    Examples:
      avsep presets list
      avsep separate talk.mp4 -o stems --preset interview
    """
    from avsep_plugin.preset import named

    options.give_entries([{"name": name, **dataclasses.asdict(preset)} for name, preset in named().items()], json_path)
