"""Typed values that travel through the library; each checks its shape, type and range where it is made."""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Stems:
    """On-screen and off-screen sound, both [channels, samples] float32, that add up to the mixture."""

    on: Float32
    off: Float32
    sample_rate_hz: int
    start_sample: int = 0

    def __post_init__(self) -> None:
        if self.on.ndim != 2 or self.on.shape != self.off.shape:
            raise ValueError(f"stems must be of one [channels, samples] shape, not {self.on.shape} and {self.off.shape}")


class Evidence(NamedTuple):
    """What the aligner says of one window; seconds after the first sample."""

    start_seconds: Fraction
    end_seconds: Fraction
    shot: int
    logit: float
    """Positive: sound and picture are in sync."""


class Cut(NamedTuple):
    """Where a new shot begins."""

    seconds: Fraction
    """When its first picture is shown, after the map's beginning."""
    step: int
    """The first step of the map that is of this shot; the length of the map where none is."""


@dataclass(frozen=True)
class HeatMap:
    """Evidence that the sound comes from a place in the picture.

    values: [T, H, W] float32, signed: positive speaks for, negative against. Cell t covers the time
    [start_seconds + t * step_seconds, start_seconds + (t + 1) * step_seconds) after the first sample.
    The cells cover the rectangle `area` = (left, top, width, height) of the displayed picture, each in [0, 1].
    cuts: in order; a step tells nothing of the pictures on the other side of one.
    """

    values: Float32
    step_seconds: Fraction
    start_seconds: Fraction = Fraction(0)
    area: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    cuts: tuple[Cut, ...] = ()

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.dtype != np.float32:
            raise ValueError(f"heat map must be [T, H, W] float32, not {self.values.shape} {self.values.dtype}")
        if self.step_seconds <= 0:
            raise ValueError("step_seconds must be positive")
        edges = (Cut(Fraction(0), 0), *self.cuts, Cut(self.cuts[-1].seconds if self.cuts else Fraction(0), self.values.shape[0]))
        if any(after.seconds < before.seconds or after.step < before.step for before, after in pairwise(edges)):
            raise ValueError("the cuts of a map must be in order and inside of it")

    @property
    def shots(self) -> npt.NDArray[np.int64]:
        """[T] the number of the shot that each step is of."""
        return np.searchsorted([cut.step for cut in self.cuts], np.arange(self.values.shape[0]), side="right")

    def shot_at(self, seconds: Fraction) -> slice:
        """The steps of the shot of which a picture is that is shown so long after `start_seconds`; may be none."""
        begun = bisect_right(self.cuts, seconds, key=lambda cut: cut.seconds)
        start = self.cuts[begun - 1].step if begun else 0
        return slice(start, self.cuts[begun].step if begun < len(self.cuts) else self.values.shape[0])
