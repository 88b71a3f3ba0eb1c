"""Timecode: the numbers of pictures as HH:MM:SS:FF, turned into exact seconds and back.

Pictures are numbered n = 0, 1, 2, ... from midnight on; the nominal rate N (24, 25, 30, 50, 60) says how many numbers a second on the
display has, whatever the true rate is:

    non-drop    n = ((HH * 60 + MM) * 60 + SS) * N + FF
    drop-frame  the same, less 2 (N = 30) or 4 (N = 60) for every minute begun since midnight, tenth minutes excepted

so that at 29.97 pictures a second, where 1000 of every 1001 numbers are used up, drop-frame stays within a few pictures of the clock on
the wall (SMPTE 12M). Picture n is shown at n / rate seconds, rate = 30000/1001 and its like, a Fraction.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from avsep_plugin.errors import ConfigError

_DROPPED = {30: 2, 60: 4}
"""Numbers that a drop-frame minute leaves out, by nominal rate."""
_WRITTEN = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;.])(\d{2,3})")


def is_timecode(text: str) -> bool:
    """Whether a text has the form HH:MM:SS:FF (before the frames `;` or `.` may stand for drop-frame)."""
    return _WRITTEN.fullmatch(text.strip()) is not None


def standard_rate(average: Fraction) -> Fraction:
    """The true picture rate that a measured one stands for: the nearer of N and N * 1000/1001."""
    nominal = max(1, round(average))
    return min(Fraction(nominal), Fraction(nominal * 1000, 1001), key=lambda rate: abs(rate - average))


@dataclass(frozen=True)
class Counting:
    """How a clip numbers its pictures."""

    rate: Fraction
    """True pictures per second."""
    drop: bool = False

    def __post_init__(self) -> None:
        if self.drop and self.nominal not in _DROPPED:
            raise ConfigError(f"Drop-frame timecode exists at 29.97 and 59.94 pictures per second, not at {float(self.rate):.3f}.")

    @property
    def nominal(self) -> int:
        """Numbers per displayed second."""
        return round(self.rate)

    @property
    def day(self) -> int:
        """Numbers from midnight to midnight."""
        return self._number(24, 0, 0, 0)

    def number(self, text: str) -> int:
        """The picture's number since midnight. Raises ConfigError for a text that names no picture at this rate."""
        written = _WRITTEN.fullmatch(text.strip())
        if not written:
            raise ConfigError(f"'{text}' is no timecode; write it as HH:MM:SS:FF.")
        hours, minutes, seconds, frames = (int(written[group]) for group in (1, 2, 3, 5))
        if hours > 23 or minutes > 59 or seconds > 59 or frames >= self.nominal:
            raise ConfigError(f"'{text}' is no timecode at {self.nominal} pictures per second.")
        if self.drop and not seconds and minutes % 10 and frames < _DROPPED[self.nominal]:
            raise ConfigError(f"'{text}' is left out by drop-frame timecode.")
        return self._number(hours, minutes, seconds, frames)

    def text(self, number: int) -> str:
        """The timecode of a picture, HH:MM:SS:FF, with `;` before the frames where it is drop-frame."""
        number %= self.day
        if self.drop:
            lost = _DROPPED[self.nominal]
            minute, ten = 60 * self.nominal - lost, self._number(0, 10, 0, 0)
            tens, rest = divmod(number, ten)
            number += 9 * lost * tens + lost * max(0, (rest - lost) // minute)
        seconds, frames = divmod(number, self.nominal)
        minutes, seconds = divmod(seconds, 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{';' if self.drop else ':'}{frames:02}"

    def _number(self, hours: int, minutes: int, seconds: int, frames: int) -> int:
        begun = 60 * hours + minutes
        left_out = _DROPPED[self.nominal] * (begun - begun // 10) if self.drop else 0
        return (60 * begun + seconds) * self.nominal + frames - left_out


@dataclass(frozen=True)
class Clock:
    """The clock that an editor reads under a clip: its first picture shows `start`."""

    counting: Counting
    start: int = 0
    """Number of the first picture since midnight; 0 where the clip has no timecode."""
    is_known: bool = False
    """Whether the clip says a timecode."""

    @classmethod
    def of(cls, timecode: str | None, average_rate: Fraction | None) -> "Clock":
        """The clock of a clip whose first picture has that timecode (None: it has none; one that makes no sense counts as none)."""
        rate = standard_rate(average_rate or Fraction(25))
        if timecode is None or not is_timecode(timecode):
            return cls(Counting(rate))
        drop = re.search(r"[;.]\d+$", timecode.strip()) is not None and round(rate) in _DROPPED
        counting = Counting(rate, drop)
        try:
            return cls(counting, counting.number(timecode), True)
        except ConfigError:
            return cls(Counting(rate))

    @property
    def start_seconds(self) -> Fraction:
        """True seconds from midnight to the first picture."""
        return self.start / self.counting.rate

    def seconds(self, place: str) -> Fraction:
        """Seconds from the first picture to a place given as seconds ("12.5") or as a timecode on this clock, past midnight included.

        Raises ConfigError for a text that is neither.
        """
        if is_timecode(place):
            counting = self.counting
            if not self.is_known and re.search(r"[;.]\d+$", place.strip()):
                counting = Counting(self.counting.rate, drop=True)
            return (counting.number(place) - self.start) % counting.day / counting.rate
        try:
            return Fraction(place)
        except (ValueError, ZeroDivisionError) as exc:
            raise ConfigError(f"'{place}' is neither a number of seconds nor a timecode HH:MM:SS:FF.") from exc
