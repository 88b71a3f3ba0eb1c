"""`avsep info`: what is in a media file."""

import dataclasses
import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from avsep_plugin.errors import MediaError

from . import options
from .console import encodable

if TYPE_CHECKING:
    from avsep_plugin.media.probe import MediaInfo


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@options.json_report
@options.talking
def info(file: Path, json_path: Path | None) -> None:
    """Say what is in a media file: container, picture and sound tracks, and gaps in the sound.

    \b
    Examples:
      avsep info talk.mp4
      avsep info talk.mp4 --json -
    """
    from avsep_plugin.media.probe import probe

    found = probe(file)
    samples, notes = _listen(found)
    if json_path is None:
        _show(found, samples, notes)
    else:
        facts = {**_plain(dataclasses.asdict(found)), "samples": samples, "notes": notes}
        options.give_json(json.dumps(facts, indent=2) + "\n", json_path)


def _listen(found: "MediaInfo") -> tuple[int | None, list[str]]:
    """Samples of the first sound track on the file's clock, and what was found while decoding it."""
    from avsep_plugin.media.read import AudioReader

    if not found.audio:
        return None, ["There is no sound in it."]
    samples = 0
    try:
        with AudioReader(found.path) as reader:
            while block := reader.read(reader.sample_rate_hz).shape[1]:
                samples += block
            return samples, list(reader.notes)
    except MediaError as exc:
        return samples, [str(exc)]


def _plain(value: Any) -> Any:
    """Fractions of seconds become floats, rates stay exact as "n/d", paths become strings."""
    if isinstance(value, dict):
        return {key: f"{item}" if key == "average_rate" and item is not None else _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Fraction):
        return float(value)
    return str(value) if isinstance(value, Path) else value


def _show(found: "MediaInfo", samples: int | None, notes: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("file", encodable(str(found.path)))
    table.add_row("container", found.container)
    table.add_row("length", _seconds(found.duration_seconds))
    table.add_row("timecode", found.timecode or "none")
    for name, text in (*_picture(found), *_sounds(found)):
        table.add_row(name, text)
    if samples is not None:
        table.add_row("samples", f"{samples} in sound track 1")
    for note in notes:
        table.add_row("note", note)
    Console(highlight=False, markup=False, soft_wrap=True).print(table)


def _picture(found: "MediaInfo") -> list[tuple[str, str]]:
    video = found.video
    if video is None:
        return [("picture", "none")]
    shown = f"{video.display_width}x{video.display_height}"
    coded = f" (coded {video.width}x{video.height}, turned by {video.rotation_degrees} degrees)" if video.rotation_degrees else ""
    rate = f"{float(video.average_rate):.6g} pictures/s" if video.average_rate else "unknown rate"
    return [("picture", f"{video.codec}, {shown}{coded}, {rate}, starts at {_seconds(video.start_seconds)}")]


def _sounds(found: "MediaInfo") -> list[tuple[str, str]]:
    rows = []
    for track in found.audio:
        depth = "lossy" if track.bits_per_sample is None else f"{track.bits_per_sample} bits{' float' if track.is_float else ''}"
        text = f"{track.codec}, {track.sample_rate_hz} Hz, {track.channels} channels ({track.layout}), {depth}"
        rows.append((f"sound {track.index + 1}", f"{text}, starts at {_seconds(track.start_seconds)}"))
    return rows or [("sound", "none")]


def _seconds(value: Fraction | None) -> str:
    return "unknown" if value is None else f"{float(value):.3f} s"
