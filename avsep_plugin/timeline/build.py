"""Marked clips -> an OpenTimelineIO timeline: the clips one after the other in a picture track, their sound below, their marks on them."""

import unicodedata
from collections.abc import Sequence
from fractions import Fraction

from opentimelineio.opentime import RationalTime, TimeRange
from opentimelineio.schema import Clip, ExternalReference, Gap, Marker, MarkerColor, Timeline, Track, TrackKind

from avsep_plugin.timeline.clips import MarkedClip
from avsep_plugin.timeline.marks import Kind, Mark

COLOURS: dict[Kind, str] = {
    "on": MarkerColor.GREEN, "off": MarkerColor.RED, "abstained": MarkerColor.YELLOW, "sync": MarkerColor.CYAN, "cut": MarkerColor.WHITE,
}  # fmt: skip


def timeline(name: str, clips: Sequence[MarkedClip], start: int | None = None) -> Timeline:
    """A timeline of clips that count alike, from picture number `start` on; None: where the first clip starts.

    Times are numbers of pictures since midnight at the true rate; markers count as their clip does. What OTIO has no field for
    (drop-frame counting) is in the metadata below "avsep".
    """
    counting, first = clips[0].counting, clips[0].start if start is None else start
    made = Timeline(plain(name), global_start_time=RationalTime(first, float(counting.rate)))
    made.metadata["avsep"] = {"start_timecode": counting.text(first), "drop_frame": counting.drop}
    made.metadata["fcp_xml"] = {"timecode": _display(counting.drop)}
    picture, sound = Track("V1", kind=TrackKind.Video), Track("A1", kind=TrackKind.Audio)
    for place, clip in enumerate(clips):
        picture.append(_clip(clip, place, TrackKind.Video))
        silence = Gap(source_range=_range(0, clip.length, counting.rate))
        sound.append(_clip(clip, place, TrackKind.Audio) if clip.has_sound else silence)
    made.tracks.append(picture)
    if any(clip.has_sound for clip in clips):
        made.tracks.append(sound)
    return made


def plain(name: str) -> str:
    """A text that every format takes: bytes that are no UTF-8, control characters and what XML forbids are shown as U+FFFD."""
    return "".join("\ufffd" if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in "\ufffe\uffff" else sign for sign in name)


def _clip(clip: MarkedClip, place: int, kind: str) -> Clip:
    """A clip with its marks, or its sound without; its place makes it another one than its like (the FCP 7 adapter joins equals)."""
    whole = _range(clip.start, clip.length, clip.counting.rate)
    reference = ExternalReference(clip.media.as_uri(), whole, metadata={"fcp_xml": {"timecode": _display(clip.counting.drop)}})
    reference.name = plain(clip.media.name)
    start = {"start_timecode": clip.counting.text(clip.start), "drop_frame": clip.counting.drop}
    made = Clip(plain(clip.name), reference, whole, metadata={"avsep": {**start, "place": place, "track": kind}})
    if kind == TrackKind.Video:
        made.markers.extend(_marker(mark, clip) for mark in clip.marks)
    return made


def _marker(mark: Mark, clip: MarkedClip) -> Marker:
    where = _range(clip.start + mark.start, mark.length, clip.counting.rate)
    return Marker(plain(mark.text), where, COLOURS[mark.kind], {"avsep": {"kind": mark.kind}})


def _range(start: int, length: int, rate: Fraction) -> TimeRange:
    return TimeRange(RationalTime(start, float(rate)), RationalTime(length, float(rate)))


def _display(drop: bool) -> dict[str, str]:
    return {"displayformat": "DF" if drop else "NDF"}
