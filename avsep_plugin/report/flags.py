"""What an editor should look at first in a clip, in a word and a sentence."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from avsep_plugin.report.review import Review

LATE_SECONDS = 0.04
"""Sound this far from its picture is worth a look (EBU R 37: at most 40 ms early, 60 ms late)."""
_LEFT_ALONE = "left untouched"
"""In the warning of a separation that abstained (`survey.Survey.notes`)."""


@dataclass(frozen=True)
class Flag:
    """One mark of a clip; level: how bad it is."""

    kind: str
    level: Literal["bad", "look", "know"]
    label: str
    detail: str


def flags(seen: Review) -> list[Flag]:
    """All marks of a clip, the worst first."""
    found = [*_files(seen), *_levels(seen), *_judgement(seen), *_warnings(seen)]
    return sorted(found, key=lambda flag: ("bad", "look", "know").index(flag.level))


def _files(seen: Review) -> Iterator[Flag]:
    made = list(seen.entry.made.values())
    if seen.entry.broken_off:
        yield Flag("unfinished", "bad", "Unfinished", "A run was broken off while it wrote here; run it again.")
    missing = [name for one in made for name in one.missing]
    if missing:
        yield Flag("missing", "bad", "Files missing", f"Gone from the folder: {', '.join(missing)}.")
    changed = [name for one in made for name in one.changed]
    if changed:
        yield Flag("changed", "look", "Files changed", f"Not as avsep wrote them: {', '.join(changed)}.")
    if seen.source_state == "changed":
        yield Flag("source", "look", "Clip changed", "The clip has changed since it was processed; it is not shown for comparison.")
    elif seen.source_state == "gone":
        yield Flag("source", "know", "Clip not found", "The clip is not where it was; what is shown comes from the outputs.")


def _levels(seen: Review) -> Iterator[Flag]:
    clipped = [(player.sound.label, player.measured.loudness.clipped_places) for player in seen.players]
    said = [f"{label}: {places} {'place' if places == 1 else 'places'}" for label, places in clipped if places]
    if said:
        yield Flag("clipped", "look", "Clipped", f"Three samples or more in a row at full scale. {', '.join(said)}.")


def _judgement(seen: Review) -> Iterator[Flag]:
    shots, left = {one.shot for one in seen.windows}, {one.shot for one in seen.windows if one.abstained}
    notes = [warning for made in seen.entry.made.values() for warning in made.record.warnings if _LEFT_ALONE in warning]
    if left or notes:
        some = f"{len(left)} of {len(shots)} shots are" if left and len(left) < len(shots) else "It is"
        yield Flag("abstained", "look", "Abstained", notes[0] if notes else f"{some} left untouched: sound and picture did not match.")
    options = seen.separated.record.options if seen.separated else {}
    start, end = options.get("start"), options.get("end")
    if start or end:
        yield Flag("part", "know", "Part only", f"Separated from {start or 'the beginning'} to {end or 'the end'}.")
    if seen.sync is not None and seen.sync.offset_seconds is not None and abs(seen.sync.offset_seconds) >= LATE_SECONDS:
        milliseconds = round(1000 * seen.sync.offset_seconds)
        word = "late" if milliseconds > 0 else "early"
        yield Flag("sync", "look", f"{abs(milliseconds)} ms {word}", f"Measured with a confidence of {seen.sync.confidence:.0%}.")


def _warnings(seen: Review) -> Iterator[Flag]:
    said = [text for made in seen.entry.made.values() for text in made.record.warnings if _LEFT_ALONE not in text] + seen.notes
    if said:
        yield Flag("warnings", "look", "1 warning" if len(said) == 1 else f"{len(said)} warnings", " ".join(said))
