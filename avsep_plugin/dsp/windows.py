"""The grid on which a file is cut: exact integer arithmetic, no tensors.

Everything is counted from the first sample of the sound. Window k keeps `hop` frames of the model's picture rate and sees
`context` more on either side, because a network is unsure at the edges of what it sees; what the context yields is thrown away.

    frame      0         hop       2 hop      3 hop
    kept       |--- 0 ---|--- 1 ---|--- 2 ---|
    window 0  (...)------|...           (...) before the file: left out, or silence and the first picture if the network's
    window 1         ...|--- 1 ---|...        input is of a fixed length
    window 2                   ...|--- 2 ---|...

That is so within each shot (`dsp.shots`): windows are laid from its first frame on, and its edges are to them what the ends of the
file are, so that no window straddles a cut.

The mask of a window lives on the model's STFT, which starts at the window's first sample; it is applied on an STFT at the native
rate which runs through the whole file without regard to windows. A frame of that STFT takes its mask from the window that keeps
the frame's centre, so the overlap of consecutive frames is the cross-fade between windows.

A time is a frame number, a native sample or a model sample; the three are tied by fractions and rounded once, so they never drift.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from avsep_plugin.config import ModelConfig, StftConfig
from avsep_plugin.dsp.shots import Shot, ShotGrid

MIN_FRAMES = 8
"""No network gets fewer frames than this: its strides need something to work on."""
RESAMPLER_REACH_SECONDS = Fraction(1, 50)
"""Sound to either side of a window that the resampler's filter may touch."""
MIN_OVERLAP = 4
"""Native frames that cover each sample: 75 % overlap, so that a masked frame fades in and out."""


class Span(NamedTuple):
    """A half-open range [start, stop) that may begin before 0."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Number of items in it."""
        return self.stop - self.start

    def pieces(self, size: int) -> Iterator["Span"]:
        """The same range in consecutive pieces of at most `size`."""
        for start in range(self.start, self.stop, size):
            yield Span(start, min(start + size, self.stop))


@dataclass(frozen=True)
class Window:
    """What one run of the network keeps, sees and reads."""

    index: int
    last: bool
    """Nothing comes after it (known only once the file has ended)."""
    shot: Shot
    """Where it lies; all its pictures and sound are of this shot."""
    keep: Span
    """Frames whose result is used."""
    see: Span
    """Frames that the network gets; before the first and after the last picture of the shot the nearest is held."""
    model: Span
    """Samples at the model's rate that go with them; `model.start` is the window's time 0."""
    heard: Span
    """The part of `model` that lies inside the shot; the rest is silence."""
    segment: Span
    """Native samples to be resampled: a little more than the window."""
    skip: int
    """Samples of the resampled segment before the window begins."""
    stft_frames: Span
    """Native STFT frames that take their mask from this window."""
    reads: Span
    """All native samples that the window needs; outside the file they are silence."""


