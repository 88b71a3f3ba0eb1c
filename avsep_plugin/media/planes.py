"""Draws on decoded pictures where they are: in the planes of YUV 4:2:0, without a way through RGB.

    patch (small RGBA) --stretched--> Y U V A planes        picture + alpha * (patch - picture), plane by plane

Only the rows under a patch are touched. Blending in YUV is blending in RGB, because the one is a linear function of the other; the
picture under the patch keeps its own matrix, primaries and transfer, and the patch takes them on.
"""

from typing import Protocol

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter

from avsep_plugin.clip import UInt8

_ROWS_AT_ONCE = 32
"""Rows blended in one step: small enough for the intermediate values to stay in the cache."""
_WHITE: dict[int, float] = {ColorTrc.SMPTE2084: 0.58, ColorTrc.ARIB_STD_B67: 0.75}
"""Signal level of an ordinary white in HDR (203 cd/m2, ITU-R BT.2408); anything drawn brighter would dazzle."""
_HD_ROWS = 720
"""Pictures that do not say their matrix are taken by players for BT.709 from this height on, for BT.601 below."""


Picture = av.VideoFrame
"""A decoded picture; in this module one in YUV 4:2:0 with 8 bits, where nothing else is said."""


class Patch(Protocol):
    """What is laid on; see `draw.paint.Patch`."""

    @property
    def rgba(self) -> UInt8:
        """[rows, columns, 4], straight alpha."""

    @property
    def left(self) -> int:
        """In pixels, even."""

    @property
    def top(self) -> int:
        """In pixels, even."""

    @property
    def scale(self) -> int:
        """Pixels per field in each direction."""


def plane(frame: av.VideoFrame, index: int) -> npt.NDArray[np.uint8]:
    """A plane of 8 bits as [rows, columns], writable."""
    part = frame.planes[index]
    return np.frombuffer(part, np.uint8).reshape(-1, part.line_size)[: part.height, : part.width]  # type: ignore[call-overload,no-any-return]


def plane16(frame: av.VideoFrame, index: int) -> npt.NDArray[np.uint16]:
    """A plane of 16 bits as [rows, columns], writable."""
    part = frame.planes[index]
    whole = np.frombuffer(part, np.uint16).reshape(-1, part.line_size // 2)  # type: ignore[call-overload]
    return whole[: part.height, : part.width]  # type: ignore[no-any-return]


def packed(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """An RGBA picture as [rows, columns, 4], writable."""
    part = frame.planes[0]
    whole = np.frombuffer(part, np.uint8).reshape(-1, part.line_size)  # type: ignore[call-overload]
    return whole[: frame.height, : 4 * frame.width].reshape(frame.height, frame.width, 4)  # type: ignore[no-any-return]


def matrix(frame: av.VideoFrame) -> Colorspace:
    """The one with which the picture's YUV is to be read; numbered as in ITU-T H.273, where 5 and 6 are the same one."""
    if frame.colorspace in (1, 4, 5, 7, 9):
        return Colorspace(frame.colorspace)
    says_nothing = frame.colorspace in (0, 2)
    return Colorspace.ITU709 if says_nothing and frame.height >= _HD_ROWS else Colorspace.ITU601


def copy_tags(source: av.VideoFrame, target: av.VideoFrame) -> av.VideoFrame:
    """Give a picture the time and the colours of another one."""
    if source.time_base is not None:
        target.pts, target.time_base = source.pts, source.time_base
    target.colorspace, target.color_range = source.colorspace, source.color_range
    target.color_primaries, target.color_trc = source.color_primaries, source.color_trc
    return target


def hd_tags(frame: av.VideoFrame) -> av.VideoFrame:
    """Say that a picture is BT.709, as video has it."""
    frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
    frame.color_primaries, frame.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return frame


class Stretcher:
    """Stretches patches to their pixels, each stretcher to one format; it keeps its tables from patch to patch of one size."""

    def __init__(self, pixel_format: str) -> None:
        self._format = pixel_format
        self._scaler = VideoReformatter()

    def __call__(self, patch: Patch, colorspace: Colorspace = Colorspace.ITU709, white: float = 1.0) -> av.VideoFrame:
        """The patch at its full size, as YUV with the given matrix or as RGBA. white: what its full white becomes."""
        rgba = patch.rgba
        if white < 1:
            rgba = np.concatenate([np.round(rgba[..., :3] * np.float32(white)).astype(np.uint8), rgba[..., 3:]], axis=2)
        small = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgba), "rgba")
        rows, columns = rgba.shape[:2]
        # Lanczos or cubic curves would swing below nothing at the edge of a colour.
        return self._scaler.reformat(
            small, columns * patch.scale, rows * patch.scale, self._format, dst_colorspace=colorspace, dst_color_range=ColorRange.MPEG,
            interpolation="BILINEAR", threads=1,
        )  # fmt: skip


