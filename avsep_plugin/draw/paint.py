"""Levels -> patches of colour: small pictures with straight alpha, which are stretched and laid over the picture (`media.planes`)."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from avsep_plugin.draw.colours import colour_table
from avsep_plugin.draw.grid import Area, Canvas, fitting_scale

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]

MAX_OPACITY = 0.65
CONTOUR_LEVELS = (0.02, 0.35, 0.7)
"""Where the lines run: around all that has any colour, and twice inside of it."""
_LINE_SHARE = 1 / 240
"""Width of a line, in short sides of the picture."""
_SEAM_OPACITY = 0.55
_LARGE_PIXELS = 720
"""Short side of pictures on which fine things are drawn at half the size, a quarter of the work; at their width that cannot be seen."""
_FIELDS_AT_ONCE = 8
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
        self._fine = Canvas(width, height, cells, area, fine_scale(width, height))
        self._short_side = min(width, height)
        self.opacity = opacity

    def heat(self, levels: Float32, opacity: float | None = None) -> Patch | None:
        """Colour that is the more opaque the stronger the evidence is; None where there is none. opacity: instead of the painter's."""
        canvas = self._canvas.spread(levels)
        entries = (np.clip(canvas, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
        if not entries.any():
            return None
        rows, columns = (_touched(entries.max(axis=axis) > 0) for axis in (1, 0))
        table, scale = _heat_table(self.opacity if opacity is None else opacity), self._canvas.scale
        return Patch(table[entries[rows, columns]], columns.start * scale, rows.start * scale, scale)

    def contours(self, levels: Float32) -> Patch | None:
        """Lines of equal evidence in their colours, with a dark seam that keeps them visible on any picture."""
        drawn, scale, fine = self._canvas.spread(levels, outside=-1.0) > 0, self._canvas.scale, self._fine.scale
        if not drawn.any():
            return None
        rows, columns = (_touched(drawn.max(axis=axis)) for axis in (1, 0))
        fields = (slice(part.start * scale // fine, part.stop * scale // fine) for part in (rows, columns))
        level, steepness, down, right = self._fine.slopes(levels, *fields)
        lines = self._lines(level.ravel(), steepness.ravel()).reshape(*level.shape, 4)
        # A patch lies at even places: at single pixels it gets an empty row or column before it where it has to.
        before = [(part.start * fine % 2, 0) for part in (down, right)]
        return Patch(np.pad(lines, (*before, (0, 0))), right.start * fine // 2 * 2, down.start * fine // 2 * 2, fine)

    def _lines(self, level: Float32, steepness: Float32) -> UInt8:
        """[n, 4] RGBA of the lines on n fields with their levels and the rise of these from field to field."""
        half = max(1.5, self._short_side * _LINE_SHARE / self._fine.scale) / 2
        reach = np.float32(2 * half + 0.5) * steepness
        rgba = np.zeros((level.size, 4), np.uint8)
        for at in CONTOUR_LEVELS:
            place = np.flatnonzero(np.abs(level - np.float32(at)) < reach)
            distance = np.abs(level[place] - np.float32(at)) / steepness[place]  # in fields, to first order
            line = np.clip(half + 0.5 - distance, 0, 1)
            alpha = np.maximum(line, _SEAM_OPACITY * np.clip(2 * half + 0.5 - distance, 0, 1))
            shade = (line / np.maximum(alpha, 1e-6))[:, None] * contour_colour(at)
            pixels = np.round(255 * np.column_stack([shade, alpha])).astype(np.uint8)
            stronger = pixels[:, 3] > rgba[place, 3]
            rgba[place[stronger]] = pixels[stronger]
        return rgba


def rising(level: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """0 to 1 for levels 0 to 1, smooth at both ends, so that a faint value leaves no visible edge."""
    return level * level * (3.0 - 2.0 * level)


def fine_scale(width: int, height: int) -> int:
    """Pixels per field of what is drawn as fine as a picture of that size needs it."""
    return 2 if min(width, height) >= _LARGE_PIXELS else 1


def contour_colour(level: float) -> npt.NDArray[np.float64]:
    """[3] RGB in [0, 1] of the line at a level; none is as dark as the colours begin."""
    colour: npt.NDArray[np.float64] = colour_table("lagoon")[round(255 * max(level, 0.35))]
    return colour


def _touched(drawn: npt.NDArray[np.bool_]) -> slice:
    """The fields of an axis that are drawn on, with one empty field more on each side, into which the colour fades."""
    places = np.flatnonzero(drawn)
    start, stop = max(0, int(places[0]) - 1), int(places[-1]) + 2
    return slice(start // _FIELDS_AT_ONCE * _FIELDS_AT_ONCE, min(-(-stop // _FIELDS_AT_ONCE) * _FIELDS_AT_ONCE, drawn.size))


@cache
def _heat_table(opacity: float) -> UInt8:
    """[256, 4] RGBA per level. Where nothing is drawn the weakest colour stands, so that no fringe of another one can come up."""
    level = np.linspace(0.0, 1.0, 256)
    return np.round(255 * np.column_stack([colour_table("lagoon"), opacity * rising(level)])).astype(np.uint8)
