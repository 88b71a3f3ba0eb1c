"""What is marked on a clip: ranges of sound that does or does not belong to the picture, shots left alone, the offset of the sound, cuts.

    window of the aligner   | 0.9 | 0.8 | 0.5 | 0.2 | 0.1 | 0.2 | 0.6 |
    on_above 0.7            [on-screen  ]
    off_below 0.3                             [off-screen       ]          neighbours of one kind are one range

Places are whole pictures after the clip's first one, so that they are exact whatever a format does with seconds.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeVar

from avsep_plugin.confidence_file import Confidence
from avsep_plugin.errors import ConfigError

_Key = TypeVar("_Key")
Kind = Literal["on", "off", "abstained", "sync", "cut"]
_NEAR_CUT_SECONDS = Fraction(1, 10)
"""Windows begin and end on the model's own pictures; the shot's first picture is at most so far from there."""


@dataclass(frozen=True)
class Mark:
    """A range of pictures [start, start + length) of a clip, at least one; a point has one."""

    kind: Kind
    start: int
    length: int
    text: str


@dataclass(frozen=True)
class Thresholds:
    """Which windows are marked, by the probability that sound and picture belong together. Raises ConfigError where they cross."""

    on_above: float = 0.7
    off_below: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.off_below < self.on_above <= 1:
            raise ConfigError(f"0 <= off-below < on-above <= 1 is not so with {self.off_below:g} and {self.on_above:g}.")


@dataclass(frozen=True)
class Offset:
    """What `avsep sync` found: seconds that the sound is late, None where it does not say."""

    seconds: float | None
    confidence: float


@dataclass(frozen=True)
class Ruler:
    """Seconds on a file's clock -> pictures of a timeline of a clip, whose first picture is 0."""

    rate: Fraction
    start_seconds: Fraction
    pictures: int

    def place(self, seconds: float | Fraction) -> int:
        """The nearest border between two pictures, inside the clip."""
        return min(max(round((Fraction(seconds) - self.start_seconds) * self.rate), 0), self.pictures)

    def mark(self, kind: Kind, start: float | Fraction, end: float | Fraction, text: str) -> Iterator[Mark]:
        """A range, or none where nothing of it lies inside the clip."""
        first, stop = self.place(start), self.place(end)
        if first < stop:
            yield Mark(kind, first, stop - first, text)

    def point(self, kind: Kind, seconds: float | Fraction, text: str) -> Iterator[Mark]:
        """One picture, or none where it is not in the clip."""
        first = self.place(seconds)
        if first < self.pictures:
            yield Mark(kind, first, 1, text)


def of_windows(
    windows: Sequence[Confidence], ruler: Ruler, thresholds: Thresholds, cuts: Sequence[Fraction] = (), track: str = ""
) -> list[Mark]:
    """Ranges of confident windows, and shots that were left untouched; cuts on the file's clock; track begins the texts."""

    def kind_of(window: Confidence) -> Kind | None:
        if window.probability >= thresholds.on_above:
            return "on"
        return "off" if window.probability <= thresholds.off_below else None

    marks: list[Mark] = []
    for kind, run in _runs(windows, kind_of):
        if kind is not None:
            marks += ruler.mark(kind, *_edges(run, cuts), f"{track}{kind}-screen sound ({_span(run)})")
    for shot, run in _runs(windows, lambda window: window.shot if window.abstained else None):
        if shot is not None:
            marks += ruler.mark("abstained", *_edges(run, cuts), f"{track}shot {shot + 1} left untouched ({_span(run)})")
    return marks


def of_offset(offset: Offset, ruler: Ruler) -> list[Mark]:
    """A point at the clip's beginning that says how late or early the sound is."""
    if offset.seconds is None:
        text = "sync: cannot be told"
    else:
        milliseconds = round(1000 * abs(offset.seconds))
        how = f"sound {milliseconds} ms {'late' if offset.seconds > 0 else 'early'}" if milliseconds else "in sync"
        text = f"sync: {how} (confidence {offset.confidence:.2f})"
    return list(ruler.point("sync", ruler.start_seconds, text))


def of_cuts(cuts: Iterable[Fraction], ruler: Ruler) -> list[Mark]:
    """A point on the first picture of every shot but the first."""
    return [mark for number, cut in enumerate(cuts) for mark in ruler.point("cut", cut, f"cut: shot {number + 2}")]


def _runs(windows: Sequence[Confidence], key: Callable[[Confidence], _Key]) -> Iterator[tuple[_Key, list[Confidence]]]:
    for value, run in itertools.groupby(windows, key):
        yield value, list(run)


def _edges(run: Sequence[Confidence], cuts: Sequence[Fraction]) -> tuple[Fraction, Fraction]:
    return _at_cut(Fraction(run[0].start_seconds), cuts), _at_cut(Fraction(run[-1].end_seconds), cuts)


def _at_cut(seconds: Fraction, cuts: Sequence[Fraction]) -> Fraction:
    """A cut that is as good as there, else the place itself."""
    nearest = min(cuts, key=lambda cut: abs(cut - seconds), default=seconds)
    return nearest if abs(nearest - seconds) <= _NEAR_CUT_SECONDS else seconds


def _span(run: Sequence[Confidence]) -> str:
    """The probabilities of some windows, from least to most."""
    low, high = (pick(f"{window.probability:.2f}" for window in run) for pick in (min, max))
    return f"probability {low}" if low == high else f"probability {low} to {high}"
