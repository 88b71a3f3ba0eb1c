"""Maps that never listened, to stand beside a localiser's, and the best that a map of its cells could be. All on the cells of `like`."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avsep_plugin.clip import Float32, HeatMap, UInt8

from .localize_score import SoundingBox, box_mask

_SPREAD = 0.25
"""Standard deviation of the centred Gaussian, in shares of the picture's sides."""


def centre_gaussian(like: HeatMap) -> HeatMap:
    """A hill in the middle of the picture: footage is framed around its subject."""
    _, rows, columns = like.values.shape
    y, x = (((np.arange(n) + 0.5) / n - 0.5) / _SPREAD for n in (rows, columns))
    hill = np.exp(-0.5 * (y[:, None] ** 2 + x[None, :] ** 2)).astype(np.float32)
    return _whole(like, np.broadcast_to(hill, like.values.shape))


def whole_image(like: HeatMap) -> HeatMap:
    """The same everywhere."""
    return _whole(like, np.ones_like(like.values))


def motion_energy(like: HeatMap, frames: UInt8, frame_rate: float) -> HeatMap:
    """Mean absolute difference of following pictures [N, H, W, 3] within each cell of time and place."""
    grey = frames.mean(axis=3, dtype=np.float32)
    moved = np.abs(np.diff(grey, axis=0, prepend=grey[:1]))
    cells, rows, columns = like.values.shape
    fields = np.stack([_fields(picture, rows, columns) for picture in moved])
    edges = [min(round(float(cell * like.step_seconds) * frame_rate), len(fields) - 1) for cell in range(cells + 1)]
    return _whole(like, np.stack([fields[a : max(b, a + 1)].mean(axis=0) for a, b in itertools.pairwise(edges)]))


def oracle(like: HeatMap, boxes: Sequence[SoundingBox]) -> HeatMap:
    """The share of each cell that the boxes of what sounds cover: the ceiling for a map as coarse as this."""
    _, rows, columns = like.values.shape
    step = float(like.step_seconds)
    masks = [
        box_mask(box for box in boxes if box.start_seconds < (cell + 1) * step and cell * step < box.stop_seconds)
        for cell in range(len(like.values))
    ]
    return _whole(like, np.stack([_fields(mask.astype(np.float32), rows, columns) for mask in masks]))


def _fields(picture: Float32, rows: int, columns: int) -> Float32:
    """[H, W] -> [rows, columns] means."""
    lines = [strip.mean(axis=0) for strip in np.array_split(picture, rows, axis=0)]
    fields: Float32 = np.stack([[part.mean() for part in np.array_split(line, columns)] for line in lines]).astype(np.float32)
    return fields


def _whole(like: HeatMap, values: Float32) -> HeatMap:
    return replace(like, values=np.ascontiguousarray(values, np.float32), area=(0.0, 0.0, 1.0, 1.0))
