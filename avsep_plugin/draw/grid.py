"""Between the cells of a map: weights of interpolation from cell centres to any places of the picture."""

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

Area = tuple[float, float, float, float]
"""(left, top, width, height) of the picture that the cells cover, in shares of it; may reach past its edges."""

_UNDIVIDED = 1 << 18
"""Multiplications up to which a product of matrices is left to one thread."""


def cell_weights(places: Float64, cells: int, start: float, length: float) -> tuple[slice, Float32]:
    """Those of some ascending places along an axis that lie in the area, and their [places, cells] weights.

    places: in shares of the picture. Cell j has its centre at start + (j + 1/2) / cells * length; what lies outside the outermost centres
    takes the outermost cell. Between centres the weights follow a raised cosine, (1 + cos(pi d)) / 2 at distance d: they add up to 1 like
    the linear ones, without their star-shaped creases.
    """
    inside = np.flatnonzero((places >= start) & (places < start + length))
    if inside.size == 0:
        return slice(0, 0), np.zeros((0, cells), np.float32)
    position = np.clip((places[inside] - start) / length * cells - 0.5, 0.0, cells - 1.0)
    distance = np.minimum(1.0, np.abs(position[:, None] - np.arange(cells)[None, :]))
    weights = (0.5 + 0.5 * np.cos(np.pi * distance)).astype(np.float32)
    return slice(int(inside[0]), int(inside[-1]) + 1), weights


def product(left: Float32, right: Float32) -> Float32:
    """left [n, k] @ right [k, m], in blocks of rows.

    Blocks so small are not divided among threads by OpenBLAS: its threads would go on spinning between two pictures, on the cores that
    decode and encode them.
    """
    result = np.empty((left.shape[0], right.shape[1]), np.float32)
    rows = max(1, _UNDIVIDED // max(right.size, 1))
    for start in range(0, left.shape[0], rows):
        np.matmul(left[start : start + rows], right, out=result[start : start + rows])
    return result


class Canvas:
    """A map spread over a coarse grid of the picture, from which it is stretched to its pixels.

    Field (i, j) stands for the pixels from (i * scale, j * scale) on, scale in each direction; the last ones may reach past the edge.
    """

    def __init__(self, width: int, height: int, cells: tuple[int, int], area: Area, scale: int) -> None:
        self.rows, self.columns, self.scale = -(-height // scale), -(-width // scale), scale
        left, top, wide, high = area
        self._inside_rows, self._row_weights = cell_weights((np.arange(self.rows) + 0.5) * scale / height, cells[0], top, high)
        self._inside_columns, self._column_weights = cell_weights((np.arange(self.columns) + 0.5) * scale / width, cells[1], left, wide)
        self._row_slopes, self._column_slopes = _differences(self._row_weights), _differences(self._column_weights)

    def spread(self, levels: Float32, outside: float = 0.0) -> Float32:
        """[h, w] -> [rows, columns], `outside` where there are no cells."""
        canvas = np.full((self.rows, self.columns), np.float32(outside), np.float32)
        canvas[self._inside_rows, self._inside_columns] = product(product(self._row_weights, levels), self._column_weights.T)
        return canvas

    def slopes(self, levels: Float32, rows: slice, columns: slice) -> tuple[Float32, Float32, slice, slice]:
        """The part of the canvas that lies in the area and in some rows and columns: its values, how much they rise from field to field
        (both [n, m]; the rise by central differences), and its rows and columns."""
        (rows, across), (columns, along) = _common(rows, self._inside_rows), _common(columns, self._inside_columns)
        weights = self._row_weights[across], self._column_weights[along].T
        rise = self._row_slopes[across], self._column_slopes[along].T
        stretched, sloping = levels @ weights[1], levels @ rise[1]
        down, right = product(rise[0], stretched), product(weights[0], sloping)
        down *= down
        right *= right
        down += right
        return product(weights[0], stretched), np.sqrt(down, out=down), rows, columns


def _common(one: slice, other: slice) -> tuple[slice, slice]:
    """What two stretches have in common, and where that lies in the other one."""
    start = max(one.start, other.start)
    stop = max(start, min(one.stop, other.stop))
    return slice(start, stop), slice(start - other.start, stop - other.start)


def _differences(weights: Float32) -> Float32:
    """By how much weights [places, cells] change from place to place."""
    changes: Float32 = np.gradient(weights, axis=0) if weights.shape[0] > 1 else np.zeros_like(weights)
    return changes


def fitting_scale(width: int, height: int) -> int:
    """Pixels per field of a Canvas, a power of 2 from 2 to 16: about 60 fields or more along the short side, where it has so many.

    The maps themselves have fewer cells, so that the stretching of the fields in straight lines cannot be seen. Even, because most
    footage keeps one colour sample for two by two pixels.
    """
    scale = 2
    while scale < 16 and min(width, height) >= 2 * scale * 60:
        scale *= 2
    return scale
