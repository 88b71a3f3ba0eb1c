"""How late is the sound against its picture? The aligner's evidence over shifts of the sound, and what is read off it.

One piece of a clip is compared at every shift s: the pictures from time t on with the sound from t + s on. A shift is judged on pictures
and sound that are both there, never on padding:

    pictures        |-------------------|              all of them, where the sound goes on before and behind them;
    sound       ....|.......................|....      else as many as the sound reaches
    s > 0           |-----------------| pictures used
                        |-----------------| sound used: that of the pictures if it is s late

Shifts with less overlap rest on less evidence: score(s) = sum of (logit - mean logit) over the pictures used / (their seconds + 1 s), which
pulls what rests on little towards the clip's mean. (Only the pictures that every shift covers would be fairer, but of a clip of 3 s
and shifts of 1 s either way too little is left of it.) The scores of several pieces of a clip add up over the pictures of them all.

The offset is the place of the curve's peak, between the steps by a parabola through the peak and its neighbours.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from avsep_plugin.config import CalibrationConfig, ModelConfig
from avsep_plugin.dsp.levels import set_rms
from avsep_plugin.models.fused import Aligner

Float64 = npt.NDArray[np.float64]

_PRIOR_SECONDS = 1.0
LEAST_SECONDS = Fraction(2, 5)
"""A shift that leaves less than this of a piece is not judged on it."""
_SHIFTS_AT_ONCE = 8
_PEAK_SECONDS = 0.14
"""What is nearer to the peak belongs to it."""
_LEAST_SPREAD = 1e-3
_SILENT_RMS = 1e-4
"""Sound under this (-80 dB of full scale) is compared with nothing."""
CONFIDENCE = CalibrationConfig(slope=0.57, offset=-2.476)
"""Height of the peak -> probability that the offset is right to 80 ms, where as many clips have a foreign sound as their own; fitted by
`avsep evaluate --task sync` on the bundled aligner, see docs/sync.md."""
ABSTAIN_BELOW = 0.5


class Piece(NamedTuple):
    """Pictures of a clip in a row, and the sound around them."""

    frames: Tensor
    """[T, c, c, 3] uint8 at the model's rate."""
    audio: Tensor
    """[2, N] float32 at the model's rate, its level as it is."""
    lead_samples: int
    """Samples of `audio` before the first picture; negative where it begins after that."""


@dataclass(frozen=True)
class Scores:
    """Evidence for each shift, [shifts] float64."""

    sums: Float64
    """Logit x seconds, over the pictures that it rests on."""
    seconds: Float64
    """How long these last; 0 where the shift could not be judged."""

    @classmethod
    def none(cls, count: int) -> "Scores":
        """Nothing is known about so many shifts."""
        return cls(np.zeros(count), np.zeros(count))

    def __add__(self, other: "Scores") -> "Scores":
        return Scores(self.sums + other.sums, self.seconds + other.seconds)


@dataclass(frozen=True)
class SyncCurve:
    """Scores of the shifts that could be judged."""

    offsets_seconds: tuple[float, ...]
    """In order; positive = the sound is late."""
    scores: tuple[float, ...]
    seconds: float
    """Of pictures behind the highest score."""


@dataclass(frozen=True)
class Verdict:
    """What a curve says."""

    offset_seconds: float
    """Where its peak is; positive = the sound is late."""
    confidence: float
    """In [0, 1], that this is right to 80 ms."""


def shifts(max_offset_seconds: Fraction, step_seconds: Fraction) -> list[Fraction]:
    """Every shift from -max to max; 0 is one of them. Raises ValueError unless both are positive."""
    if step_seconds <= 0 or max_offset_seconds < step_seconds:
        raise ValueError(f"need 0 < step <= max offset, got {step_seconds} and {max_offset_seconds}")
    count = int(max_offset_seconds / step_seconds)
    return [number * step_seconds for number in range(-count, count + 1)]


def compare(model: Aligner, piece: Piece, offsets: Sequence[Fraction]) -> Scores:
    """The evidence of one piece for each offset. The pictures are seen once, whatever the number of offsets.

    A still picture or a silent sound fits anything: it gives no evidence at all.
    """
    config = model.config
    scores = Scores.none(len(offsets))
    if _says_nothing(piece):
        return scores
    spans = [_overlap(config, piece, offset) for offset in offsets]
    device = next(model.parameters()).device
    with torch.inference_mode():
        video = model.fused.see(piece.frames[None].to(device))
        for length in sorted({stop - start for start, stop in spans if stop > start}):
            places = [place for place, (start, stop) in enumerate(spans) if stop - start == length]
            seconds = float(length / config.picture.frame_rate)
            for first in range(0, len(places), _SHIFTS_AT_ONCE):
                batch = places[first : first + _SHIFTS_AT_ONCE]
                logits = _logits(model, video, piece, length, [(spans[place][0], offsets[place]) for place in batch])
                scores.sums[batch] = logits.double().cpu().numpy() * seconds
                scores.seconds[batch] = seconds
    return scores


