"""From sound and pictures to stems or a heat map: tensors in, tensors out, in one pass whose memory does not grow with the length.

    mixture, pictures --feed--> Window, inputs --model--> mask --lay--> native STFT of the mixture --overlap-add--> off
                                                                                              on = mixture - off

Grid, context and cross-fade are drawn in `dsp.windows`. All work is done window by window on that grid, whatever the pieces are
in which the sound comes, so how a file is read cannot change the result. Models are used as they come: on the device of their
parameters, in the mode (eval) in which they were given.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from avsep_plugin.clip import Cut, Evidence, Float32, HeatMap
from avsep_plugin.dsp.masks import Highs, MaskGrid, interpolate
from avsep_plugin.dsp.shots import ONE_SHOT, Shots
from avsep_plugin.dsp.stft import analyse
from avsep_plugin.dsp.streams import OverlapAdd, SampleBuffer
from avsep_plugin.dsp.windows import Grid, Span, Window
from avsep_plugin.feed import Pictures, cut, held, inputs
from avsep_plugin.models.fused import Aligner, Alignment
from avsep_plugin.models.separator import Separator

__all__ = [
    "DEFAULTS", "Block", "Localisation", "Originals", "Pictures", "Precision", "Progress", "Reconstruction", "SeparateOptions",
    "align", "held", "reconstruct", "report", "separate",
]  # fmt: skip

Progress = Callable[[float], None]
"""Called after every window with the seconds of footage that are done."""
Precision = Literal["fp32", "bf16"]
Reconstruction = Literal["editor", "original"]

_MARGIN_CELLS = 3
"""Around a whole picture: enough to keep the highest place of a real face's map from the picture's edges (docs/models/mini.md)."""
_STFT_FRAMES_AT_ONCE = 128
"""Native STFT frames masked in one step: bounds the memory for many channels and long windows."""


@dataclass(frozen=True)
class SeparateOptions:
    """How to separate."""

    highs: Highs = "follow"
    """The band above what the model hears: as the top of the mask, all on screen, or all off screen."""
    reconstruction: Reconstruction = "editor"
    """For those who choose between `separate` (editor) and `reconstruct` (original)."""
    precision: Precision = "fp32"
    """bf16: the network runs under autocast; everything around it stays in float32."""


DEFAULTS = SeparateOptions()


class Block(NamedTuple):
    """A run of the result, each [C, n] float32."""

    mixture: Tensor
    on: Tensor

    @property
    def off(self) -> Tensor:
        """What is left of the mixture."""
        return self.mixture - self.on


class Originals(NamedTuple):
    """A run of the paper's own output, each [1, n] float32 at the model's rate, clipped to [-1, 1]; they are no shares of a mixture."""

    on: Tensor
    off: Tensor


@dataclass(frozen=True)
class Localisation:
    """Where the sound comes from, and whether it belongs to the picture at all."""

    heat_map: HeatMap
    windows: tuple[Evidence, ...]
    """All windows of the grid, one after the other; a step of the map is of the one in which its middle lies."""

    @property
    def logits(self) -> Float32:
        """[windows]"""
        return np.array([window.logit for window in self.windows], np.float32)


def separate(
    model: Separator,
    mixture: Iterable[Tensor],
    sample_rate_hz: int,
    pictures: Pictures,
    options: SeparateOptions = DEFAULTS,
    progress: Progress | None = None,
    shots: Shots = ONE_SHOT,
) -> Iterator[Block]:
    """Split a sound into what the picture shows and the rest.

    mixture: consecutive pieces [C, n] float32 at `sample_rate_hz`. Yields consecutive pieces of mixture and on-screen sound, of other
    lengths but as many samples in all. A mask of ones gives on == mixture exactly.
    shots: where they are; those that are to be left untouched get a mask of ones over the whole band, and the network is not asked;
    nor is it for windows of silence.
    Raises TooShortError if the sound is shorter than one analysis frame of the model.
    """
    grid = Grid(model.config, sample_rate_hz, shots.cuts_seconds)
    masks = MaskGrid(model.config.stft, model.config.sample_rate_hz, grid.stft, sample_rate_hz, options.highs)
    overlap_add = OverlapAdd(grid.stft)
    for window, sound in cut(mixture, grid, grid.window):
        # Any mask of silence is silence. A damaged clip may have an hour of it in its holes.
        is_left = window.shot.number in shots.untouched or not sound.take(window.reads).any()
        mask = None if is_left else _mask(model, grid, window, sound, pictures, options.precision)
        for part in window.stft_frames.pieces(_STFT_FRAMES_AT_ONCE):
            spectrum = analyse(sound.take(_under(part, grid)), grid.stft)
            off_mask = 0 if mask is None else 1 - masks.lay(mask, window.model.start, part).to(spectrum.device)
            off = overlap_add.add(spectrum * off_mask)
            yield _finished(part, grid, sound, window.last, off)
        report(progress, window, grid, sound)


def reconstruct(
    model: Separator,
    mixture: Iterable[Tensor],
    sample_rate_hz: int,
    pictures: Pictures,
    options: SeparateOptions = DEFAULTS,
    progress: Progress | None = None,
) -> Iterator[Originals]:
    """The paper's own output with predicted phase, put together as the original tool does (spec 2.8).

    A window begins every half clip; where two overlap, the first one wins; there is no cross-fade, and the level is that of the
    normalised input times 1.5. Unlike the original, the end of the file is covered too; like it, this knows no shots. Mono at the
    model's rate.
    """
    grid = Grid(model.config, sample_rate_hz)
    done = 0
    for window, sound in cut(mixture, grid, grid.half_clip):
        frames, audio = inputs(model, grid, window, sound, pictures)
        with torch.inference_mode(), _precision(model, options.precision):
            on, off = model.original(frames, audio)
        stop = window.model.start + on.shape[-1]
        length = (grid.model_samples(sound.stop) if window.last else stop) - done
        fresh = torch.cat([on, off])[:, done - window.model.start :].float().clamp(-1, 1).cpu()
        fresh = torch.nn.functional.pad(fresh, (0, max(0, length - fresh.shape[1])))[:, :length]
        yield Originals(fresh[:1], fresh[1:])
        done += length
        report(progress, window, grid, sound)


def align(
    model: Aligner,
    mixture: Iterable[Tensor],
    sample_rate_hz: int,
    pictures: Pictures,
    precision: Precision = "fp32",
    progress: Progress | None = None,
    cuts_seconds: tuple[Fraction, ...] = (),
    whole: bool = False,
) -> Localisation:
    """Where in the picture the sound comes from: the class activation maps of all windows on one grid of equal steps.

    pictures: of the model's crop, or (`whole`) of any size; the map covers what they show, and the caller knows what part of the footage
    that is. cuts_seconds: no window straddles one of these times after the first sample, and nothing is carried over them.
    Cell t of the result is centred in the step [t, t + 1) * step; it takes its value, interpolated in time, from the window that
    keeps this centre. Raises TooShortError as `separate` does.
    """
    grid = Grid(model.config, sample_rate_hz, cuts_seconds)
    step = model.config.fused.cell_frames
    maps: list[Tensor] = []
    windows: list[Evidence] = []
    for window, sound in cut(mixture, grid, grid.window):
        frames, audio = inputs(model, grid, window, sound, pictures)
        with torch.inference_mode(), _precision(model, precision):
            found: Alignment = model.look_around(frames, audio, _MARGIN_CELLS) if whole else model(frames, audio)
        end = grid.frame_count(sound.stop) if window.last else window.keep.stop
        maps.append(_kept_cells(found.cam[0].float().cpu(), window, step, end))
        windows.append(evidence_of(window, grid, sound, float(found.logits)))
        report(progress, window, grid, sound)
    values = torch.cat(maps).numpy()
    first_steps = (min(_first_step(frame, step), values.shape[0]) for frame in grid.cut_frames)
    cuts = tuple(Cut(*cut) for cut in zip(cuts_seconds, first_steps, strict=True))
    return Localisation(HeatMap(values, step / model.config.picture.frame_rate, cuts=cuts), tuple(windows))


def evidence_of(window: Window, grid: Grid, sound: SampleBuffer, logit: float) -> Evidence:
    """What was said of a window, with the time that it keeps."""
    rate = grid.config.picture.frame_rate
    end = Fraction(sound.stop, grid.sample_rate_hz) if window.last else window.keep.stop / rate
    return Evidence(window.keep.start / rate, end, window.shot.number, logit)


def _mask(model: Separator, grid: Grid, window: Window, sound: SampleBuffer, pictures: Pictures, precision: Precision) -> Tensor:
    """The network's mask [bins, L] of one window."""
    frames, audio = inputs(model, grid, window, sound, pictures)
    with torch.inference_mode(), _precision(model, precision):
        return model.masks(frames, audio)[0].float().cpu()


