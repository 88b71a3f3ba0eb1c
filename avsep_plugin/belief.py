"""Of which moments of a clip a heat map is worth drawing: there has to be a sound, and it has to fit the picture.

    sound          ~~~~~~~~~~~~~~........~~~~~~~~~~~~~    a second or more of silence is nobody's
    windows        | 0.8 | 0.3 | 0.9 |  ...  | 0.2 | 0.1  probability that sound and picture belong together
    believed       ==============        =====            with its neighbours, the second window is believed

Every shot is judged by itself: neither windows nor silence on the other side of a cut have a say.

A single step of a map is the guess of a moment, now and then a wild one. What is drawn and pointed at is therefore the median of each
cell over STEADY_SECONDS: what lasts for less than half of that goes, and what begins or ends does so when it did before.

A map is relative: the network finds some place that fits least badly for any sound. Whether it fits at all is what the network was
trained to say, with the logit of every window.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter
from torch import Tensor

from avsep_plugin.clip import Float32, HeatMap
from avsep_plugin.config import CalibrationConfig
from avsep_plugin.pipeline import Localisation

Bool = npt.NDArray[np.bool_]

STEADY_SECONDS = 1.2
"""Longer than the wild moments of a map, shorter than two sentences."""
_SILENCE_DB = -60.0
_SILENCE_SECONDS = 1.0
_LEVELS_PER_SECOND = 20
_NEIGHBOURS = 1
"""Windows on either side that have a say: over several seconds the network knows better than in two."""
_SURE = 0.9


def steadied(heat_map: HeatMap) -> HeatMap:
    """[T, h, w] -> the same shape: the running median of each cell over STEADY_SECONDS, within shots. The first and the last step of a
    shot count for what lies beyond them."""
    steps = 2 * int(STEADY_SECONDS / 2 / heat_map.step_seconds) + 1
    edges = [0, *(cut.step for cut in heat_map.cuts), heat_map.values.shape[0]]
    shots = [heat_map.values[start:stop] for start, stop in pairwise(edges) if stop > start]
    values = [median_filter(shot, size=(steps, 1, 1), mode="nearest") for shot in shots]
    return replace(heat_map, values=np.concatenate(values)) if values else heat_map


class Loudness:
    """Listens to a sound while it goes by, and knows afterwards where it was silent (1 s or more below -60 dB of full scale)."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._length = max(1, sample_rate_hz // _LEVELS_PER_SECOND)
        self._rate = sample_rate_hz
        self._levels: list[float] = []
        self._energy, self._count = 0.0, 0

    def watch(self, sound: Iterable[Tensor]) -> Iterator[Tensor]:
        """The same pieces [C, n]."""
        for block in sound:
            self._add(block.square().mean(dim=0).double().numpy())
            yield block

    def _add(self, power: npt.NDArray[np.float64]) -> None:
        """Mean power of the channels, sample by sample; what does not fill a level waits for the next block."""
        at = 0
        while at < power.size:
            part = power[at : at + self._length - self._count]
            self._energy, self._count, at = self._energy + float(part.sum()), self._count + part.size, at + part.size
            if self._count == self._length:
                self._levels.append(self._energy / self._length)
                self._energy, self._count = 0.0, 0

    def heard(self, heat_map: HeatMap) -> Bool:
        """[T] whether there is a sound within half a second of the middle of each step, in its shot. The map begins with the sound."""
        loud = np.array([*self._levels, self._energy / max(self._count, 1)]) > 10 ** (_SILENCE_DB / 10)
        before = np.concatenate([[0], np.cumsum(loud)])
        per_second = self._rate / self._length
        middle = (np.arange(heat_map.values.shape[0]) + 0.5) * float(heat_map.step_seconds)
        cuts = np.array([float(cut.seconds) for cut in heat_map.cuts])
        begin, end = (np.concatenate(edges)[heat_map.shots] for edges in (([0.0], cuts), (cuts, [np.inf])))
        first = np.maximum(middle - _SILENCE_SECONDS / 2, begin) * per_second
        stop = np.minimum(middle + _SILENCE_SECONDS / 2, end) * per_second
        first, stop = (np.clip(np.rint(edge), 0, loud.size).astype(int) for edge in (first, stop))
        heard: Bool = before[stop] > before[first]
        return heard


def believed(found: Localisation, calibration: CalibrationConfig, abstain_below: float) -> Bool:
    """[T] for each step of the map: whether its window reaches that probability, judged together with the windows beside it."""
    heat_map = found.heat_map
    if not abstain_below or not found.windows:
        return np.ones(heat_map.values.shape[0], bool)
    shots = (shot for _, shot in groupby(found.windows, lambda window: window.shot))
    logits = np.concatenate([_smoothed(np.array([window.logit for window in shot], np.float32)) for shot in shots])
    fits = np.array([calibration.probability(float(logit)) >= abstain_below for logit in logits])
    # Fractions: the middle of a step may lie on the edge of a window.
    middles = [(2 * step + 1) * heat_map.step_seconds / 2 for step in range(heat_map.values.shape[0])]
    starts = [window.start_seconds for window in found.windows]
    chosen: Bool = fits[[max(bisect_right(starts, middle) - 1, 0) for middle in middles]]
    return chosen


def _smoothed(logits: Float32) -> Float32:
    """Each logit averaged with those of its neighbours, as far as there are any."""
    weights = np.ones(2 * _NEIGHBOURS + 1, np.float32)
    total = np.convolve(logits, weights)[_NEIGHBOURS : _NEIGHBOURS + logits.size]
    count = np.convolve(np.ones_like(logits), weights)[_NEIGHBOURS : _NEIGHBOURS + logits.size]
    smoothed: Float32 = total / count
    return smoothed


def least_strong(calibration: CalibrationConfig) -> float:
    """The least evidence that counts as strong: a window whose logit it is would be believed with a probability of 0.9.

    A window's logit is the mean of its map, or its highest place, so the map's values are logits: sigmoid(slope * value + offset) = 0.9.
    """
    return max((float(np.log(_SURE / (1 - _SURE))) - calibration.offset) / calibration.slope, 1e-6) if calibration.slope > 0 else 1e-6
