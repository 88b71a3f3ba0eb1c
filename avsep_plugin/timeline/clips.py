"""Finished folders -> clips with their marks. Everything in a folder is found by the sidecars in it, as `avsep verify` does.

talk/separate.avsep.json --> the clip itself, confidence.csv --> ranges     the clip's picture --> its pace, cuts
talk/sync.json -----------------------------------------------> offset      its timecode ------> place of the first picture
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from avsep_plugin import confidence_file, sidecar, sync_file
from avsep_plugin.errors import MediaError, NothingToDoError, NoVideoError, SidecarError
from avsep_plugin.media.pacing import Pacing
from avsep_plugin.media.probe import probe
from avsep_plugin.media.shots import find_cuts
from avsep_plugin.media.timecode import Clock, Counting
from avsep_plugin.sidecar import Sidecar
from avsep_plugin.timeline.marks import Mark, Offset, Ruler, Thresholds, of_cuts, of_offset, of_windows

Link = Literal["source", "result"]
_RATES = tuple(Fraction(n) for n in (24, 25, 30, 48, 50, 60)) + tuple(Fraction(n * 1000, 1001) for n in (24, 30, 48, 60))
"""At which editing programs count pictures."""


@dataclass(frozen=True)
class Finished:
    """The folder of one clip, in which a sidecar lies; `name` is its path below the folder that was asked for."""

    folder: Path
    name: Path

    def sidecars(self) -> dict[str, Sidecar]:
        """By task. Raises SidecarError, also where none is left."""
        found = [known for path in sorted(self.folder.glob(f"[!.]*{sidecar.SUFFIX}")) if (known := sidecar.read(path)) is not None]
        if not found:
            raise SidecarError(f"{self.folder}: what was finished here is gone.")
        return {known.task: known for known in found}


@dataclass(frozen=True)
class MarkedClip:
    """A clip on its own timeline: pictures `start` to `start + length` of a day that is counted so."""

    name: str
    media: Path
    counting: Counting
    start: int
    length: int
    size: tuple[int, int]
    """(width, height) of the displayed picture."""
    has_sound: bool
    marks: tuple[Mark, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MarkOptions:
    """What is marked, and whether the timelines show the clips themselves or what `separate` made of them."""

    thresholds: Thresholds = field(default_factory=Thresholds)
    cuts: bool = True
    link: Link = "source"


DEFAULT_OPTIONS = MarkOptions()


def find(asked: Path) -> list[Finished]:
    """The finished clips in a folder, in alphabetical order, or the one of a sidecar. Raises NothingToDoError."""
    if not asked.is_dir():
        if not asked.name.endswith(sidecar.SUFFIX) or not asked.exists():
            raise NothingToDoError(f"{asked}: neither a folder that `avsep separate` has written nor a sidecar (*{sidecar.SUFFIX}) in one.")
        return [Finished(asked.parent, Path(asked.absolute().parent.name))]
    found = [folder.relative_to(asked) for folder in _folders(asked)]
    if not found:
        raise NothingToDoError(f"{asked}: nothing in this folder was finished by avsep.")
    return [Finished(asked / name, name if name.parts else Path(asked.absolute().name)) for name in found]


def _folders(top: Path) -> Iterator[Path]:
    for here, subfolders, names in os.walk(top):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith(".avsep-"))
        if any(name.endswith(sidecar.SUFFIX) and not name.startswith(".") for name in names):
            yield Path(here)


def marked(finished: Finished, options: MarkOptions = DEFAULT_OPTIONS) -> MarkedClip:
    """A clip with its marks. Raises MediaError where neither it nor its separated video is there, SidecarError for a damaged result."""
    sidecars = finished.sidecars()
    known = sidecars.get("separate") or next(iter(sidecars.values()))
    tolerant = bool(known.options.get("tolerate_damage"))
    media, notes = _media(finished, known, options.link)
    info, pacing = probe(media, tolerant), Pacing.of(media, tolerant)
    if info.video is None:
        raise NoVideoError(f"{media} has no picture.")
    rate = timeline_rate(pacing)
    notes += _pace_notes(media, pacing, rate)
    clock = Clock.of(info.timecode, rate if not pacing.is_steady else pacing.rate)
    counting = Counting(rate, clock.counting.drop) if rate == clock.counting.rate else Counting(rate)
    length = pacing.pictures if pacing.is_steady and rate == pacing.rate else max(1, round(pacing.length_seconds * rate))
    ruler = Ruler(rate, pacing.start_seconds, length)
    cuts = find_cuts(media, tolerate_damage=tolerant).merged(pacing.start_seconds) if options.cuts else ()
    at = tuple(pacing.start_seconds + cut for cut in cuts)
    marks = _sync_marks(finished, ruler) + of_cuts(at, ruler) + _window_marks(finished.folder, known, ruler, options.thresholds, at, notes)
    return MarkedClip(
        Path(known.input.path).name, media.absolute(), counting, round(clock.start_seconds * rate), length,
        (info.video.display_width, info.video.display_height), bool(info.audio),
        tuple(sorted(marks, key=lambda mark: (mark.start, -mark.length))), tuple(notes),
    )  # fmt: skip


def timeline_rate(pacing: Pacing) -> Fraction:
    """The rate at which an editing program can count a clip.

    A steady clip keeps every border of its pictures, if a rate allows it: its own, the least that is a multiple (15 -> 30), the
    largest that is a part (120 -> 60). Otherwise, and for a variable rate, it is the nearest.
    """
    rate = pacing.rate
    if pacing.is_steady:
        multiples = [one for one in sorted(_RATES) if (one / rate).denominator == 1]
        parts = [one for one in sorted(_RATES, reverse=True) if (rate / one).denominator == 1]
        for choice in (*multiples, *parts):
            return choice
    return min(sorted(_RATES), key=lambda one: abs(one - rate))


def _pace_notes(media: Path, pacing: Pacing, rate: Fraction) -> list[str]:
    if not pacing.is_steady:
        return [
            f"{media}: its pictures come at a variable rate, {float(pacing.pictures / pacing.length_seconds):.3f} a second on average; the "
            f"timeline counts {float(rate):.3f} a second by the clock, as editing programs do, and a mark may lie a picture beside its own."
        ]
    if rate != pacing.rate:
        return [f"{media}: at {float(pacing.rate):.3f} pictures a second there is no timecode; the timeline counts {float(rate):.3f}."]
    return []


def _media(finished: Finished, known: Sidecar, link: Link) -> tuple[Path, list[str]]:
    """The file that the timeline shows: the clip, or the video made of it, which has the same picture; the other one where it is gone."""
    source = Path(known.input.path)
    video = _output(finished.folder, known, "video")
    if link == "result" and video is not None:
        return video, []
    if not source.is_file():
        if video is None:
            raise MediaError(f"{source} is gone, and there is no video of it in {finished.folder}.")
        return video, [f"{source} is gone: the timeline shows {video} instead."]
    notes = [f"{finished.folder} holds no separated video: the timeline shows {source}."] if link == "result" else []
    if not sidecar.look_at(source).is_same_file_as(known.input):
        notes.append(f"{source} has changed since {finished.folder} was made of it: the marks may lie beside what they mean.")
    return source, notes


def _output(folder: Path, known: Sidecar, kind: str) -> Path | None:
    """An output that is there; a name that leads elsewhere is none."""
    written = known.outputs.get(kind)
    if written is None or written.name != Path(written.name).name or not (folder / written.name).is_file():
        return None
    return folder / written.name


def _window_marks(
    folder: Path, known: Sidecar, ruler: Ruler, thresholds: Thresholds, cuts: Sequence[Fraction], notes: list[str]
) -> list[Mark]:
    """Of every sound track that was judged. Raises SidecarError where a list of windows is gone or damaged."""
    kinds = [kind for kind in known.outputs if kind.endswith("confidence")]
    marks = []
    for kind in kinds:
        path = _output(folder, known, kind)
        if path is None:
            raise SidecarError(f"{folder / known.outputs[kind].name} is gone; separate the clip again.")
        track = f"{kind.removesuffix('-confidence')}: " if kind != "confidence" else ""
        marks += of_windows(confidence_file.read(path), ruler, thresholds, cuts, track)
    if not kinds:
        notes.append(f"{folder}: no ranges of on- and off-screen sound; `avsep separate --confidence csv` writes what they need.")
    return marks


def _sync_marks(finished: Finished, ruler: Ruler) -> list[Mark]:
    """The mark of `sync.json`, where there is one. Raises SidecarError for one that is damaged."""
    try:
        found = sync_file.read(finished.folder / "sync.json")
    except FileNotFoundError:
        return []
    return of_offset(Offset(found.offset_seconds, found.confidence), ruler)
