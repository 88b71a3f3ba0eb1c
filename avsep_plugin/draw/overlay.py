"""The default overlay for editors: colour where the sound comes from, the plain picture everywhere else.

Unlike the original's drawing it puts cells where the network looked (the map may cover only a part of the picture), keeps
their centres, uses a colour-blind-safe scale and lets the picture through where there is no evidence.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from avsep_plugin.draw.colours import colour_table

UInt8 = npt.NDArray[np.uint8]
UInt16 = npt.NDArray[np.uint16]
Float32 = npt.NDArray[np.float32]

WHOLE_PICTURE = (0.0, 0.0, 1.0, 1.0)
_MAX_OPACITY = 0.65
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
    rows, row_weights = _cell_weights(frame.shape[0], values.shape[0], top, height)
    columns, column_weights = _cell_weights(frame.shape[1], values.shape[1], left, width)
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


def _cell_weights(pixels: int, cells: int, start: float, length: float) -> tuple[slice, Float32]:
    """The pixels of one axis inside the area, and their [pixels, cells] weights of interpolation between two cell centres.

    Pixel i has its centre at (i + 1/2) / pixels of the picture, cell j at start + (j + 1/2) / cells * length; what lies
    outside the outermost centres takes the outermost cell. Between centres the weights follow a raised cosine,
    (1 + cos(pi d)) / 2 at distance d: they add up to 1 like the linear ones, without their star-shaped creases.
    """
    centre = (np.arange(pixels) + 0.5) / pixels
    inside = np.flatnonzero((centre >= start) & (centre < start + length))
    if inside.size == 0:
        return slice(0, 0), np.zeros((0, cells), np.float32)
    position = np.clip((centre[inside] - start) / length * cells - 0.5, 0.0, cells - 1.0)
    distance = np.minimum(1.0, np.abs(position[:, None] - np.arange(cells)[None, :]))
    weights = (0.5 + 0.5 * np.cos(np.pi * distance)).astype(np.float32)
    return slice(int(inside[0]), int(inside[-1]) + 1), weights


@cache
def _blend_tables(colours: str) -> tuple[UInt16, UInt16]:
    """Per level 0..255: the picture's share [256, 3] and the colour times its own share [256, 3], in 1/256 of a grey level.

    The opacity rises smoothly from nothing, so that a faint value leaves no visible edge.
    """
    level = np.linspace(0.0, 1.0, 256)
    opacity = _MAX_OPACITY * level * level * (3.0 - 2.0 * level)
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
