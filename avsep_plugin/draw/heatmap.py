"""The original tool's drawing of a class-activation map (Owens & Efros 2018, `sep_video.heatmap`), to one grey level.

Its quirks are kept, because they are what a comparison with the original needs: the map covers the whole picture, cells sit
at the corners of their area (align_corners), time cells start at their frame instead of being centred, and the absolute
value mixes evidence for and against. What editors see by default is drawn by `avsep_plugin.draw.paint`.

`original_heat_map` does the original's arithmetic on RGB pictures, byte by byte. Videos get the same colours at the same places as a
patch for their planes, without a way of every picture through RGB and back, which would take three times as long as all the rest.
"""

from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from avsep_plugin.draw.colours import colour_table
from avsep_plugin.draw.grid import product
from avsep_plugin.draw.paint import Patch

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_MAX_OPACITY = 0.35
_PERCENTILE = 97.0
_LOWEST_SHARE = 0.5
"""Values under this share of the maximum are left uncoloured."""
_NARROWEST_RANGE = 0.001
_ROWS_AT_ONCE = 8
"""Rows blended in one step: few enough for the intermediate values to stay in the cache."""
_PIXELS_AT_ONCE = 64
"""Patches begin and end at multiples of so many pixels, so that few sizes occur: what converts them keeps its tables for a size."""


class OriginalDrawing:
    """The drawing of one map, for pictures that come one by one.

    cam: [T, h, w], signed or not (its absolute value is drawn). adaptive: the top of the colour scale is the 97th percentile of the whole
    map; otherwise it is `max_value`.
    """

    def __init__(self, cam: npt.ArrayLike, adaptive: bool = True, max_value: float = 35.0) -> None:
        self._strength = np.abs(np.asarray(cam, dtype=np.float64))
        if self._strength.ndim != 3:
            raise ValueError(f"need a map [T, h, w], got {self._strength.shape}")
        highest = float(np.percentile(self._strength, _PERCENTILE)) if adaptive else max_value
        self._low, self._high = _LOWEST_SHARE * highest, highest + 0.001

    def draw(self, frame: UInt8, position: float) -> UInt8:
        """Blend the map at a fractional index of its time (the last cell is held) into a frame [H, W, 3]; a copy where the map is flat."""
        if self._high - self._low <= _NARROWEST_RANGE:
            return frame.copy()
        cells = _at_time(self._strength, position)
        value = (resize_aligned(cells, frame.shape[0], frame.shape[1]) - self._low) / (self._high - self._low)
        return _blend(frame, value)

    def patch(self, down: slice, across: slice, position: float, steps: slice | None = None, scale: int = 1) -> Patch | None:
        """What `draw` does to the pixels (down, across) of a picture, as a patch on this picture; None where nothing is drawn.

        down, across: where the map lies; may reach past the picture. steps: those of the map that have a say; None: all.
        scale: pixels per field of the patch (a power of 2). At 1 the result is `draw`'s to about one grey level.
        """
        if self._high - self._low <= _NARROWEST_RANGE:
            return None
        chosen = self._strength[slice(None) if steps is None else steps]
        if not len(chosen):
            return None
        cells = (_at_time(chosen, position - (steps.start if steps else 0)) - self._low) / (self._high - self._low)
        if not (cells > 0).any():
            return None
        places = (np.flatnonzero((cells > 0).any(axis=1 - axis)) for axis in range(2))
        sides = zip(places, cells.shape, (down, across), strict=True)
        (top, row_weights), (left, column_weights) = (_reached(*side, scale) for side in sides)
        # matplotlib's lookup: entry floor(256 * v), the last one for v = 1.
        value = product(row_weights @ (256 * cells).astype(np.float32), column_weights.T)
        entries = np.clip(value, 0.0, 255.0, out=value).astype(np.uint8)
        if not entries.any():  # all that is drawn lies beside the picture
            return None
        rgba = np.take(_patch_table(), entries, mode="clip")  # three times as fast as with a check of the entries
        return Patch(rgba.view(np.uint8).reshape(*entries.shape, 4), left, top, scale)


