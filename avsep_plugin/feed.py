"""What a network is given: window after window of sound and pictures, in one pass over both.

pieces of sound --cut--> Window, SampleBuffer --inputs--> audio [1, 2, N] at the model's rate and level
                            pictures(start, count) -----> frames [1, T, c, c, 3]
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import torch
from torch import Tensor, nn

from avsep_plugin.dsp.levels import set_rms
from avsep_plugin.dsp.resample import resample
from avsep_plugin.dsp.shots import Shot
from avsep_plugin.dsp.streams import SampleBuffer, to_stereo
from avsep_plugin.dsp.windows import Grid, Span, Window
from avsep_plugin.errors import TooShortError

Pictures = Callable[[int, int], Tensor]
"""pictures(start, count) -> [count, c, c, 3] uint8 of the frames from `start` >= 0 on; after the last picture it is held.
`start` never goes back by more than one window."""


def held(frames: Tensor) -> Pictures:
    """Pictures of an array [N, c, c, 3] uint8 in memory: before the first and after the last one these are held."""

    def pictures(start: int, count: int) -> Tensor:
        return frames[torch.arange(start, start + count).clamp(0, frames.shape[0] - 1)]

    return pictures


def cut(mixture: Iterable[Tensor], grid: Grid, lay: Callable[[int, int | None], Window]) -> Iterator[tuple[Window, SampleBuffer]]:
    """Every window, with a buffer that holds the samples it reads. Whether a window is the last one is known when it comes out."""
    sound = SampleBuffer(mixture)
    index, last = 0, False
    while not last:
        window = lay(index, None)
        sound.drop(window.reads.start)
        if not sound.fill(window.reads.stop):
            _check_length(sound.stop, grid)
            window = lay(index, sound.stop)
        yield window, sound
        index, last = index + 1, window.last


def _check_length(samples: int, grid: Grid) -> None:
    needed = Fraction(grid.config.stft.frame_samples, grid.config.sample_rate_hz)
    seconds = Fraction(samples, grid.sample_rate_hz)
    if seconds < needed:
        lasts = f"lasts {float(seconds * 1000):.1f} ms" if samples else "is empty"
        raise TooShortError(f"the sound {lasts}; the model needs at least {float(needed * 1000):.0f} ms.")


def inputs(model: nn.Module, grid: Grid, window: Window, sound: SampleBuffer, pictures: Pictures) -> tuple[Tensor, Tensor]:
    """What the network gets for one window, on its device: frames [1, T, c, c, 3] uint8 and audio [1, 2, N] float32."""
    device = next(model.parameters()).device
    frames = _seen(window.see, window.shot, pictures)
    return frames[None].to(device), _heard(grid, window, sound)[None].to(device)


def _heard(grid: Grid, window: Window, sound: SampleBuffer) -> Tensor:
    """[2, N] at the model's rate and level; what lies outside the shot is silence and does not count for the level."""
    native = to_stereo(_of_shot(window.segment, grid, window.shot, sound))
    start = window.skip + window.heard.start - window.model.start
    audio = resample(native, grid.sample_rate_hz, grid.config.sample_rate_hz)[:, start : start + window.heard.length]
    if grid.config.input_rms is not None and window.heard.length:
        audio, _ = set_rms(audio, grid.config.input_rms)
    return torch.nn.functional.pad(audio, (window.heard.start - window.model.start, window.model.stop - window.heard.stop))


def _of_shot(segment: Span, grid: Grid, shot: Shot, sound: SampleBuffer) -> Tensor:
    """[C, n] of some native samples, silent outside the shot: the resampler must not carry anything over the cut."""
    start = max(segment.start, grid.native_sample(shot.start))
    stop = segment.stop if shot.stop is None else min(segment.stop, grid.native_sample(shot.stop))
    return torch.nn.functional.pad(sound.take(Span(start, stop)), (start - segment.start, segment.stop - stop))


def _seen(see: Span, shot: Shot, pictures: Pictures) -> Tensor:
    """[T, c, c, 3] of the frames that a window sees; the shot's first and last pictures are held for frames outside of it."""
    start = max(see.start, shot.start)
    stop = see.stop if shot.stop is None else min(see.stop, shot.stop)
    frames = pictures(start, stop - start)
    before, after = start - see.start, see.stop - stop
    if not before and not after:
        return frames
    return torch.cat([frames[:1].expand(before, -1, -1, -1), frames, frames[-1:].expand(after, -1, -1, -1)])
