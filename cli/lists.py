"""`avsep models list`, `avsep models pack` and `avsep presets list`."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from . import options
from .console import Talk


@click.group()
def models() -> None:
    """Models that are known by name."""


@models.command("list")
@options.json_report
@options.talking
def list_models(json_path: Path | None) -> None:
    """List the known models.

    \b
    Examples:
      avsep models list
      avsep models list --json -
    """
    from avsep_plugin.models.zoo import known_models

    _give([{**dataclasses.asdict(card), "tasks": list(card.files)} for card in known_models()], json_path)


@models.command("pack")
@click.argument("weights", type=click.Path(path_type=Path), metavar="WEIGHTS")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The packed weights file.")
@options.talking
@click.pass_obj
def pack_model(talk: Talk, weights: Path, output: Path) -> None:
    """Write trained weights at half precision: half the size, and what is separated with them hardly differs.

    \b
    Examples:
      avsep models pack runs/separate/model.safetensors -o studio.safetensors
      avsep separate talk.mp4 -o stems --model studio.safetensors
    """
    from avsep_plugin.models.checkpoint import pack

    pack(weights, output)
    talk.say(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


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

    _give([{"name": name, **dataclasses.asdict(preset)} for name, preset in named().items()], json_path)


def _give(entries: list[dict[str, Any]], json_path: Path | None) -> None:
    if json_path is not None:
        options.give_json(json.dumps(entries, indent=2, default=str) + "\n", json_path)
        return
    for entry in entries:
        click.echo(f"{entry['name']}: {entry['description']}")
        for key, value in entry.items():
            if key not in ("name", "description", "files"):
                click.echo(f"    {key.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")
