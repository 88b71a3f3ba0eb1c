"""Options that say what an editor gets: which files, of which part and tracks of a clip, in which container."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, get_args

import click

from avsep_plugin.media.timecode import is_timecode
from avsep_plugin.preset import Delivery

from .options import stacked

_KEPT = "avsep.delivered"
_FIELDS = {"--handles": "handles_seconds", "--audio-track": "track"}
"""Option -> field, where they differ."""


def _deliveries(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...] | None:
    """Names given one by one or with commas, each once; None: nothing was said."""
    names = tuple(dict.fromkeys(name.strip() for value in values for name in value.split(",")))
    for name in names:
        if name not in get_args(Delivery):
            raise click.BadParameter(f"'{name}' is none of {', '.join(get_args(Delivery))}.")
    return names or None


def _place(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Seconds or a timecode; whether the timecode exists at the clip's rate is seen when the clip is opened."""
    if value is None or is_timecode(value):
        return value
    try:
        if Fraction(value) >= 0:
            return value
    except (ValueError, ZeroDivisionError):
        pass
    raise click.BadParameter(f"'{value}' is neither a number of seconds nor a timecode HH:MM:SS:FF.")


def _track(_context: click.Context, _option: click.Parameter, value: str | None) -> int | str | None:
    """A number from 1 becomes one from 0."""
    if value is None or value == "all":
        return value
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"'{value}' is neither a track number (from 1) nor all.")
    return int(value) - 1


def _option(name: str, text: str, read: Callable[..., Any] | None = None, **kind: Any) -> Callable[[Any], Any]:
    def keep(context: click.Context, option: click.Parameter, value: Any) -> None:
        """Keep the value for `delivered`, instead of giving it to the command."""
        value = read(context, option, value) if read else value
        if value is not None:
            context.meta.setdefault(_KEPT, {})[_FIELDS.get(name, name.removeprefix("--").replace("-", "_"))] = value

    return click.option(name, callback=keep, expose_value=False, help=text, **kind)


delivery = stacked(
    _option(
        "--deliver",
        "What to write; may repeat, or with commas. stems: on-screen and off-screen sound as files. replace: the clip with the on-screen "
        "sound in place of its own. add-tracks: the clip with on-screen, off-screen and original sound as tracks of these names (behind "
        "the replaced one, if both are asked for). Stems do not depend on the amount.  [default: stems,replace]",
        _deliveries, multiple=True, metavar="stems|replace|add-tracks",
    ),
    _option(
        "--container",
        "Of the video: as the source's, or mov (PCM 24 bit) or mkv (FLAC) for clips whose own container cannot take the result.  "
        "[default: source]",
        type=click.Choice(("source", "mov", "mkv")),
    ),
    _option(
        "--start",
        "Work on a part of each clip from here: seconds after the first picture, or the timecode that the clip shows there (HH:MM:SS:FF, "
        "drop-frame as in the clip). Stems cover exactly the part; the video stays whole, and its sound changes inside the part only, "
        "with short fades there.",
        _place, metavar="SECONDS|TIMECODE",
    ),
    _option("--end", "Work on the part up to here, not included.", _place, metavar="SECONDS|TIMECODE"),
    _option(
        "--handles",
        "Widen the part by this much at both ends, as far as the clip has sound.",
        type=click.FloatRange(min=0), metavar="SECONDS",
    ),
    _option(
        "--pad-to-picture",
        "Put silence around the stems, so that they begin with the picture and last as long (nothing is cut off).",
        is_flag=True, default=None,
    ),
    _option(
        "--audio-track",
        "Which sound track of the clip, from 1, or all: each track in turn, with stems named track1-on-screen.wav and so on.  [default: 1]",
        _track, metavar="N|all",
    ),
    _option(
        "--channels",
        "linked: one mask for all channels of a track, which keeps the stereo picture; split: each channel judged alone, for two "
        "microphones on one track (boom left, lavalier right).  [default: linked]",
        type=click.Choice(("linked", "split")),
    ),
    _option(
        "--tolerate-damage",
        "Of a clip that FFmpeg finds damaged, take what can be decoded, with silence in the holes of the sound, and say so in warnings. "
        "Otherwise such a clip is an error.",
        is_flag=True, default=None,
    ),
)  # fmt: skip


def delivered() -> dict[str, Any]:
    """What the options of this run asked for, by the names of the fields of `files.SeparateFileOptions`."""
    return dict(click.get_current_context().meta.get(_KEPT, {}))
