"""A studio's folder as it is -> which files belong to one recording, and which recordings are kept for the test.

A recording is what is never divided between tuning and test, nor ever mixed with itself. What a file belongs to, the first that says so:

    --recording-pattern    its first group (else all of the match), searched in the path below the folder
    several folders        the folder that the file lies in; where that is named after a camera (A-cam, cam2, or A beside a B with a file
                           of the same name), the folder above it and the file's own stem without its camera mark
    one folder             the file's stem without its camera mark: take3_camA.mov and take3_camB.mov are "take3"

Then recordings whose files ran at the same time by their timecode become one: several cameras on one take share the sound, whatever the
files are called. Clocks that begin at 00:00:00:00 were never set, and join nothing.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from avsep_plugin.discover import find
from avsep_plugin.errors import AvsepError, ConfigError, DataError
from avsep_plugin.media.probe import MediaInfo, probe
from avsep_plugin.media.timecode import Clock

FEWEST_TUNE, FEWEST_TEST = 2, 3
"""A mixture takes two recordings; of fewer than three no spread can be told."""
_CAMERA = r"(?:[a-z][ _-]?cam(?:era)?|(?:cam(?:era)?|angle)[ _-]?[a-z0-9]{1,2})"
_MARK = re.compile(rf"[ _.-]+{_CAMERA}$", re.IGNORECASE)
_CAMERA_NAME = re.compile(_CAMERA, re.IGNORECASE)


@dataclass(frozen=True)
class Take:
    """One usable file: its path below the folder, the recording it belongs to, who is seen (the recording where nobody says)."""

    name: str
    recording: str
    speaker: str
    seconds: float


@dataclass(frozen=True)
class Takes:
    """The division of a folder; `skipped` says which files cannot be used, and why."""

    tune: tuple[Take, ...]
    test: tuple[Take, ...]
    skipped: dict[str, str]

    @property
    def recordings(self) -> tuple[int, int]:
        """How many recordings there are to tune, and to test."""
        return len({take.recording for take in self.tune}), len({take.recording for take in self.test})


def find_takes(folder: Path, recording_pattern: str = "", speaker_pattern: str = "", test_share: float = 0.3) -> Takes:
    """Look at every media file below `folder` and divide the recordings; the same folder is always divided alike.

    Of every speaker that `speaker_pattern` tells apart, and of all where it is empty, the same share is tested. Raises ConfigError
    (pattern) and DataError (nothing usable, too few recordings).
    """
    takes, skipped = usable_takes(folder, recording_pattern, speaker_pattern)
    return _checked(*divided(takes, test_share), skipped, folder)


def usable_takes(folder: Path, recording_pattern: str = "", speaker_pattern: str = "") -> tuple[list[Take], dict[str, str]]:
    """Every clip below `folder` that has sound and picture, and why the other files cannot be used; the patterns are searched in their
    paths. Raises ConfigError (pattern) and DataError (nothing usable).
    """
    recording_rule, speaker_rule = _compiled(recording_pattern), _compiled(speaker_pattern)
    names = media_below(folder)
    infos, skipped = _probed(folder, names)
    if not infos:
        reason = f"; {next(iter(skipped.items()))[1]}" if skipped else ""
        raise DataError(f"{folder} holds no clip with sound and picture{reason}.")
    named = {name: found_by(recording_rule, name) or default_recording(name, list(infos)) for name in infos}
    recordings = joined_by_clock(named, infos)
    return [
        Take(name, recordings[name], found_by(speaker_rule, name) or recordings[name], float(info.duration_seconds or 0))
        for name, info in infos.items()
    ], skipped


def media_below(folder: Path) -> list[str]:
    """The paths below a folder, with `/`, of all that `avsep separate` would take for media there, in order."""
    found = find([folder], folder / ".none")
    return sorted(job.source.relative_to(folder).as_posix() for job in found.jobs)


def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern else None
    except re.error as exc:
        raise ConfigError(f"'{pattern}' is no regular expression: {exc}.") from exc


def found_by(rule: re.Pattern[str] | None, name: str) -> str:
    """The first group that matched, or all of the match; empty where the rule finds nothing."""
    match = rule.search(name) if rule else None
    return "" if match is None else next(filter(None, match.groups()), match[0])


def default_recording(name: str, names: Sequence[str]) -> str:
    """What a file belongs to by where it lies and how it is called."""
    path = Path(name)
    stem = _MARK.sub("", path.stem)
    if len({Path(other).parent for other in names}) == 1:
        return stem
    if _CAMERA_NAME.fullmatch(path.parent.name) or (len(path.parent.name) == 1 and _has_twin(path, names)):
        return (path.parent.parent / stem).as_posix()
    return path.parent.as_posix() if path.parent.name else stem


def _has_twin(path: Path, names: Sequence[str]) -> bool:
    """Whether a folder beside the file's own, with a name as short, holds a file of its name: then A and B are cameras, not people."""
    others = (Path(name) for name in names)
    beside = (other for other in others if other.parent != path.parent and other.parent.parent == path.parent.parent)
    return any(len(other.parent.name) == 1 and other.name == path.name for other in beside)


