"""`avsep localize`: clips -> where in the picture the sound comes from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from avsep_plugin.errors import AvsepError
from avsep_plugin.models import store
from avsep_plugin.tasks import LocalizeTask

from . import batch_options, options
from .clips import run_clips
from .console import Talk
from .control import region_option, shots_option

STYLES = ("heat", "original", "side-by-side", "contours", "heat-only", "none")
LAYERS = ("prores4444", "vp9", "png")
DATA = ("npz", "json", "none")
"""As in `localize_options`, which needs PyTorch; tests/test_cli_localize.py compares them. none: nothing of this sort."""


def _names(known: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], list[str]]:
    """Names given one by one or with commas, each once."""

    def read(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> list[str]:
        names = list(dict.fromkeys(name.strip() for value in values for name in value.split(",")))
        for name in names:
            if name not in known:
                raise click.BadParameter(f"'{name}' is none of {', '.join(known)}.")
        if "none" in names and len(names) > 1:
            raise click.BadParameter("none goes with no other.")
        return [name for name in names if name != "none"]

    return read


def _sound(_context: click.Context, _option: click.Parameter, path: Path | None) -> str:
    """A file with sound in it, looked at before any work is done."""
    if path is None:
        return ""
    from avsep_plugin.media.probe import probe

    try:
        if not probe(path).audio:
            raise click.BadParameter(f"{path} has no sound.")
    except AvsepError as exc:
        raise click.BadParameter(str(exc)) from exc
    return str(path)


def _named(name: str, field: str, known: tuple[str, ...], default: str | None, text: str) -> Any:
    shown = f"  [default: {default}]" if default else ""
    given = (default,) if default else ()
    metavar = "|".join(known)
    return click.option(name, field, multiple=True, default=given, callback=_names(known), metavar=metavar, help=text + shown)


drawing = options.stacked(
    _named(
        "--style", "styles", STYLES, "heat",
        "Overlay videos, may repeat or with commas. heat: the evidence in colours over the picture; original: as the paper's own tool "
        "draws it; side-by-side: the clip, and the same with colours beside it, both made smaller where that would be wider than the clip "
        "and than 1920 pixels; contours: lines of equal evidence; heat-only: the colours over black.",
    ),
    _named(
        "--layer", "layers", LAYERS, None,
        "The colours alone with straight alpha, to be laid on a track above the clip: with its size, rate, start timecode and number of "
        "pictures. prores4444: layer.mov; vp9: layer.webm; png: numbered pictures in layer-png/. May repeat.",
    ),
    _named(
        "--data", "data", DATA, "npz",
        "The map in numbers, with the track of its peak and boxes for every second: heatmap.npz, heatmap.json. May repeat.",
    ),
    click.option(
        "--threshold", type=click.FloatRange(0, 1, max_open=True), default=0.5, show_default=True, metavar="0..1",
        help="Draw from this share of the clip's strong evidence on.",
    ),
    click.option(
        "--opacity", type=click.FloatRange(0, 1, min_open=True), default=0.65, show_default=True, metavar="0..1",
        help="How opaque the strongest evidence is.",
    ),
    click.option("--legend/--no-legend", default=True, show_default=True, help="Say in a corner of the videos what the colours mean."),
    click.option(
        "--abstain-below", type=click.FloatRange(0, 1), default=0.5, show_default=True, metavar="P",
        help="Draw nothing where the probability that sound and picture belong together stays below P; 0: draw what there is.",
    ),
)  # fmt: skip

looking = options.stacked(
    click.option(
        "--with-audio", callback=_sound, type=click.Path(path_type=Path), metavar="FILE",
        help="Show where the sound of this file would come from, instead of the clip's own: it begins where the clip's sound does (with "
        "the picture of a clip that has none), and is heard in the videos.",
    ),
    click.option(
        "--audio-track", type=click.IntRange(1), default=1, show_default=True, metavar="N",
        help="Which sound track, of the clip or of the other file.",
    ),
    region_option,
    shots_option,
    click.option(
        "--tolerate-damage", is_flag=True,
        help="Of a clip that FFmpeg finds damaged, take what can be decoded, and say so in warnings. Otherwise such a clip is an error.",
    ),
)  # fmt: skip


@click.command()
@batch_options.clips_to_outputs
@options.model("multisensory where it was imported, else mini")
@drawing
@looking
@options.device
@options.json_report
@options.talking
@click.pass_obj
def localize(
    talk: Talk,
    model: str | None,
    device: str,
    json_path: Path | None,
    styles: list[str],
    layers: list[str],
    data: list[str],
    threshold: float,
    opacity: float,
    legend: bool,
    abstain_below: float,
    with_audio: str,
    audio_track: int,
    region: str | None,
    shots: bool,
    tolerate_damage: bool,
) -> None:
    """Show where in the picture the sound comes from.

    IN are files, folders and patterns. Each clip gets a folder DIR/<subfolders>/<clip stem> with overlay.mp4, the clip under a map of
    its sound sources, and heatmap.npz, the same map in numbers; or with what --style, --layer and --data ask for.

    What is finished already is skipped, as localize.avsep.json beside it says: made of this clip, by this model, with these options.
    Otherwise it is made again. Files that avsep did not write, or that were changed since, are replaced with --overwrite only.

    \b
    Examples:
      avsep localize talk.mp4 -o maps
      avsep localize footage/ -o maps --json report.json
      avsep localize talk.mov -o maps --style none --layer prores4444
      avsep localize talk.mp4 -o maps --style side-by-side,contours --data npz,json
      avsep localize talk.mp4 -o maps --with-audio dog.wav --no-legend
      avsep localize footage/ -o maps --threshold 0.3 --opacity 0.8 --abstain-below 0
      avsep localize footage/ -o maps --device cpu --jobs 2
    """
    if not (styles or layers or data):
        raise click.UsageError("--style none and --data none leave nothing to write; name a --layer.")
    settings = {
        "styles": styles, "layers": layers, "data": data, "threshold": threshold, "opacity": opacity, "legend": legend,
        "abstain_below": abstain_below, "with_audio": with_audio, "track": audio_track - 1, "region": region or "",
        "shots": shots, "tolerate_damage": tolerate_damage,
    }  # fmt: skip
    asked = model or store.AUTO
    task = LocalizeTask(store.resolve(asked, "align"), device, settings)
    run_clips(talk, batch_options.requested(), task, asked, json_path)
