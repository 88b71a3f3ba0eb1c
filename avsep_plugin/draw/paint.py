"""Levels -> patches of colour: small pictures with straight alpha, which are stretched and laid over the picture (`media.planes`)."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from avsep_plugin.draw.colours import colour_table
from avsep_plugin.draw.grid import Area, Canvas, fitting_scale
from avsep_plugin.draw.overlay import MAX_OPACITY, rising

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

CONTOUR_LEVELS = (0.02, 0.35, 0.7)
"""Where the lines run: around all that has any colour, and twice inside of it."""
_LINE_SHARE = 1 / 240
"""Width of a line, in short sides of the picture."""
_ROWS_AT_ONCE = 8
"""Patches begin and end at multiples of so many fields, so that few sizes occur: what stretches them keeps its tables for a size."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of the picture that is drawn on.

    rgba: [rows, columns, 4] uint8, straight alpha. Every field of it stands for scale x scale pixels, from the pixel (left, top) on.
    """

    rgba: UInt8
    left: int = 0
    top: int = 0
    scale: int = 1


class Painter:
    """Paints the levels of one map over a picture of width x height pixels.

    cells: (h, w) of the map, which covers `area` of the picture. opacity: of the strongest evidence, in (0, 1].
    """

    def __init__(self, width: int, height: int, cells: tuple[int, int], area: Area, opacity: float = MAX_OPACITY) -> None:
        self._canvas = Canvas(width, height, cells, area, fitting_scale(width, height))
        self._fine = Canvas(width, height, cells, area, 1)
        self._short_side = min(width, height)
        self.opacity = opacity

    def heat(self, levels: Float32, opacity: float | None = None) -> Patch | None:
        """Colour that is the more opaque the stronger the evidence is; None where there is none. opacity: instead of the painter's."""
        canvas = self._canvas.spread(levels)
        entries = (np.clip(canvas, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
        rows = np.flatnonzero(entries.any(axis=1))
        if not rows.size:
            return None
        # One empty field more on each side, into which the colour fades.
        start = max(0, int(rows[0]) - 1) // _ROWS_AT_ONCE * _ROWS_AT_ONCE
        stop = -(-(int(rows[-1]) + 2) // _ROWS_AT_ONCE) * _ROWS_AT_ONCE
        table = _heat_table(self.opacity if opacity is None else opacity)
        return Patch(table[entries[start:stop]], 0, start * self._canvas.scale, self._canvas.scale)

    def contours(self, levels: Float32) -> Patch | None:
        """Lines of equal evidence in their colours, with a dark seam that keeps them visible on any picture."""
        level = self._fine.spread(levels, outside=-1.0)
        rows = np.flatnonzero((level > 0).any(axis=1))
        if not rows.size:
            return None
        start, stop = max(0, int(rows[0]) // 2 * 2 - 2), int(rows[-1]) + 2
        level = level[start:stop]
        steepness = np.maximum(np.hypot(*np.gradient(level)), 1e-4)
        rgba = np.zeros((*level.shape, 4), np.uint8)
        half = max(1.0, self._short_side * _LINE_SHARE) / 2
        for at in CONTOUR_LEVELS:
            distance = np.abs(level - np.float32(at)) / steepness  # in pixels, to first order
            seam, line = np.clip(2 * half + 0.5 - distance, 0, 1), np.clip(half + 0.5 - distance, 0, 1)
            colour = 255 * line[..., None] * colour_table("lagoon")[round(255 * max(at, 0.35))]
            alpha = np.maximum(0.55 * seam, line)
            stronger = alpha * 255 > rgba[..., 3]
            shade = colour / np.maximum(alpha, 1e-6)[..., None]
            rgba[stronger, :3], rgba[stronger, 3] = np.clip(shade[stronger], 0, 255), 255 * alpha[stronger]
        return Patch(rgba, 0, start, 1)


@cache
def _heat_table(opacity: float) -> UInt8:
    """[256, 4] RGBA per level. Where nothing is drawn the weakest colour stands, so that no fringe of another one can come up."""
    level = np.linspace(0.0, 1.0, 256)
    return np.round(255 * np.column_stack([colour_table("lagoon"), opacity * rising(level)])).astype(np.uint8)
