"""`avsep sync`: clips -> how late their sound is, and copies in which it is not."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from avsep_plugin.batch import Row
from avsep_plugin.models import store
from avsep_plugin.tasks import SyncTask

from . import batch_options, options
from .clips import Shown, run_clips
from .console import Talk, encodable

_BARS = "▁▂▃▄▅▆▇█"
_CURVE_WIDTH = 25


@click.command()
@batch_options.clips_to_outputs
@options.model("multisensory where it was imported, else mini")
@click.option(
    "--max-offset", type=click.FloatRange(0.04), default=1.0, metavar="SECONDS", show_default=True, help="Look this far both ways."
)
@click.option(
    "--step", type=click.FloatRange(0.001), default=0.04, metavar="SECONDS", show_default=True, help="Between the shifts that are tried."
)
@click.option("--windows", type=click.IntRange(1), default=8, show_default=True, help="Places of 4 s in a long clip that are looked at.")
@click.option(
    "--abstain-below", type=click.FloatRange(0, 1), metavar="P", help="Give no offset where the confidence is below P.  [default: 0.5]"
)
@click.option(
    "--region", default="", metavar="WHERE", help="Look at a part of the picture only: left, right, x,y,w,h or a mask (see separate)."
)
@click.option("--audio-track", type=click.IntRange(1), default=1, metavar="N", show_default=True, help="Sound track that is measured.")
@click.option("--fix", is_flag=True, help="Write each clip with its sound moved, every packet copied; all its sound tracks move alike.")
@click.option(
    "--fix-from", type=click.FloatRange(0, 1), default=0.8, show_default=True, metavar="P",
    help="Move the sound only where the confidence reaches P.",
)  # fmt: skip
@click.option(
    "--container", type=click.Choice(["source", "mov", "mkv"]), default="source", show_default=True, help="Of the clips that --fix writes."
)
@options.device
@options.json_report
@options.talking
@click.pass_obj
def sync(
    talk: Talk, model: str | None, max_offset: float, step: float, windows: int, abstain_below: float | None, region: str,
    audio_track: int, fix: bool, fix_from: float, container: str, device: str, json_path: Path | None,
) -> None:  # fmt: skip
    """Say how late the sound of a clip is against its picture.

    IN are files, folders and patterns. Each clip gets a folder DIR/<subfolders>/<clip stem> with sync.json: the offset in seconds
    (positive: the sound is late), how far it can be trusted, and the score of every shift that was tried. A table of all clips is
    printed. Where no shift stands out, no offset is given.

    --fix writes the clip beside it, with its sound moved by the offset: nothing is encoded again, and what was written is measured.
    In MP4 and MOV an edit list does it, in MKV, WebM and transport streams the timestamps; others (AVI, MXF) cannot say it and are
    refused, unless --container names one that can. Offsets of up to 45 ms, and those that are not trusted enough (--fix-from), are left
    alone.

    What is finished already is skipped, as sync.avsep.json beside it says; the table shows it all the same.

    \b
    Examples:
      avsep sync talk.mp4 -o sync
      avsep sync footage/ -o sync --json report.json
      avsep sync talk.mov -o fixed --fix
      avsep sync card.mxf -o fixed --fix --container mov
      avsep sync footage/ -o sync --max-offset 0.4 --windows 20 -j 4
    """
    asked = model or store.AUTO
    settings: dict[str, Any] = {
        "max_offset_seconds": str(max_offset), "step_seconds": str(step), "windows": windows, "region": region,
        "track": audio_track - 1, "fix": fix, "fix_from": fix_from, "container": container,
    }  # fmt: skip
    settings |= {} if abstain_below is None else {"abstain_below": abstain_below}
    task = SyncTask(store.resolve(asked, "align"), device, settings)
    run_clips(talk, batch_options.requested(), task, asked, json_path, str(audio_track - 1), Shown(_details, table))


def table(rows: Sequence[Row]) -> str:
    """A line for each clip that was measured, now or before; "" where none was."""
    measured = [(Path(row.input).name, found) for row in rows if (found := _details(row).get("sync"))]
    if not measured:
        return ""
    reach = max(abs(point["offset_seconds"]) for _, found in measured for point in found["curve"] or [{"offset_seconds": 0.0}])
    names = ["clip", *(encodable(name) for name, _ in measured)]
    offsets = ["offset", *(_offset(found) for _, found in measured)]
    sure = ["confidence", *(f"{found['confidence']:.2f}" for _, found in measured)]
    curves = [f"curve, {-reach * 1000:.0f} to {reach * 1000:+.0f} ms", *(sparkline(found["curve"], reach) for _, found in measured)]
    widths = max(map(len, names)), max(map(len, offsets)), max(map(len, sure))
    lines = zip(names, offsets, sure, curves, strict=True)
    return "".join(f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() + "\n" for a, b, c, d in lines)


def sparkline(points: Sequence[dict[str, float]], reach_seconds: float) -> str:
    """The curve in a few blocks from -reach to +reach, the highest score of each stretch; a space where nothing was judged."""
    best: dict[int, float] = {}
    for point in points:
        place = round((point["offset_seconds"] / reach_seconds + 1) / 2 * (_CURVE_WIDTH - 1)) if reach_seconds else 0
        best[place] = max(best.get(place, point["score"]), point["score"])
    if not best:
        return ""
    low, span = min(best.values()), (max(best.values()) - min(best.values())) or 1.0
    return "".join(_BARS[round((best[place] - low) / span * (len(_BARS) - 1))] if place in best else " " for place in range(_CURVE_WIDTH))


def _offset(found: dict[str, Any]) -> str:
    offset = found["offset_seconds"]
    if offset is None:
        return "none found"
    milliseconds = round(offset * 1000)
    return f"{milliseconds:+d} ms {'late' if milliseconds > 0 else 'early' if milliseconds < 0 else ''}".rstrip()


def _details(row: Row) -> dict[str, Any]:
    """What sync.json says of a clip; {} where it was not written."""
    try:
        return {"sync": json.loads(Path(row.outputs["sync"]).read_bytes())}
    except (KeyError, OSError, ValueError):
        return {}
