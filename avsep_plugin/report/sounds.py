"""Which sounds a clip has to be compared, and where each lies under its picture.

    page       0 ................................................ end      0 is the clip's first picture
    original      |=========================================|              starts when the source's sound starts
    on, off              [==============]                                  the part that was asked for, or all of it
    delivered     |=========================================|              the video's new sound

Without its source, the original is what on-screen and off-screen sound add up to.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from avsep_plugin.errors import AvsepError, ConfigError
from avsep_plugin.media.probe import MediaInfo, picture_seconds
from avsep_plugin.media.read import AudioReader
from avsep_plugin.media.timecode import Clock
from avsep_plugin.part import Part, Wanted
from avsep_plugin.report.collect import Made

_STEM = re.compile(r"(track(\d{1,3})-)?(on|off)")
_LABELS = {"original": "Original", "on": "On-screen", "off": "Off-screen", "delivered": "Delivered"}


@dataclass(frozen=True)
class Sound:
    """One sound to be heard."""

    key: str
    """original, on, off or delivered; of the second of several tracks track2-original, ..."""
    label: str
    paths: tuple[Path, ...]
    """One file, or those that add up to it."""
    track: int = 0
    """Which sound track of the file, from 0."""
    start_seconds: Fraction | None = None
    """After the clip's first picture; None: as the file's own times say."""
    measured: tuple[Fraction, Fraction | None] = (Fraction(0), None)
    """Seconds of it, from its first sample, of which the loudness is measured: the part that the stems cover."""

    @property
    def kind(self) -> str:
        """original, on, off or delivered."""
        return self.key.rpartition("-")[2]


def sounds(made: Made | None, source: Path | None, info: MediaInfo | None) -> list[Sound]:
    """The sounds of a clip in the order in which they are offered.

    made: the separation, where there is one. source: the clip, where it is still what it was; info: what is known of it, or of the
    video that was made of it.
    """
    if made is None:
        return [] if source is None or info is None else [Sound("original", "Original", (source,))]
    tracks = _tracks(made)
    return [sound for prefix, track in tracks.items() for sound in _of_track(made, source, info, prefix, track, len(tracks) > 1)]


def _tracks(made: Made) -> dict[str, int]:
    """Prefix of the outputs' kinds -> number of the sound track, from 0."""
    matches = [match for kind in made.record.outputs if (match := _STEM.fullmatch(kind))]
    found = {match[1] or "": int(match[2]) - 1 if match[2] else _asked(made) for match in matches}
    return found or {"": _asked(made)}


def _asked(made: Made) -> int:
    track = made.record.options.get("track") or 0
    return track if isinstance(track, int) and 0 <= track < 1000 else 0


def _of_track(made: Made, source: Path | None, info: MediaInfo | None, prefix: str, track: int, several: bool) -> Iterator[Sound]:
    options = made.record.options
    on, off, video = (made.path(kind) for kind in (f"{prefix}on", f"{prefix}off", "video"))
    late, part, rate = _place(options, info, track)
    begin = late + Fraction(part.stems_start, rate)
    covered = Fraction(part.start, rate), None if part.stop is None else Fraction(part.stop, rate)

    def sound(kind: str, paths: tuple[Path, ...], **more: Any) -> Sound:
        label = f"Track {track + 1} · {_LABELS[kind]}" if several else _LABELS[kind]
        return Sound(f"{prefix}{kind}", label, paths, **more)

    if source is not None:
        yield sound("original", (source,), track=track, measured=covered)
    elif on and off and options.get("reconstruction") != "original":
        yield sound("original", (on, off), start_seconds=begin)
    if on:
        yield sound("on", (on,), start_seconds=begin)
    if off:
        yield sound("off", (off,), start_seconds=begin)
    if video and is_heard_apart(options, on is not None):
        yield sound("delivered", (video,), track=track, measured=covered)


def is_heard_apart(options: Mapping[str, Any], has_stem: bool) -> bool:
    """Whether the video's new sound is another than the on-screen stem."""
    if "replace" not in (options.get("deliver") or ("replace",)):
        return False
    return not has_stem or options.get("amount", 1.0) != 1.0 or bool(options.get("finish"))


def _place(options: Mapping[str, Any], info: MediaInfo | None, track: int) -> tuple[Fraction, Part, int]:
    """When the track's sound starts after the picture, the part of it that was separated, and the rate in which that counts."""
    if info is None or track >= len(info.audio):
        return Fraction(0), Part(), 1
    tolerant = bool(options.get("tolerate_damage"))
    with AudioReader(info.path, track, tolerant) as reader:
        late, rate = reader.start_seconds - (info.video.start_seconds if info.video else reader.start_seconds), reader.sample_rate_hz
    try:
        handles = Fraction(options.get("handles_seconds") or 0).limit_denominator(10**6)
        wanted = Wanted(str(options.get("start") or ""), str(options.get("end") or ""), handles)
        length = picture_seconds(info.path, tolerant) if options.get("pad_to_picture") else None
        clock = Clock.of(info.timecode, info.video.average_rate if info.video else None)
        return late, wanted.part(clock, late, rate, length), rate
    except (AvsepError, ConfigError, ValueError, TypeError, OverflowError):
        return late, Part(), rate
