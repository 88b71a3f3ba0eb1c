"""Everything that the page says of one clip, as values; opening media and making previews happens here and nowhere else in the report."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np

from avsep_plugin import sidecar
from avsep_plugin.clip import HeatMap
from avsep_plugin.errors import AvsepError, MediaError
from avsep_plugin.media.preview import preview_picture
from avsep_plugin.media.probe import MediaInfo, probe
from avsep_plugin.media.stills import stills
from avsep_plugin.report.collect import Entry, Made
from avsep_plugin.report.evidence import Evidence, Window, read_confidence, read_heat_map, read_sync
from avsep_plugin.report.measure import Measured, measure
from avsep_plugin.report.sounds import Sound, sounds
from avsep_plugin.sync_file import SyncFinding

_STILLS = 8
_STILL_HEIGHT, _THUMB_HEIGHT = 96, 64
_SHOWN_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm"})
"""Of an overlay that is a film of its own; a layer for a second track is none."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Player:
    """A sound as the page plays it."""

    sound: Sound
    measured: Measured
    file: Path


@dataclass(frozen=True)
class Still:
    """A small JPEG, and its time after the first picture."""

    seconds: float
    jpeg: bytes


@dataclass
class Review:
    """One clip on the page; seconds count from its first picture."""

    entry: Entry
    source: Path | None = None
    """The clip itself, where it is still what it was."""
    source_state: str = ""
    """Why it is not compared with: it is gone, or has changed."""
    info: MediaInfo | None = None
    duration_seconds: float = 0.0
    picture: Path | None = None
    overlay: Path | None = None
    players: list[Player] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    is_calibrated: bool = True
    stills: list[Still] = field(default_factory=list)
    thumb: bytes | None = None
    sync: SyncFinding | None = None
    notes: list[str] = field(default_factory=list)
    """What could not be shown, one sentence each."""

    @property
    def separated(self) -> Made | None:
        """The separation."""
        return self.entry.made.get("separate")

    @property
    def localized(self) -> Made | None:
        """The localisation."""
        return self.entry.made.get("localize")

    @property
    def tolerant(self) -> bool:
        """Whether damage of the clip was tolerated."""
        return any(made.record.options.get("tolerate_damage") is True for made in self.entry.made.values())

    def player(self, *kinds: str) -> Player | None:
        """The first sound of the first of some kinds that there is."""
        return next((player for kind in kinds for player in self.players if player.sound.kind == kind), None)


def review(entry: Entry, previews: Path | None) -> Review:
    """Look at one clip. previews: folder for small copies of its picture and sounds; None: the page plays the files themselves.

    What cannot be read or made becomes a note.
    """
    seen = Review(entry)
    seen.source, seen.source_state = _source(entry)
    video = seen.separated.path("video") if seen.separated else None
    overlay = _overlay(seen.localized)
    for path in (seen.source, video, overlay):
        if path is not None and seen.info is None:
            seen.info = _tried(seen, lambda path=path: probe(path, seen.tolerant))  # type: ignore[misc]
    has_picture = seen.info is not None and seen.info.video is not None
    seen.picture = _shown(seen, seen.info.path if seen.info and has_picture else None, previews, "picture.mp4")
    seen.overlay = _shown(seen, overlay, previews, "overlay.mp4")
    seen.players = list(_players(seen, previews))
    seen.duration_seconds = _duration(seen)
    found = _read(seen, seen.localized, "heatmap", read_heat_map)
    _look(seen, overlay, found)
    _weigh(seen, found)
    seen.sync = _sync(seen)
    return seen


def _source(entry: Entry) -> tuple[Path | None, str]:
    path = Path(entry.input.path)
    try:
        if sidecar.look_at(path).is_same_file_as(entry.input):
            return path, ""
    except (MediaError, ValueError):  # ValueError: a name with a zero byte
        return None, "gone"
    return None, "changed"


def _overlay(localized: Made | None) -> Path | None:
    path = localized.path("overlay") if localized else None
    return path if path is not None and path.suffix.lower() in _SHOWN_SUFFIXES else None


def _tried(seen: Review, action: Callable[[], Value]) -> Value | None:
    """The result, or None and a note."""
    try:
        return action()
    except AvsepError as exc:
        seen.notes.append(str(exc))
        return None


def _shown(seen: Review, path: Path | None, previews: Path | None, name: str) -> Path | None:
    """The film that the page shows for a file: a preview, which may be there already, or the file itself."""
    if path is None or previews is None:
        return path
    preview = previews / name
    if not preview.exists():
        _tried(seen, lambda: preview_picture(path, preview, seen.tolerant))
    return preview if preview.exists() else path