def _precision(model: torch.nn.Module, precision: Precision) -> torch.autocast:
    return torch.autocast(next(model.parameters()).device.type, torch.bfloat16, enabled=precision == "bf16")


def _under(frames: Span, grid: Grid) -> Span:
    """The native samples under some native STFT frames."""
    hop = grid.stft.hop_samples
    return Span(frames.start * hop, (frames.stop - 1) * hop + grid.stft.frame_samples)


def _finished(frames: Span, grid: Grid, sound: SampleBuffer, last: bool, off: Tensor) -> Block:
    """The block that some native frames finish, cut to what lies inside the file."""
    hop = grid.stft.hop_samples
    end = min(frames.stop * hop, sound.stop) if last else frames.stop * hop
    span = Span(max(frames.start * hop, 0), max(end, 0))
    if span.length <= 0:
        span = Span(0, 0)
    mixture = sound.take(span)
    return Block(mixture, mixture - off[:, span.start - frames.start * hop :][:, : span.length])


def _kept_cells(cam: Tensor, window: Window, step: int, end_frame: int) -> Tensor:
    """[T', h, w] of one window -> [cells, h, w] of the steps, counted from the first sample, whose centre the window keeps.

    Cell t of the window is centred at frame see.start + (t + 1/2) * step, step n of the file at (n + 1/2) * step.
    """
    first = _first_step(window.keep.start, step)
    stop = -(-end_frame // step) if window.last else _first_step(end_frame, step)
    at = torch.arange(first, max(stop, first), dtype=torch.float64) - window.see.start / step
    return interpolate(cam, at)


def _first_step(frame: int, step: int) -> int:
    """The first step whose centre, (n + 1/2) * step, is not before a frame."""
    return -((step - 2 * frame) // (2 * step))


def report(progress: Progress | None, window: Window, grid: Grid, sound: SampleBuffer) -> None:
    """Tell how far the pass over a file is after that window."""
    if progress is not None:
        done = sound.stop if window.last else min(grid.native_sample(window.keep.stop), sound.stop)
        progress(done / grid.sample_rate_hz)
