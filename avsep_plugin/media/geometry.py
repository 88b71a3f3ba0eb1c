"""How a coded picture becomes the displayed one, and how the displayed one is fitted into the network's square.

A display matrix maps coded (x, y), y pointing down, to displayed (x', y') = (a x + c y, b x + d y). Footage uses the eight ways to lay
a picture on a table: swap the axes or not, then mirror x' or not, y' or not. A phone held upright stores a=0 b=1 c=-1 d=0, a quarter
turn clockwise.
"""

import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np

from avsep_plugin.clip import UInt8
from avsep_plugin.config import PictureConfig

GREY = 128
_LONGEST_SHAPE = 4
"""Long side over short side, at most, of a picture that is looked at whole: bounds the work and the memory."""


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a coded picture down: swap the axes, then mirror."""

    swap: bool = False
    mirror_x: bool = False
    mirror_y: bool = False
    rotation_degrees: int = 0
    """Clockwise, a multiple of 90."""

    @classmethod
    def of(cls, frame: av.VideoFrame) -> "Orientation":
        """The frame's display matrix, rounded to the nearest quarter turn."""
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls()
        a, b, _, c, d = struct.unpack("=5i", bytes(matrix)[:20])
        degrees = round(math.degrees(math.atan2(b, a)) / 90) * 90 % 360
        if abs(b) > abs(a):
            return cls(True, c < 0, b < 0, degrees)
        return cls(False, a < 0, d < 0, degrees)

    def apply(self, picture: UInt8) -> UInt8:
        """[H, W, 3] as coded -> the same as displayed (a view)."""
        turned = picture.transpose(1, 0, 2) if self.swap else picture
        return turned[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]


def display_size(width: int, height: int, aspect: Fraction | None, swap: bool) -> tuple[int, int]:
    """Displayed (width, height) in square pixels; the sample aspect ratio stretches the coded width."""
    stretched = max(1, round(width * aspect)) if aspect else width
    return (height, stretched) if swap else (stretched, height)


def fitted_size(width: int, height: int, picture: PictureConfig) -> tuple[int, int]:
    """(width, height) to which a displayed picture is scaled before it is laid, centred, on the fitted square."""
    size = picture.square_size
    if picture.fit == "squash":
        return size, size
    side = max(width, height) if picture.fit == "letterbox" else min(width, height)
    return max(1, round(Fraction(width * size, side))), max(1, round(Fraction(height * size, side)))


def whole_size(width: int, height: int, picture: PictureConfig, cell_pixels: int) -> tuple[int, int]:
    """(width, height) of the whole displayed picture as large as its fitted square is seen, in whole cells of so many pixels.

    A strip of extreme shape is squeezed to `_LONGEST_SHAPE`.
    """
    most = round(_LONGEST_SHAPE * picture.square_size)
    wide, high = (max(1, round(min(side, most) / cell_pixels)) * cell_pixels for side in fitted_size(width, height, picture))
    return wide, high


def kept_part(fitted: UInt8, picture: PictureConfig) -> UInt8:
    """The part of the fitted square that is kept, [S, S, 3] with S = stored_size, from a scaled [h, w, 3] picture."""
    left, top = picture.corner
    square = on_square(fitted, picture.square_size)
    return square[top : top + picture.stored_size, left : left + picture.stored_size]


def on_square(picture: UInt8, size: int) -> UInt8:
    """Lay a [h, w, 3] picture centred on a grey [size, size, 3] square: what is missing stays grey, what sticks out is cut."""
    height, width = picture.shape[:2]
    if (height, width) == (size, size):
        return picture
    square = np.full((size, size, 3), GREY, np.uint8)
    (top, y, rows), (left, x, columns) = _overlap(height, size), _overlap(width, size)
    square[top : top + rows, left : left + columns] = picture[y : y + rows, x : x + columns]
    return square


def _overlap(length: int, size: int) -> tuple[int, int, int]:
    """Start on the square, start in the picture, and common length along one axis when both are centred."""
    return max(0, (size - length) // 2), max(0, (length - size) // 2), min(length, size)


def covered_area(width: int, height: int, picture: PictureConfig) -> tuple[float, float, float, float]:
    """(left, top, width, height) of the displayed picture that the centre crop of the stored square covers, as fractions of it.

    With letterbox bars the crop reaches beyond the picture: left or top is then negative, width or height above 1.
    """
    offset = (picture.stored_size - picture.crop_size) // 2

    def along(length: int, corner: int) -> tuple[float, float]:
        on_fitted, in_picture, _ = _overlap(length, picture.square_size)
        return (corner + offset - on_fitted + in_picture) / length, picture.crop_size / length

    fitted_width, fitted_height = fitted_size(width, height, picture)
    (left, relative_width), (top, relative_height) = along(fitted_width, picture.corner[0]), along(fitted_height, picture.corner[1])
    return left, top, relative_width, relative_height
