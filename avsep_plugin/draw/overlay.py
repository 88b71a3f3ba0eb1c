"""The overlay for editors on a single picture: colour where the sound comes from, the plain picture everywhere else.

Videos are drawn on their planes instead (`paint`, `media.planes`), many times faster; they look the same.

Unlike the original's drawing it puts cells where the network looked (the map may cover only a part of the picture), keeps
their centres, uses a colour-blind-safe scale and lets the picture through where there is no evidence.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from avsep_plugin.draw.colours import colour_table
from avsep_plugin.draw.grid import WHOLE_PICTURE, cell_weights, pixel_centres

UInt8 = npt.NDArray[np.uint8]
UInt16 = npt.NDArray[np.uint16]

MAX_OPACITY = 0.65
_BLOCK_ROWS = 24
"""Rows blended at once: small enough for the intermediate values to stay in the cache."""


def overlay(
    frame: UInt8,
    values: npt.NDArray[np.floating],
    area: tuple[float, float, float, float] = WHOLE_PICTURE,
    colours: str = "lagoon",
) -> UInt8:
    """Lay a heat map over a picture.

    frame: [H, W, 3] uint8. values: [h, w] in [0, 1] (clipped): 0 leaves the picture as it is, 1 is the strongest colour.
    area: (left, top, width, height) of the picture that the cells cover, in shares of it; may reach past its edges.
    colours: a name known to `colour_table`. Returns a new [H, W, 3] uint8; pixels outside the area are untouched.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or values.ndim != 2:
        raise ValueError(f"need a frame [H, W, 3] uint8 and values [h, w], got {frame.shape} {frame.dtype} and {values.shape}")
    left, top, width, height = area
    rows, row_weights = cell_weights(pixel_centres(frame.shape[0]), values.shape[0], top, height)
    columns, column_weights = cell_weights(pixel_centres(frame.shape[1]), values.shape[1], left, width)
    drawn = frame.copy()
    levels = np.clip(values, 0.0, 1.0).astype(np.float32) * np.float32(255.0)
    if levels.any() and rows.stop > rows.start and columns.stop > columns.start:
        stretched = levels @ column_weights.T  # [h, columns]
        scratch = np.empty((2, _BLOCK_ROWS, stretched.shape[1], 3), np.uint16)
        for start in range(rows.start, rows.stop, _BLOCK_ROWS):
            stop = min(start + _BLOCK_ROWS, rows.stop)
            level = (row_weights[start - rows.start : stop - rows.start] @ stretched + np.float32(0.5)).astype(np.uint8)
            if level.any():
                _blend(drawn[start:stop, columns], level, colours, scratch[:, : stop - start])
    return drawn


def rising(level: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """0 to 1 for levels 0 to 1, smooth at both ends, so that a faint value leaves no visible edge."""
    return level * level * (3.0 - 2.0 * level)


@cache
def _blend_tables(colours: str) -> tuple[UInt16, UInt16]:
    """Per level 0..255: the picture's share [256, 3] and the colour times its own share [256, 3], in 1/256 of a grey level."""
    level = np.linspace(0.0, 1.0, 256)
    opacity = MAX_OPACITY * rising(level)
    share = np.round(256.0 * (1.0 - opacity))
    added = np.round(255.0 * colour_table(colours) * (256.0 - share)[:, None])
    return np.repeat(share[:, None], 3, axis=1).astype(np.uint16), added.astype(np.uint16)


def _blend(target: UInt8, level: UInt8, colours: str, scratch: UInt16) -> None:
    """Blend colours into `target` [rows, columns, 3] in place; level: [rows, columns]; scratch: [2, rows, columns, 3]."""
    share, added = _blend_tables(colours)
    mixed, colour = scratch
    entry = level.astype(np.intp)
    # mode="clip" lets NumPy write straight into `out`; no entry is out of range.
    np.take(share, entry, axis=0, out=mixed, mode="clip")
    np.take(added, entry, axis=0, out=colour, mode="clip")
    mixed *= target
    mixed += colour
    mixed >>= 8
    target[...] = mixed
