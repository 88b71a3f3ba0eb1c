"""The part of the displayed picture that a model is shown: everything else is cut away or grey before the picture is fitted.

    left | right                  a half of the picture
    x,y,w,h                       a box: corner, width and height in shares of the displayed picture, from its top left corner;
                                  0.5 and 50% are the same
    mask.png                      a picture laid over the displayed one, whatever its size: what is white is seen

    displayed picture     mask            what is fitted as if it were the picture
    +-----------+         .........
    |  A     B  |    +    .###.....   ->  |A|      the box around the white part, grey where the mask is black
    +-----------+         ..##.....

Shares, not pixels: proxies and originals of any size take the same words. Displayed means after the rotation.

Most footage keeps one colour sample for a block of two by two pixels, so a block counts as seen only if it lies in the region whole:
a pixel outside never changes what is seen.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from avsep_plugin.clip import UInt8
from avsep_plugin.errors import AvsepError, ConfigError
from avsep_plugin.media.geometry import GREY
from avsep_plugin.media.source import open_media, reading, video_stream

Box = tuple[Fraction, Fraction, Fraction, Fraction]
"""(left, top, width, height) in shares of the displayed picture."""
Bool = npt.NDArray[np.bool_]

_HALF = Fraction(1, 2)
_NAMED: dict[str, Box] = {
    "left": (Fraction(0), Fraction(0), _HALF, Fraction(1)),
    "right": (_HALF, Fraction(0), _HALF, Fraction(1)),
}
_NUMBER = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*")
_BLOCK = 2
"""Pixels in a row and in a column that may share a colour sample."""


@dataclass(frozen=True, eq=False)
class Region:
    """A box of the displayed picture, or the white part of a mask over it."""

    box: Box
    mask: Bool | None = None
    """[h, w] over the whole displayed picture; True is seen."""

    @classmethod
    def parse(cls, text: str) -> "Region":
        """The region that some words mean. Raises ConfigError where they mean none, or the mask cannot be read or is all black."""
        if text in _NAMED:
            return cls(_NAMED[text])
        numbers = [_NUMBER.fullmatch(word) for word in text.split(",")]
        if len(numbers) == 4 and all(numbers):
            return cls(_box(text, [Fraction(n[1]) / (100 if n[2] else 1) for n in numbers if n]))
        if "," in text or not Path(text).suffix:
            raise ConfigError(f"'{text}' is no region: give left, right, x,y,w,h or a picture that is white where the model may look.")
        mask = _read_mask(Path(text))
        if not mask.any():
            raise ConfigError(f"{text} has no white in it: the model would see nothing.")
        return cls(_bounds(mask), mask)

    def cut(self, picture: UInt8) -> UInt8:
        """[H, W, c] as displayed -> the box [h, w, c] of it, grey outside the mask. Raises ConfigError where no pixel is left."""
        height, width = picture.shape[:2]
        rows, columns, seen = self.place(height, width)
        cut = picture[rows, columns]
        return cut if seen is None else np.where(seen[..., None], cut, np.uint8(GREY))

    def place(self, height: int, width: int) -> tuple[slice, slice, Bool | None]:
        """Rows, columns and, for a mask, the seen pixels among them, of a displayed picture of that size."""
        if self.mask is None:
            left, top, wide, high = self.box
            rows, columns, seen = _inside(top, high, height), _inside(left, wide, width), None
        else:
            whole = _whole_blocks(_stretched(self.mask, height, width))
            rows, columns = _extent(whole, 0), _extent(whole, 1)
            seen = whole[rows, columns]
        if rows.stop <= rows.start or columns.stop <= columns.start:
            raise ConfigError(f"The region holds no whole pixels of a picture of {width}x{height}; give a larger one.")
        return rows, columns, seen


def _box(text: str, numbers: list[Fraction]) -> Box:
    left, top, width, height = numbers
    if not (width > 0 and height > 0 and left + width <= 1 and top + height <= 1):
        raise ConfigError(
            f"Region '{text}' does not lie in the picture: x,y,w,h are shares of it, such as 0.5,0,0.5,1 or 50%,0%,50%,100%, "
            "with x + w and y + h at most 1."
        )
    return left, top, width, height


def _inside(start: Fraction, length: Fraction, pixels: int) -> slice:
    """The whole blocks of an axis that lie in a part of it; a last, incomplete block counts at the picture's edge."""
    first = -(-start * pixels // _BLOCK) * _BLOCK
    end = (start + length) * pixels
    return slice(int(first), pixels if end == pixels else int(end // _BLOCK * _BLOCK))


def _read_mask(path: Path) -> Bool:
    """[h, w] of a picture file: True where it is lighter than a middle grey."""
    try:
        with open_media(path) as container, reading(path):
            stream = video_stream(container)
            frame = next(container.decode(stream), None) if stream is not None else None
    except AvsepError as exc:
        raise ConfigError(f"The region's mask cannot be read: {exc}") from exc
    if frame is None:
        raise ConfigError(f"The region's mask {path} is no picture.")
    levels: Any = frame.reformat(format="gray", dst_color_range="JPEG").to_ndarray()
    mask: Bool = levels >= GREY
    return mask


def _bounds(mask: Bool) -> Box:
    rows, columns = _extent(mask, 0), _extent(mask, 1)
    height, width = mask.shape
    return (
        Fraction(columns.start, width), Fraction(rows.start, height),
        Fraction(columns.stop - columns.start, width), Fraction(rows.stop - rows.start, height),
    )  # fmt: skip


def _extent(seen: Bool, axis: int) -> slice:
    """From the first to the last place along an axis of [h, w] at which anything is seen; empty where nothing is."""
    places = np.flatnonzero(seen.any(axis=1 - axis))
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0)


def _stretched(mask: Bool, height: int, width: int) -> Bool:
    """The mask at another size: each pixel takes the value under its centre."""
    rows, columns = ((2 * np.arange(n) + 1) * m // (2 * n) for n, m in zip((height, width), mask.shape, strict=True))
    return mask[np.ix_(rows, columns)]


def _whole_blocks(seen: Bool) -> Bool:
    """Only the blocks that are seen whole."""
    height, width = seen.shape
    even = np.pad(seen, ((0, height % _BLOCK), (0, width % _BLOCK)), mode="edge")
    blocks = even.reshape(even.shape[0] // _BLOCK, _BLOCK, even.shape[1] // _BLOCK, _BLOCK).all(axis=(1, 3))
    whole: Bool = blocks.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[:height, :width]
    return whole