def curve(scores: Iterable[Scores], offsets: Sequence[Fraction]) -> SyncCurve:
    """All pieces of a clip together; empty where nothing could be compared."""
    total = sum(scores, Scores.none(len(offsets)))
    judged = np.flatnonzero(total.seconds)
    if not judged.size:
        return SyncCurve((), (), 0.0)
    sums, seconds = total.sums[judged], total.seconds[judged]
    mean = sums.sum() / seconds.sum()
    values = (sums - mean * seconds) / (seconds + _PRIOR_SECONDS)
    return SyncCurve(tuple(float(offsets[i]) for i in judged.tolist()), tuple(values.tolist()), float(seconds[values.argmax()]))


def read_off(found: SyncCurve, logits: CalibrationConfig) -> Verdict:
    """Offset and confidence; `logits`: what a logit of the model is worth. A curve without a peak has a confidence of 0."""
    x, y = np.asarray(found.offsets_seconds), np.asarray(found.scores)
    if y.size < 3 or float(np.ptp(y)) <= 0:
        return Verdict(0.0, 0.0)
    return Verdict(_peak(x, y), CONFIDENCE.probability(height(found, logits)))


def height(found: SyncCurve, logits: CalibrationConfig) -> float:
    """How far the peak stands out: the geometric mean of its height in two units, each measured from the median.

    Chung & Zisserman (2016) take peak minus median as the confidence. Here it counts once in log odds for one second of evidence (chance
    peaks shrink with the square root of its length), and once in spreads of the rest of the curve (robust: 1.4826 x the median absolute
    deviation), without which a model that is sure of everything would be believed. Together they tell right peaks from wrong ones better
    than either.
    """
    x, y = np.asarray(found.offsets_seconds), np.asarray(found.scores)
    above = float(y.max() - np.median(y))
    rest = y[np.abs(x - x[y.argmax()]) > _PEAK_SECONDS]
    spread = 1.4826 * float(np.median(np.abs(rest - np.median(rest)))) if rest.size else 0.0
    return above * math.sqrt(max(logits.slope, 0.0) * math.sqrt(found.seconds) / max(spread, _LEAST_SPREAD))


def _says_nothing(piece: Piece) -> bool:
    still = bool((piece.frames == piece.frames[:1]).all())
    return still or float(piece.audio.square().mean().sqrt() if piece.audio.numel() else 0.0) < _SILENT_RMS


def _overlap(config: ModelConfig, piece: Piece, offset: Fraction) -> tuple[int, int]:
    """[start, stop) of the pictures whose sound at that offset is there; empty where they are too few.

    Both ends are whole steps of the video stem, so that its output can be cut instead of being made anew.
    """
    rate, hz, stride = config.picture.frame_rate, config.sample_rate_hz, config.fused.stem_frames
    sound_start = Fraction(-piece.lead_samples, hz)
    sound_stop = sound_start + Fraction(piece.audio.shape[1], hz)
    start = max(0, math.ceil((sound_start - offset) * rate / stride)) * stride
    stop = min(len(piece.frames) // stride, math.floor((sound_stop - offset) * rate / stride)) * stride
    if stop > start and _begin(config, piece, start, offset) + config.window_samples(stop - start) > piece.audio.shape[1]:
        stop -= stride  # both were rounded up
    return (start, stop) if stop - start >= LEAST_SECONDS * rate else (start, start)


def _begin(config: ModelConfig, piece: Piece, picture: int, offset: Fraction) -> int:
    """The sample of a piece at which a picture's sound begins if it is that late."""
    return piece.lead_samples + round((picture / config.picture.frame_rate + offset) * config.sample_rate_hz)


def _logits(model: Aligner, video: Tensor, piece: Piece, length: int, parts: Sequence[tuple[int, Fraction]]) -> Tensor:
    """[B] logits of parts (first picture, offset) of `length` pictures each; `video` is the video stem's output for the whole piece."""
    config, stride = model.config, model.config.fused.stem_frames
    seen, heard = [], []
    for start, offset in parts:
        begin = _begin(config, piece, start, offset)
        sound = piece.audio[:, begin : begin + config.window_samples(length)]
        heard.append(sound if config.input_rms is None else set_rms(sound, config.input_rms)[0])
        seen.append(video[0, :, start // stride : (start + length) // stride])
    features = model.fused.fuse(torch.stack(seen), torch.stack(heard).to(video.device))
    logits: Tensor = model.joint(features.last).logits
    return logits.float()


def _peak(x: Float64, y: Float64) -> float:
    """Place of the highest value, between the samples by the parabola through it and its neighbours (they have to be neighbours)."""
    top = int(y.argmax())
    if not 0 < top < len(y) - 1:
        return float(x[top])
    before, after = x[top] - x[top - 1], x[top + 1] - x[top]
    bend = y[top - 1] - 2 * y[top] + y[top + 1]
    if not np.isclose(before, after) or bend >= 0:
        return float(x[top])
    return float(x[top] + 0.5 * (y[top - 1] - y[top + 1]) / bend * before)