def original_heat_map(frames: UInt8, cam: npt.ArrayLike, adaptive: bool = True, max_value: float = 35.0) -> UInt8:
    """Blend a class-activation map into all frames of a clip exactly as the original does.

    frames: [N, H, W, 3] uint8. cam: [T, h, w], as in OriginalDrawing, over the same time and picture.
    Returns [N, H, W, 3] uint8; the frames themselves (copied) where the map is flat.
    """
    if frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(f"need frames [N, H, W, 3], got {frames.shape}")
    drawing, steps = OriginalDrawing(cam, adaptive, max_value), np.shape(cam)[0]
    return np.stack([drawing.draw(frame, steps * i / frames.shape[0]) for i, frame in enumerate(frames)]) if len(frames) else frames.copy()


def _at_time(cam: Float64, position: float) -> Float64:
    """The map at a fractional index of time, linear between cells; the first and the last cell are held."""
    position = min(max(position, 0.0), cam.shape[0] - 1.0)
    left = int(position)
    right = min(left + 1, cam.shape[0] - 1)
    share = position - left
    blended: Float64 = cam[left] * (1.0 - share) + cam[right] * share
    return blended


def resize_aligned(values: Float64, height: int, width: int) -> Float64:
    """Bilinear resize [h, w] -> [height, width] in which the corner cells keep their corners (`scipy.ndimage.zoom` of order 1)."""
    return _line_weights(values.shape[0], height) @ values @ _line_weights(values.shape[1], width).T


@lru_cache(maxsize=8)
def _line_weights(cells: int, pixels: int) -> Float64:
    """[pixels, cells] weights of linear interpolation; pixel i lies at cell i * (cells - 1) / (pixels - 1)."""
    position = np.arange(pixels) * ((cells - 1) / max(pixels - 1, 1))
    weights: Float64 = np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(cells)[None, :]))
    return weights


def _reached(places: npt.NDArray[np.intp], cells: int, part: slice, scale: int) -> tuple[int, Float32]:
    """The pixels of an axis that take anything of the cells at some places: the first one, and the weights [fields, cells] of fields of
    `scale` pixels each.

    part: the pixels under the cells. Those before and behind it, which even out the ends, have no weights; none lies before the picture.
    """
    pixels = part.stop - part.start
    per_cell = (pixels - 1) / max(cells - 1, 1)
    begin = int(max(places[0] - 1, 0) * per_cell)
    end = pixels if places[-1] + 1 >= cells - 1 else int((places[-1] + 1) * per_cell) + 1
    first = max(part.start + begin, 0) // _PIXELS_AT_ONCE * _PIXELS_AT_ONCE
    stop = max(-(-(part.start + end) // _PIXELS_AT_ONCE) * _PIXELS_AT_ONCE, first)
    weights = np.zeros((stop - first, cells), np.float32)
    inside = slice(max(part.start, first), min(part.stop, stop))
    weights[inside.start - first : inside.stop - first] = _line_weights(cells, pixels)[inside.start - part.start : inside.stop - part.start]
    return first, weights.reshape(-1, scale, cells).mean(axis=1)


@cache
def _patch_table() -> npt.NDArray[np.uint32]:
    """[256] RGBA of each entry of the colour table, four bytes in one; the opacity is that of the middle of the entry's values."""
    opacity = np.clip((np.arange(256) + 0.5) / 256, 0.0, _MAX_OPACITY)
    rgba: npt.NDArray[np.uint8] = np.round(255 * np.column_stack([colour_table("jet"), opacity])).astype(np.uint8)
    rgba[0, 3] = 0
    return rgba.view(np.uint32)[:, 0]


def _blend(frame: UInt8, value: Float64) -> UInt8:
    """Jet over a frame [H, W, 3], as opaque as the value [H, W] up to 0.35; both clipped to [0, 1]."""
    # Where nothing reaches the lowest value the frame stays; the rest is what takes time.
    rows, columns = (np.flatnonzero((value > 0).any(axis=axis)) for axis in (1, 0))
    blended: UInt8 = frame.copy()
    if not rows.size:
        return blended
    table = 255.0 * colour_table("jet")
    for start in range(int(rows[0]), int(rows[-1]) + 1, _ROWS_AT_ONCE):
        part = slice(start, min(start + _ROWS_AT_ONCE, int(rows[-1]) + 1)), slice(columns[0], columns[-1] + 1)
        # matplotlib's lookup: entry floor(256 * v), the last one for v = 1.
        entry = np.minimum((np.clip(value[part], 0.0, 1.0) * 256).astype(np.intp), 255)
        opacity = np.clip(value[part], 0.0, _MAX_OPACITY)[..., None]
        blended[part] = (frame[part] * (1.0 - opacity) + np.take(table, entry, axis=0) * opacity).astype(np.uint8)
    return blended