def _probed(folder: Path, names: Sequence[str]) -> tuple[dict[str, MediaInfo], dict[str, str]]:
    infos, skipped = {}, {}
    for name in names:
        try:
            info = probe(folder / name)
            if info.video is None or not info.audio:
                skipped[name] = "has no picture" if info.video is None else "has no sound"
            else:
                infos[name] = info
        except AvsepError as exc:
            skipped[name] = str(exc)
    return infos, skipped


def joined_by_clock(recordings: dict[str, str], infos: dict[str, MediaInfo]) -> dict[str, str]:
    """File -> recording, those whose files were running at the same time being one, named after the first of them."""
    leader = {recording: recording for recording in recordings.values()}

    def led(recording: str) -> str:
        while leader[recording] != recording:
            recording = leader[recording]
        return recording

    spans = sorted((start, stop, name) for name, info in infos.items() for start, stop in _span(info))
    end, before = Fraction(-1), ""
    for start, stop, name in spans:
        if start < end:
            first, second = sorted((led(recordings[before]), led(recordings[name])))
            leader[second] = first
        if stop > end:
            end, before = stop, name
    return {name: led(recording) for name, recording in recordings.items()}


def _span(info: MediaInfo) -> list[tuple[Fraction, Fraction]]:
    """[start, stop) in seconds since midnight, if the clip has a clock that was set. The day is not known: recordings of the same
    hour of two days become one, which costs a choice and never a leak."""
    clock = Clock.of(info.timecode, info.video.average_rate if info.video else None)
    if not clock.is_known or not clock.start or not info.duration_seconds:
        return []
    return [(clock.start_seconds, clock.start_seconds + info.duration_seconds)]


def divided(takes: Sequence[Take], test_share: float) -> tuple[list[Take], list[Take]]:
    """(tune, test): of every speaker's recordings the first ones in order of a hash are tested, their number rounded over all speakers.

    Where every recording is somebody else, all of them are one group.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for take in takes:
        groups["" if take.speaker == take.recording else take.speaker].add(take.recording)
    tested: set[str] = set()
    due = 0.0
    for _, recordings in sorted(groups.items()):
        due += test_share * len(recordings)
        ranked = sorted(recordings, key=by_hash)
        tested |= set(ranked[: max(0, min(round(due) - len(tested), len(ranked)))])
    return [take for take in takes if take.recording not in tested], [take for take in takes if take.recording in tested]


def by_hash(name: str) -> bytes:
    """A key that puts names in an order which has nothing to do with them."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def _checked(tune: list[Take], test: list[Take], skipped: dict[str, str], folder: Path) -> Takes:
    takes = Takes(tuple(tune), tuple(test), skipped)
    counts = takes.recordings
    if counts[0] < FEWEST_TUNE or counts[1] < FEWEST_TEST:
        raise DataError(
            f"{folder} has {sum(counts)} recordings, {counts[0]} to tune and {counts[1]} to test; it takes {FEWEST_TUNE} and {FEWEST_TEST}"
            " at least, so add takes, raise --test-share, or say with --recording-pattern what one recording is."
        )
    for part, what in ((takes.tune, "tune"), (takes.test, "test")):
        if len({take.speaker for take in part}) < 2:
            raise DataError(
                f"The recordings to {what} all show '{part[0].speaker}', whom nothing can be mixed with: leave --speaker-pattern out."
            )
    return takes