class Layer:
    """Lays patches on pictures of YUV 4:2:0 with 8 bits."""

    def __init__(self) -> None:
        self._stretch = Stretcher("yuva420p")
        self._last: tuple[Patch, int, av.VideoFrame] | None = None

    def lay(self, patch: Patch, frame: av.VideoFrame, right: int = 0) -> None:
        """Draw a patch onto a picture, moved to the right by so many pixels (even); what of it lies outside the picture is left out.

        The same patch again is not stretched again.
        """
        colorspace = matrix(frame)
        if self._last is None or self._last[0] is not patch or self._last[1] != colorspace:
            self._last = patch, colorspace, self._stretch(patch, colorspace, _WHITE.get(frame.color_trc, 1.0))
        drawn = self._last[2]
        alpha = plane(drawn, 3)
        left = patch.left + right
        blend(plane(frame, 0), plane(drawn, 0), alpha, left, patch.top)
        for index in (1, 2):
            blend(plane(frame, index), plane(drawn, index), alpha[::2, ::2], left // 2, patch.top // 2)


def blend(target: UInt8, colour: UInt8, alpha: UInt8, left: int, top: int) -> None:
    """target += alpha * (colour - target) in place, where the colour lies on it from (left, top) on; alpha in 0..255."""
    part = target[top : top + colour.shape[0], left : left + colour.shape[1]]
    rows, columns = part.shape
    for start in range(0, rows, _ROWS_AT_ONCE):
        stop = min(start + _ROWS_AT_ONCE, rows)
        share = alpha[start:stop, :columns]
        if not share.any():
            continue
        # In 16 bits with sign: a difference of up to 255 times a share of up to 128 fits.
        step = colour[start:stop, :columns].astype(np.int16)
        step -= part[start:stop]
        step *= (share.astype(np.int16) + 1) >> 1
        step += 64
        step >>= 7
        step += part[start:stop]
        part[start:stop] = step


class Shrinker:
    """Brings pictures, YUV 4:2:0, to a smaller size, width x height pixels, both even."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A smaller picture, or the same one where it has that size: not to be drawn on."""
        if (frame.width, frame.height) == (self.width, self.height):
            return frame
        return copy_tags(frame, self._scaler.reformat(frame, self.width, self.height, interpolation="AREA", threads=1))


def doubled(frame: av.VideoFrame) -> av.VideoFrame:
    """A picture, YUV 4:2:0, twice side by side, to be drawn on."""
    both = av.VideoFrame(2 * frame.width, frame.height, "yuv420p")
    for index in range(3):
        part, target = plane(frame, index), plane(both, index)
        target[:, : part.shape[1]] = target[:, part.shape[1] :] = part
    return copy_tags(frame, both)


def copied(frame: av.VideoFrame) -> av.VideoFrame:
    """The same picture, YUV 4:2:0, to be drawn on."""
    other = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for index in range(3):
        plane(other, index)[...] = plane(frame, index)
    return copy_tags(frame, other)


def blackened(frame: av.VideoFrame) -> av.VideoFrame:
    """A black picture with the size, time and colours of another one."""
    other = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for index, value in enumerate((16, 128, 128)):
        plane(other, index)[...] = value
    return copy_tags(frame, other)
