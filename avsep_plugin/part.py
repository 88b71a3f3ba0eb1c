"""Which part of a sound track is delivered, in samples of the track, and where silence pads it.

    track       0 ........ start =================== stop ........ end          stems cover [start, stop)
    model           (lead)[                              ](lead)                hears a little more, as between windows
    video       as the source /‾‾‾‾‾ separated ‾‾‾‾‾‾‾\\ as the source           cross-faded inside the part
    padded      [0 0 0 0 0 0 0][=======================][0 0 0 0 0 0]          from the first picture to the end of the last one

Nothing is cut from the video: its picture cannot begin between key frames without being encoded again, so it stays whole.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.errors import ConfigError
from avsep_plugin.media.timecode import Clock

FADE_SECONDS = Fraction(1, 100)


@dataclass(frozen=True)
class Part:
    """A part of a track. Only an end that was asked for is faded; the track's own is not."""

    start: int = 0
    stop: int | None = None
    """None: the end of the track, wherever that is."""
    pad_from: int | None = None
    """Sample number, at or before `start`, from which the stems are padded with silence; None: they begin at `start`."""
    pad_to: int | None = None
    fade: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the track."""
        return self.start == 0 and self.stop is None

    @property
    def stems_start(self) -> int:
        """Number of the stems' first sample; silence may begin before the track's own."""
        return self.start if self.pad_from is None else min(self.start, self.pad_from)

    def weights(self, at: int, count: int) -> Float32 | None:
        """How much of the separated sound the video gets at samples [at, at + count), [count] in [0, 1]; None: all of it.

        The fade is linear, for what is faded is the off-screen sound that is taken away: nothing at the end of the part, all inside.
        """
        if self.is_whole:
            return None
        place = np.arange(at, at + count) + 0.5
        inside = np.ones(count) if self.start == 0 else ((place - self.start) / max(self.fade, 1)).clip(0, 1)
        if self.stop is not None:
            inside = np.minimum(inside, ((self.stop - place) / max(self.fade, 1)).clip(0, 1))
        return inside.astype(np.float32)


@dataclass(frozen=True)
class Wanted:
    """The part that a user asks for, on the clock of the clip."""

    start: str = ""
    """Seconds or timecode; "" is the beginning."""
    end: str = ""
    handles_seconds: Fraction = Fraction(0)
    """Added at both ends, as far as the sound goes."""

    def part(self, clock: Clock, late_seconds: Fraction, sample_rate_hz: int, picture_seconds: Fraction | None = None) -> Part:
        """The part in samples.

        late_seconds: how long after the first picture the sound starts. picture_seconds: how long the picture lasts, to have the stems
        padded to it. Raises ConfigError for places that make no sense on the clock, or an end that is not after the start.
        """
        first, stop = (clock.seconds(place) if place else None for place in (self.start, self.end))
        if stop is not None and stop <= (first or 0):
            raise ConfigError(f"the part ends ({self.end}) where it starts ({self.start or 'the beginning'}) or before.")

        def sample(seconds: Fraction) -> int:
            return max(0, round((seconds - late_seconds) * sample_rate_hz))

        fade = round(FADE_SECONDS * sample_rate_hz)
        start_sample = 0 if first is None else sample(first - self.handles_seconds)
        stop_sample = None if stop is None else sample(stop + self.handles_seconds)
        if stop_sample is not None and stop_sample <= start_sample:
            raise ConfigError(f"the part ends ({self.end}) before the sound starts.")
        if picture_seconds is None:
            return Part(start_sample, stop_sample, fade=fade)
        pad_from, pad_to = (round((seconds - late_seconds) * sample_rate_hz) for seconds in (Fraction(0), picture_seconds))
        return Part(start_sample, stop_sample, pad_from, pad_to, fade)
