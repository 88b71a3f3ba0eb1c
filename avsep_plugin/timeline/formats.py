"""Timelines as the text of each format, through OpenTimelineIO's adapters, and what these leave out put right.

otio     everything
edl      CMX 3600: picture only; a range is a locator (`* LOC:`) that names its end; 29.97 and 59.94 drop-frame with FCM and `;`
fcpxml   Final Cut Pro X: see fcpx.py
fcp7     Final Cut Pro 7 XML, which Premiere and Resolve read: markers count from the first picture of their clip
"""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Literal

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange
from opentimelineio.schema import Clip, Gap, Marker

from avsep_plugin.timeline.build import plain, timeline
from avsep_plugin.timeline.clips import MarkedClip
from avsep_plugin.timeline.fcpx import as_fcpx

Format = Literal["otio", "edl", "fcpxml", "fcp7"]
SUFFIXES: dict[Format, str] = {"otio": ".otio", "edl": ".edl", "fcpxml": ".fcpxml", "fcp7": ".xml"}
_REEL_LENGTH = 8


def as_text(form: Format, name: str, clips: Sequence[MarkedClip], start: int | None = None) -> str:
    """The timeline of `build.timeline` in a format."""
    writers: dict[Format, Callable[[str, Sequence[MarkedClip], int | None], str]] = {
        "otio": _as_otio, "edl": _as_edl, "fcpxml": as_fcpx, "fcp7": _as_fcp7,
    }  # fmt: skip
    return writers[form](name, clips, start)


def _as_otio(name: str, clips: Sequence[MarkedClip], start: int | None) -> str:
    text: str = otio.adapters.write_to_string(timeline(name, clips, start), "otio_json")
    return text


def _as_fcp7(name: str, clips: Sequence[MarkedClip], start: int | None) -> str:
    made = timeline(name, clips, start)
    for clip in made.find_clips():
        for marker in clip.markers:
            marker.marked_range = TimeRange(marker.marked_range.start_time - clip.source_range.start_time, marker.marked_range.duration)
    text: str = otio.adapters.write_to_string(made, "fcp_xml")
    return text


def _as_edl(name: str, clips: Sequence[MarkedClip], start: int | None) -> str:
    """The adapter counts drop-frame at 29.97 and 59.94 and only there, and knows no start but that of its first clip.

    So pictures are numbered at the rate whose counting is meant, 30 for 29.97 without drop-frame, and a gap fills the time from
    midnight on. Locators lie on the record side, as editing programs read them.
    """
    counting = clips[0].counting
    rate = float(Fraction(counting.nominal * 1000, 1001) if counting.drop else counting.nominal)
    made = timeline(name, clips, start)
    at = round(made.global_start_time.value)
    picture = made.tracks[0]
    for place, clip in enumerate(picture):
        offset = at - clips[place].start
        for marker in clip.markers:
            _to_locator(marker, offset, rate, counting.text)
        clip.source_range = _at_rate(clip.source_range, rate)
        clip.media_reference.available_range = clip.source_range
        clip.metadata["cmx_3600"] = {"reel": _reel(clip)}
        at += clips[place].length
    del made.tracks[1:]
    if made.global_start_time.value:
        picture.insert(0, Gap(source_range=TimeRange(RationalTime(0, rate), RationalTime(made.global_start_time.value, rate))))
    text: str = otio.adapters.write_to_string(made, "cmx_3600", rate=rate)
    mode = f"FCM: {'' if counting.drop else 'NON-'}DROP FRAME\n"
    return re.sub(r"\A(TITLE: .*\n)?", lambda title: title[0] + mode, text, count=1)


def _to_locator(marker: Marker, offset: int, rate: float, shown: Callable[[int], str]) -> None:
    """A point on the record side; what was a range says in its name where it ends."""
    first, length = round(marker.marked_range.start_time.value) + offset, round(marker.marked_range.duration.value)
    marker.marked_range = TimeRange(RationalTime(first, rate), RationalTime(1, rate))
    if length > 1:
        marker.name = f"{marker.name} to {shown(first + length)}"


def _at_rate(given: TimeRange, rate: float) -> TimeRange:
    """The same numbers at another rate."""
    return TimeRange(RationalTime(given.start_time.value, rate), RationalTime(given.duration.value, rate))


def _reel(clip: Clip) -> str:
    """Letters and digits of the clip's name; AX, an unknown reel, where there are none."""
    return re.sub("[^A-Z0-9]", "", plain(clip.name).rpartition(".")[0].upper())[:_REEL_LENGTH] or "AX"
