"""`avsep timeline`: finished folders -> timelines with marks for editing programs."""

import dataclasses
import json
from pathlib import Path

import click

from . import options
from .console import Talk


@click.command()
@click.argument("finished", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="FOLDER|FILE...")
@options.output_dir("DIR", "Folder for the timelines.")
@click.option(
    "-f", "--format", "formats", type=click.Choice(["otio", "edl", "fcpxml", "fcp7"]), multiple=True, default=["otio"], show_default=True,
    help="OpenTimelineIO, CMX 3600 EDL, Final Cut Pro X, or Final Cut Pro 7 XML (Premiere, Resolve); may repeat.",
)  # fmt: skip
@click.option(
    "--on-above", type=click.FloatRange(0, 1), default=0.7, show_default=True, metavar="P",
    help="Mark windows as on-screen from this probability on that sound and picture belong together.",
)  # fmt: skip
@click.option(
    "--off-below", type=click.FloatRange(0, 1), default=0.3, show_default=True, metavar="P",
    help="Mark windows as off-screen up to this probability.",
)  # fmt: skip
@click.option("--cuts/--no-cuts", default=True, show_default=True, help="Find the shot cuts (decodes the picture) and mark them.")
@click.option(
    "--link", type=click.Choice(["source", "result"]), default="source", show_default=True,
    help="What the timelines show: the clips themselves, or the videos that `avsep separate` made of them.",
)  # fmt: skip
@click.option("--overwrite/--no-overwrite", default=False, show_default=True, help="Replace timelines that are there.")
@options.json_report
@options.talking
@click.pass_obj
def timeline(
    talk: Talk,
    finished: tuple[Path, ...],
    output_dir: Path,
    formats: tuple[str, ...],
    on_above: float,
    off_below: float,
    cuts: bool,
    link: str,
    overwrite: bool,
    json_path: Path | None,
) -> None:
    """Bring what was found in clips into an editing program: markers and ranges on timelines.

    FOLDER is one that `avsep separate --confidence csv` has written (with -o), FILE the sidecar of one clip in it. Each clip gets a
    timeline DIR/<subfolders>/<clip>, and a folder of clips one of all, DIR/all-clips (one for each picture rate in it). Marked are
    on-screen sound (green), off-screen sound (red), shots left untouched (yellow), the offset of the sound that `avsep sync` has found
    (cyan) and cuts (white), on the clip's own timecode, to the picture.

    \b
    Examples:
      avsep separate footage/ -o stems --confidence csv
      avsep timeline stems -o timelines
      avsep timeline stems -o timelines --format edl --format fcpxml
      avsep timeline stems/talk -o timelines --format fcp7 --link result
      avsep timeline stems/talk/separate.avsep.json -o timelines --on-above 0.9 --no-cuts
    """
    from avsep_plugin.plain import from_dict
    from avsep_plugin.timeline.clips import MarkOptions
    from avsep_plugin.timeline.export import Request, export, look

    if off_below >= on_above:
        raise click.UsageError("--off-below must be less than --on-above.")
    thresholds = {"on_above": on_above, "off_below": off_below}
    marks = from_dict(MarkOptions, {"thresholds": thresholds, "cuts": cuts, "link": link})
    request = Request(output_dir, tuple(dict.fromkeys(formats)), marks, overwrite)  # type: ignore[arg-type]
    work = look(finished)
    rows = []
    total = sum(len(one.clips) for one in work)
    with talk.count("clips") as progress:
        for row in export(work, request):
            rows.append(row)
            progress(min(len(rows), total), total)
            for warning in row.warnings:
                talk.warn(warning)
            if row.message:
                talk.fail(row.message)
            if row.outputs:
                talk.say(f"done: {row.input} -> {', '.join(row.outputs)}")
    if json_path is not None:
        options.give_json(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) + "\n", json_path)
    if any(row.message for row in rows):
        raise click.exceptions.Exit(1)