@dataclass(frozen=True)
class Grid:
    """All windows of a sound of `sample_rate_hz` as a model of that configuration sees it, in shots between cuts (`Shots`)."""

    config: ModelConfig
    sample_rate_hz: int
    cuts_seconds: tuple[Fraction, ...] = ()

    def __post_init__(self) -> None:
        if self.sample_rate_hz <= 0:
            raise ValueError(f"sample rate must be positive, not {self.sample_rate_hz}")

    @cached_property
    def stft(self) -> StftConfig:
        """The STFT at the native rate."""
        return native_stft(self.config.stft, self.config.sample_rate_hz, self.sample_rate_hz)

    @cached_property
    def min_frames(self) -> int:
        """Frames that give the network at least `MIN_FRAMES` pictures and one whole STFT frame."""
        seconds = Fraction(self.config.stft.frame_samples + 1, self.config.sample_rate_hz)
        return max(MIN_FRAMES, math.ceil(seconds * self.config.picture.frame_rate))

    def native_sample(self, frame: int) -> int:
        """Native sample at which a frame begins."""
        return round(frame * self.sample_rate_hz / self.config.picture.frame_rate)

    def model_sample(self, frame: int) -> int:
        """Sample at the model's rate at which a frame begins."""
        return round(frame * self.config.sample_rate_hz / self.config.picture.frame_rate)

    def model_samples(self, samples: int) -> int:
        """Length at the model's rate of so many native samples; a last partial sample counts."""
        return -(-samples * self.config.sample_rate_hz // self.sample_rate_hz)

    def frame_count(self, samples: int) -> int:
        """Frames that so many native samples last; a last partial frame counts."""
        return math.ceil(samples * self.config.picture.frame_rate / self.sample_rate_hz)

    def window_count(self, samples: int) -> int:
        """Windows in a sound of so many native samples."""
        return self._shots.window_count(self.frame_count(samples))

    @property
    def cut_frames(self) -> tuple[int, ...]:
        """The first frame of the shot that begins with each cut."""
        return self._shots.starts[1:]

    @cached_property
    def _shots(self) -> ShotGrid:
        return ShotGrid(self.cuts_seconds, self.config.picture.frame_rate, self.config.window.hop_frames)

    def window(self, index: int, samples: int | None = None) -> Window:
        """Window `index` of a sound of so many native samples; None: the sound goes on past the window's end."""
        shape = self.config.window
        shot, start, stop = self._shots.place(index)
        see = Span(start - shape.context_frames, start + shape.hop_frames + shape.context_frames)
        if not shape.fixed:
            see = self._inside(see, shot, samples)
        return self._window(index, shot, Span(start, stop), see, samples)

    def half_clip(self, index: int, samples: int | None = None) -> Window:
        """Window `index` as the original tool lays them: one every half clip, each keeping what its predecessor did not reach.

        The original knows no cuts.
        """
        clip = self.config.window.frames
        start, previous = index * clip // 2, (index - 1) * clip // 2
        keep = Span(previous + clip if index else 0, start + clip)
        return self._window(index, Shot(0, 0, None), keep, Span(start, start + clip), samples)

    def _inside(self, see: Span, shot: Shot, samples: int | None) -> Span:
        ends = [end for end in (shot.stop, None if samples is None else self.frame_count(samples)) if end is not None]
        start = max(see.start, shot.start)
        return Span(start, max(min([see.stop, *ends]), start + self.min_frames))

    def _window(self, index: int, shot: Shot, keep: Span, see: Span, samples: int | None) -> Window:
        start = self.model_sample(see.start)
        model = Span(start, start + self.config.window_samples(see.length))
        heard = self._heard(model, shot, samples)
        segment, skip = self._segment(model)
        last = samples is not None and keep.stop >= self.frame_count(samples)
        frames = self._stft_frames(index, keep, samples if last else None)
        reads = Span(
            min(segment.start, frames.start * self.stft.hop_samples),
            max(segment.stop, (frames.stop - 1) * self.stft.hop_samples + self.stft.frame_samples, self.native_sample(keep.stop) + 1),
        )
        return Window(index, last, shot, keep, see, model, heard, segment, skip, frames, reads)

    def _heard(self, model: Span, shot: Shot, samples: int | None) -> Span:
        """The part of a window's model samples that lies inside the shot and the file."""
        ends = [
            None if shot.stop is None else self.model_sample(shot.stop),
            None if samples is None else self.model_samples(samples),
        ]
        start = min(max(model.start, self.model_sample(shot.start)), model.stop)
        return Span(start, max(min([model.stop, *(end for end in ends if end is not None)]), start))

    def _segment(self, model: Span) -> tuple[Span, int]:
        """Native samples that give a window of model samples, starting where both rates have a sample at the same instant.

        The two grids meet every 1/gcd seconds. Begun there, each window is resampled as if the whole file had been: its samples do
        not depend on where the window begins.
        """
        common = math.gcd(self.sample_rate_hz, self.config.sample_rate_hz)
        native_step, model_step = self.sample_rate_hz // common, self.config.sample_rate_hz // common
        meeting = (model.start - math.ceil(RESAMPLER_REACH_SECONDS * self.config.sample_rate_hz)) // model_step
        end = Fraction(model.stop, self.config.sample_rate_hz) + RESAMPLER_REACH_SECONDS
        return Span(meeting * native_step, math.ceil(end * self.sample_rate_hz)), model.start - meeting * model_step

    def _stft_frames(self, index: int, keep: Span, end_sample: int | None) -> Span:
        """Native frames with their centre in `keep`; the first window also owns all before it, the last one all after it."""
        covering = self.stft.frame_samples // self.stft.hop_samples
        start = self._first_centred(self.native_sample(keep.start)) if index else 1 - covering
        stop = self._first_centred(self.native_sample(keep.stop)) if end_sample is None else -(-end_sample // self.stft.hop_samples)
        return Span(start, max(start, stop))

    def _first_centred(self, sample: int) -> int:
        """First native frame whose centre, hop * j + frame / 2, is not before a sample."""
        return -((self.stft.frame_samples - 2 * sample) // (2 * self.stft.hop_samples))


def native_stft(stft: StftConfig, model_rate_hz: int, sample_rate_hz: int) -> StftConfig:
    """The STFT at another rate whose frame and hop last about as long as the model's.

    The frame is a whole number of hops, at least `MIN_OVERLAP`, so that the squared Hann windows add up to a constant (see
    `overlap.OverlapAdd`). The hop is an integer, the FFT is the next length without a prime factor above 5.
    """
    overlap = max(MIN_OVERLAP, math.ceil(Fraction(stft.frame_samples, stft.hop_samples)))
    hop = max(1, round(Fraction(stft.frame_samples * sample_rate_hz, model_rate_hz * overlap)))
    return StftConfig(hop * overlap, hop, next_fast_length(hop * overlap))


def next_fast_length(length: int) -> int:
    """The smallest even number not below `length` whose prime factors are 2, 3 and 5."""
    candidate = length + length % 2
    while not _is_smooth(candidate):
        candidate += 2
    return candidate


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5):
        while number % prime == 0:
            number //= prime
    return number == 1
