"""The shots of a file: nothing that a window sees or hears comes from another shot than its own.

    file     0 ------------- cut 0 ------- cut 1 ---------------- end
    shots    |----- 0 -------|----- 1 -----|-------- 2 -----------|
    windows  |--0--|--1--|-2-|--3--|---4---|--5--|--6--|--7--|-8--|     laid afresh from the first frame of each

Cuts fall between frames of the model's pictures: a shot begins with the first frame that shows it. A file without cuts is one shot.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple


@dataclass(frozen=True)
class Shots:
    """What is known of a file's shots; shot n lies between cut n - 1 and cut n."""

    cuts_seconds: tuple[Fraction, ...] = ()
    """Seconds after the first sample, in order."""
    untouched: frozenset[int] = frozenset()
    """Numbers of the shots whose sound is left as it is."""

    def __post_init__(self) -> None:
        if any(after < before for before, after in pairwise((Fraction(0), *self.cuts_seconds))):
            raise ValueError("the cuts of a file must be in order, none before its first sample")

    @property
    def all_untouched(self) -> bool:
        """Whether nothing of the file is changed."""
        return len(self.untouched) == len(self.cuts_seconds) + 1


ONE_SHOT = Shots()
"""A file without cuts, all of which is separated."""


class Shot(NamedTuple):
    """One shot: frames [start, stop), None: to the end of the file."""

    number: int
    start: int
    stop: int | None


class ShotGrid:
    """Shots in frames, and the windows of `hop_frames` that are laid in each of them.

    A shot that no frame shows (two cuts within one frame) has no window, but keeps its number.
    """

    def __init__(self, cuts_seconds: Sequence[Fraction], frame_rate: Fraction, hop_frames: int) -> None:
        self._hop = hop_frames
        self.starts = (0, *(_first_frame(cut, frame_rate) for cut in cuts_seconds))
        """The first frame of each shot."""
        self._first_windows = [0]
        """Index of the first window of each shot."""
        for start, stop in pairwise(self.starts):
            self._first_windows.append(self._first_windows[-1] + -(-(stop - start) // hop_frames))

    def place(self, window: int) -> tuple[Shot, int, int]:
        """The shot in which a window lies, and the frames [start, stop) that the window keeps."""
        number = bisect_right(self._first_windows, window) - 1
        shot = Shot(number, self.starts[number], self.starts[number + 1] if number + 1 < len(self.starts) else None)
        start = shot.start + (window - self._first_windows[number]) * self._hop
        stop = start + self._hop
        return shot, start, stop if shot.stop is None else min(stop, shot.stop)

    def window_count(self, frames: int) -> int:
        """Windows in a file of so many frames."""
        if frames <= 0:
            return 0
        number = bisect_right(self.starts, frames - 1) - 1
        return self._first_windows[number] + -(-(frames - self.starts[number]) // self._hop)


def _first_frame(cut_seconds: Fraction, frame_rate: Fraction) -> int:
    """The first frame that shows the new shot: frame i is the picture displayed at (i + 1/2) / rate."""
    return max(0, math.ceil(cut_seconds * frame_rate - Fraction(1, 2)))