def _players(seen: Review, previews: Path | None) -> Iterator[Player]:
    offered = _tried(seen, lambda: sounds(seen.separated, seen.source, seen.info)) or []
    if not offered and (overlay := _overlay(seen.localized)) is not None:
        offered = [Sound("original", "Original", (overlay,))]
    for sound in offered:
        preview = previews / f"{sound.key}.m4a" if previews is not None else None
        wanted = preview if preview is not None and not preview.exists() else None
        measured = _tried(seen, lambda sound=sound, wanted=wanted: measure(sound, wanted, seen.tolerant))  # type: ignore[misc]
        if measured is not None and (preview is not None or len(sound.paths) == 1):
            yield Player(sound, measured, preview or sound.paths[0])


def _duration(seen: Review) -> float:
    """Up to the end of the picture or of the last sound."""
    ends = [player.measured.start_seconds + player.measured.length_seconds for player in seen.players]
    info = seen.info
    if info is not None and info.video is not None:
        ends.append(info.video.duration_seconds or info.duration_seconds or Fraction(0))
    return float(max(ends, default=Fraction(0)))


def _read(seen: Review, made: Made | None, kind: str, reader: Callable[[Path], Value | None]) -> Value | None:
    path = made.path(kind) if made else None
    found = reader(path) if path is not None else None
    if path is not None and found is None:
        seen.notes.append(f"{path} cannot be read: it is not as avsep writes it.")
    return found


def _look(seen: Review, overlay: Path | None, found: Evidence | None) -> None:
    """Take stills of the overlay (without one, of the picture), and a thumbnail for the list, where the evidence is strongest."""
    path = seen.info.path if seen.info is not None and seen.info.video is not None else None
    if path is None or not seen.duration_seconds:
        return
    count = max(1, min(_STILLS, int(seen.duration_seconds / 0.2)))
    times = [_best_time(seen, found.heat_map if found else None, number, count) for number in range(count)]
    made = _tried(seen, lambda: stills(overlay or path, times, _STILL_HEIGHT, seen.tolerant)) or []
    seen.stills = [Still(float(time), jpeg) for time, jpeg in zip(times, made, strict=False)]
    thumbs = _tried(seen, lambda: stills(path, [times[count // 2]], _THUMB_HEIGHT, seen.tolerant))
    seen.thumb = thumbs[0] if thumbs else None


def _best_time(seen: Review, heat_map: HeatMap | None, number: int, count: int) -> Fraction:
    """In one of `count` equal parts of the clip, the time at which the map is strongest; the middle of the part where there is no map."""
    length = Fraction(seen.duration_seconds) / count
    begin, middle = number * length, (number + Fraction(1, 2)) * length
    if heat_map is None:
        return middle
    origin = _clock_start(seen) - heat_map.start_seconds
    first, stop = (int((time + origin) / heat_map.step_seconds) for time in (begin, begin + length))
    strength = heat_map.values[max(0, first) : max(0, stop)].max(axis=(1, 2), initial=0)
    if not strength.size or not strength.any():
        return middle
    return min(max((max(0, first) + int(np.argmax(strength)) + Fraction(1, 2)) * heat_map.step_seconds - origin, begin), begin + length)


def _clock_start(seen: Review) -> Fraction:
    """When the first picture is shown on the clock of the clip's file."""
    return seen.info.video.start_seconds if seen.info is not None and seen.info.video is not None else Fraction(0)


def _weigh(seen: Review, found: Evidence | None) -> None:
    """The windows of the strip: of the separation, else those of the heat map, whose probabilities are not calibrated."""
    kinds = sorted(kind for kind in (seen.separated.record.outputs if seen.separated else ()) if kind.endswith("confidence"))
    windows = _read(seen, seen.separated, kinds[0], read_confidence) if kinds else None
    seen.is_calibrated = windows is not None
    late = float(_clock_start(seen))
    chosen = windows if windows is not None else (found.windows if found else [])
    seen.windows = [
        Window(one.start_seconds - late, one.end_seconds - late, one.probability, one.shot, one.abstained) for one in chosen
    ]  # fmt: skip


def _sync(seen: Review) -> SyncFinding | None:
    """What `avsep sync` found, from its own outputs or from a file beside the others."""
    made = seen.entry.made.get("sync")
    if made is not None and "sync" in made.record.outputs:
        return _read(seen, made, "sync", read_sync)
    folders = dict.fromkeys(made.folder for made in seen.entry.made.values())
    path = next((folder / "sync.json" for folder in folders if (folder / "sync.json").is_file()), None)
    found = read_sync(path) if path is not None else None
    if path is not None and found is None:
        seen.notes.append(f"{path} cannot be read: it is not as avsep writes it.")
    return found
