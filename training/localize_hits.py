"""Geometry of localisation figures: points of a heat map against the boxes of what sounds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from avsep_plugin.clip import Float32, HeatMap

Point = tuple[float, float]
Area = tuple[float, float, float, float]
_RASTER = 64
"""Points across the looked-at area with which the boxes' share of it is measured."""


@dataclass(frozen=True)
class SoundingBox:
    """Where a source is, while it sounds.

    area: (left, top, width, height) in shares of the picture. The time is half-open and counts from the first sample.
    """

    start_seconds: float
    stop_seconds: float
    area: Area

    def holds(self, point: Point) -> bool:
        """Whether (x, y), in shares of the picture, lies in it."""
        left, top, width, height = self.area
        return left <= point[0] < left + width and top <= point[1] < top + height


@dataclass(frozen=True)
class SceneHits:
    """Hit rates over the cells of time of one scene in which something on screen sounds, each in [0, 1], and how many there are."""

    kind: str
    scene: int
    highest: float
    centre_of_mass: float
    chance: float
    centre: float
    cells: int


def highest_cell(values: Float32, area: Area) -> Point | None:
    """Centre of the highest cell of [h, w] evidence in shares of the picture; None where nothing is positive."""
    if values.max() <= 0:
        return None
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return _place(float(row), float(column), values.shape, area)


def centre_of_mass(values: Float32, area: Area) -> Point | None:
    """Mean place of the positive evidence; None where nothing is positive."""
    positive = np.maximum(values, 0).astype(np.float64)
    if positive.sum() <= 0:
        return None
    rows, columns = np.indices(positive.shape)
    total = positive.sum()
    return _place(float((rows * positive).sum() / total), float((columns * positive).sum() / total), values.shape, area)


def _place(row: float, column: float, shape: tuple[int, ...], area: Area) -> Point:
    left, top, width, height = area
    return left + (column + 0.5) / shape[1] * width, top + (row + 0.5) / shape[0] * height


def hits(kind: str, scene: int, heat_map: HeatMap, boxes: Sequence[SoundingBox]) -> SceneHits | None:
    """Compare a heat map with the boxes; None where no cell of time has a sounding box in sight."""
    left, top, width, height = heat_map.area
    middle = (left + width / 2, top + height / 2)
    found: list[tuple[bool, bool, float, bool]] = []
    for cell, values in enumerate(heat_map.values):
        start = float(heat_map.start_seconds + cell * heat_map.step_seconds)
        stop = start + float(heat_map.step_seconds)
        sounding = [box for box in boxes if box.start_seconds < stop and start < box.stop_seconds]
        covered = covered_share(sounding, heat_map.area)
        if covered > 0:
            points = highest_cell(values, heat_map.area), centre_of_mass(values, heat_map.area)
            found.append((_inside(points[0], sounding), _inside(points[1], sounding), covered, _inside(middle, sounding)))
    if not found:
        return None
    high, mass, chance, centre = (float(mean) for mean in np.mean(found, axis=0))
    return SceneHits(kind, scene, high, mass, chance, centre, cells=len(found))


def covered_share(boxes: Iterable[SoundingBox], area: Area) -> float:
    """Share of an area that lies in any of the boxes, on a raster of points."""
    left, top, width, height = area
    steps = (np.arange(_RASTER) + 0.5) / _RASTER
    x, y = left + steps[None, :] * width, top + steps[:, None] * height
    inside = np.zeros((_RASTER, _RASTER), bool)
    for box in boxes:
        box_left, box_top, box_width, box_height = box.area
        inside |= (x >= box_left) & (x < box_left + box_width) & (y >= box_top) & (y < box_top + box_height)
    return float(inside.mean())


def _inside(point: Point | None, boxes: Iterable[SoundingBox]) -> bool:
    return point is not None and any(box.holds(point) for box in boxes)
