"""Which pieces of a clip are looked at for its offset, and how they are cut out of sound and pictures in one pass.

    long clip     sound     |----------------------------------------------------------|
                  pieces        |======|         |======|         |======|                pictures
                            ....|......|....                                              and their sound, `margin` around it
    short clip    sound     |---------|
                  piece     |=========|                                                   all there is

Of a long clip so many pieces are spread over it, each far enough from both ends that the sound of every shift is there. What lies between
them is read over and not kept, so memory does not grow with the length of the clip.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from avsep_plugin.config import ModelConfig
from avsep_plugin.dsp.resample import resample
from avsep_plugin.dsp.streams import SampleBuffer, to_stereo
from avsep_plugin.dsp.windows import RESAMPLER_REACH_SECONDS, Grid, Span
from avsep_plugin.errors import TooShortError
from avsep_plugin.feed import Pictures
from avsep_plugin.models.fused import Aligner
from avsep_plugin.pipeline import Progress
from avsep_plugin.sync_curve import LEAST_SECONDS, Piece, SyncCurve, compare, curve, shifts


@dataclass(frozen=True)
class Search:
    """Where an offset is looked for, and on how much of a clip."""

    max_offset_seconds: Fraction = Fraction(1)
    step_seconds: Fraction = Fraction(1, 25)
    windows: int = 8
    """Pieces of a long clip, at most."""
    window_seconds: Fraction = Fraction(4)
    """Of pictures in a piece of a long clip."""

    def __post_init__(self) -> None:
        if self.windows < 1 or self.window_seconds <= 0:
            raise ValueError(f"need at least one window of some length, got {self.windows} of {self.window_seconds} s")


DEFAULT_SEARCH = Search()


def find_curve(
    model: Aligner,
    mixture: Iterable[Tensor],
    sample_rate_hz: int,
    pictures: Pictures,
    pictures_seconds: tuple[Fraction, Fraction],
    sound_seconds: Fraction,
    search: Search = DEFAULT_SEARCH,
    progress: Progress | None = None,
) -> SyncCurve:
    """Score the shifts on pieces of a clip.

    mixture: consecutive blocks [C, n] float32. pictures: see `feed.Pictures`. pictures_seconds: when the first picture begins and the last
    one ends, counted from the first sample. sound_seconds: how long the sound lasts; if it ends before that, what is there counts.
    Raises TooShortError where they have too little in common.
    """
    offsets = shifts(search.max_offset_seconds, search.step_seconds)
    rate = model.config.picture.frame_rate
    seen = Span(math.ceil(max(pictures_seconds[0], Fraction(0)) * rate), math.floor(min(pictures_seconds[1], sound_seconds) * rate))
    if seen.length < LEAST_SECONDS * rate:
        together = float(max(seen.length, 0) / rate * 1000)
        raise TooShortError(
            f"picture and sound last {together:.0f} ms together; an offset needs at least {float(LEAST_SECONDS) * 1000:.0f} ms."
        )
    spans = lay(seen, math.floor(sound_seconds * rate), search, rate)
    found = []
    for span, piece in zip(spans, cut(model.config, mixture, sample_rate_hz, pictures, spans, offsets[-1]), strict=True):
        found.append(compare(model, piece, offsets))
        if progress is not None:
            progress(float(span.stop / rate))
    return curve(found, offsets)


def lay(seen: Span, sound_frames: int, search: Search, rate: Fraction) -> list[Span]:
    """The pictures of each piece, in order; none where the clip has no picture under its sound."""
    margin, length = math.ceil(search.max_offset_seconds * rate), math.ceil(search.window_seconds * rate)
    inner = Span(max(seen.start, margin), min(seen.stop, sound_frames - margin))
    if inner.length < length:
        return [seen] if seen.length > 0 else []
    count = min(search.windows, inner.length // length)
    gaps = max(count - 1, 1)
    first = inner.start if count > 1 else inner.start + (inner.length - length) // 2
    starts = [first + number * (inner.length - length) // gaps for number in range(count)]
    return [Span(start, start + length) for start in starts]


def cut(
    config: ModelConfig, mixture: Iterable[Tensor], sample_rate_hz: int, pictures: Pictures, spans: Sequence[Span], margin_seconds: Fraction
) -> Iterator[Piece]:
    """The pieces of those pictures, each with its sound and as much of what lies around it as there is."""
    grid = Grid(config, sample_rate_hz)
    sound = SampleBuffer(mixture)
    margin = math.ceil(margin_seconds * config.picture.frame_rate) + 1
    for span in spans:
        wanted = Span(max(0, grid.native_sample(span.start - margin)), grid.native_sample(span.stop + margin))
        audio, first = _heard(grid, sound, wanted)
        yield Piece(pictures(span.start, span.length), audio, grid.model_sample(span.start) - first)


def _heard(grid: Grid, sound: SampleBuffer, wanted: Span) -> tuple[Tensor, int]:
    """[2, N] at the model's rate of some native samples, or of as many as there are, and the number of the first one at that rate.

    Resampling begins where both rates have a sample at the same instant, so that sample numbers of both are exact.
    """
    rate, model_rate = grid.sample_rate_hz, grid.config.sample_rate_hz
    common = math.gcd(rate, model_rate)
    reach = math.ceil(RESAMPLER_REACH_SECONDS * rate)
    meeting = (wanted.start - reach) // (rate // common)
    begin = meeting * (rate // common)
    _read_to(sound, begin, wanted.stop + reach, rate)
    if not sound.stop:
        raise TooShortError("the sound is empty.")
    native = to_stereo(sound.take(Span(begin, wanted.stop + reach)))
    first, stop = -(-wanted.start * model_rate // rate), min(wanted.stop, sound.stop) * model_rate // rate
    skip = first - meeting * (model_rate // common)
    return resample(native, rate, model_rate)[:, skip : skip + max(0, stop - first)], first


def _read_to(sound: SampleBuffer, start: int, stop: int, once: int) -> None:
    """Read on until `stop`, or the end; what comes before `start` is not kept."""
    going = True
    while going and sound.stop < stop:
        going = sound.fill(min(sound.stop + once, stop))
        sound.drop(min(start, sound.stop))
