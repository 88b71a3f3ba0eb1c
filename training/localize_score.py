"""Figures of merit of a heat map against the boxes of what sounds.

Every cell of time in which something in the picture sounds counts as one image, scored on a raster over the whole picture:

    pointing    the highest place of the map lies in a box (Zhang et al. 2018); of several highest places, the share that does
    IoU         |A and B| / |A or B| of the boxes' union B and the binarised map A, which is what cIoU (Senocak et al. 2018) is where
                one annotation is the truth; success = IoU of at least 1/2
    AUC         trapezoid area under the success rate at the thresholds 0, 0.05, ... 1 of IoU

How a map is binarised changes every figure, so both ways that are in use stand side by side: `half` keeps what is above half of the
map's highest positive value, `top` the upper half of all pixels (min-max normalised, threshold at the median).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from avsep_plugin.clip import Float32, HeatMap

Area = tuple[float, float, float, float]
Bool = npt.NDArray[np.bool_]
RASTER = (72, 128)
"""Rows and columns on which masks are compared."""
_THRESHOLDS = np.linspace(0, 1, 21)
_EQUAL = 1e-6
"""Values that differ by less share the highest place."""


@dataclass(frozen=True)
class SoundingBox:
    """Where a source is, while it sounds.

    area: (left, top, width, height) in shares of the picture. The time is half-open and counts from the first sample.
    """

    start_seconds: float
    stop_seconds: float
    area: Area


@dataclass(frozen=True)
class SceneScore:
    """Means over the cells of time of one scene in which something on screen sounds; shares in [0, 1]."""

    kind: str
    scene: int
    row: str
    pointing: float
    success_half: float
    auc_half: float
    success_top: float
    auc_top: float
    evidence: float
    """Share of the cells of time in which anything in the map is positive."""
    cells: int


def score(kind: str, scene: int, row: str, heat_map: HeatMap, boxes: Sequence[SoundingBox]) -> SceneScore | None:
    """Compare a map with the boxes; None where no cell of time has a sounding box."""
    found = []
    for cell, values in enumerate(heat_map.values):
        start = float(heat_map.start_seconds + cell * heat_map.step_seconds)
        stop = start + float(heat_map.step_seconds)
        truth = box_mask(box for box in boxes if box.start_seconds < stop and start < box.stop_seconds)
        if truth.any():
            level = on_raster(values, heat_map.area)
            overlaps = [iou(mask, truth) for mask in (above_half(level), top_half(level))]
            areas = (figure for overlap in overlaps for figure in (overlap >= 0.5, auc(overlap)))
            found.append((pointing(level, truth), *areas, level.max() > 0))
    if not found:
        return None
    points, half, auc_half, top, auc_top, evidence = (float(mean) for mean in np.mean(found, axis=0))
    return SceneScore(kind, scene, row, points, half, auc_half, top, auc_top, evidence, cells=len(found))


def box_mask(boxes: Iterable[SoundingBox]) -> Bool:
    """The union of boxes on the raster: the pixels whose centre lies in one of them."""
    mask = np.zeros(RASTER, bool)
    y, x = ((np.arange(n) + 0.5) / n for n in RASTER)
    for box in boxes:
        left, top, width, height = box.area
        mask |= ((y >= top) & (y < top + height))[:, None] & ((x >= left) & (x < left + width))[None, :]
    return mask


def on_raster(values: Float32, area: Area) -> Float32:
    """[h, w] over an area of the picture -> the raster: linear between the centres of the cells, 0 outside the area."""
    (rows, row_inside), (columns, column_inside) = (
        _weights(pixels, cells, start, length)
        for pixels, cells, start, length in zip(RASTER, values.shape, (area[1], area[0]), (area[3], area[2]), strict=True)
    )
    stretched: Float32 = np.where(row_inside[:, None] & column_inside[None, :], rows @ values @ columns.T, np.float32(0))
    return stretched


def _weights(pixels: int, cells: int, start: float, length: float) -> tuple[Float32, Bool]:
    """[pixels, cells] weights along an axis, and which pixels lie in the area."""
    place = ((np.arange(pixels) + 0.5) / pixels - start) / length
    distance = np.abs(np.clip(place * cells - 0.5, 0, cells - 1)[:, None] - np.arange(cells)[None, :])
    return np.maximum(0, 1 - distance).astype(np.float32), (place >= 0) & (place < 1)


def pointing(level: Float32, truth: Bool) -> float:
    """Share of the highest places that lie in the truth."""
    return float(truth[level >= level.max() - _EQUAL].mean())


def above_half(level: Float32) -> Bool:
    """What is above half of the highest value; nothing where no value is positive."""
    mask: Bool = (level > 0.5 * level.max()) & (level > 0)
    return mask


def top_half(level: Float32) -> Bool:
    """What is above the median; everything where the map is flat."""
    mask: Bool = level > np.median(level) if level.max() - level.min() > _EQUAL else np.ones(RASTER, bool)
    return mask


def iou(mask: Bool, truth: Bool) -> float:
    """Intersection over union of two masks, one of which is not empty."""
    return float((mask & truth).sum() / (mask | truth).sum())


def auc(overlap: float) -> float:
    """What one image adds to the area under the success rate over thresholds of IoU."""
    reached = (overlap >= _THRESHOLDS).astype(float)
    return float(np.trapezoid(reached, _THRESHOLDS))
