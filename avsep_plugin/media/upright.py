"""Reads every displayed picture upright, in the planes in which it is drawn on and encoded again."""

import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from avsep_plugin.errors import NoVideoError
from avsep_plugin.media.geometry import Orientation
from avsep_plugin.media.picture import Pictures
from avsep_plugin.media.planes import copy_tags, hd_tags, plane


class UprightReader(Pictures):
    """Iterates over (time in seconds on the file's clock, picture) of every displayed picture, upright, with the pixels as coded.

    The pictures are YUV 4:2:0 of 8 bits with the colours of the source, of even size (see `Upright`). width, height, aspect: of
    the picture without what makes it even, and the shape of its pixels, None where they are square. with_pixels: False gives the times
    only, and None for the pictures.
    """

    def __init__(self, path: Path | str, tolerate_damage: bool = False, with_pixels: bool = True) -> None:
        super().__init__(path, None, tolerate_damage)
        self._pictures = self._decode()
        try:
            self._first = next(self._pictures, None)
        except BaseException:
            self.close()
            raise
        if self._first is None:
            self.close()
            raise NoVideoError(f"{path} has no picture that can be decoded.")
        frame = self._first[1]
        self._orientation, self._with_pixels = Orientation.of(frame), with_pixels
        swapped = self._orientation.swap
        self.width, self.height = (frame.height, frame.width) if swapped else (frame.width, frame.height)
        aspect = self._stream.sample_aspect_ratio
        self.aspect = None if aspect in (None, 0, 1) else 1 / aspect if swapped else aspect

    def __iter__(self) -> Iterator[tuple[Fraction, av.VideoFrame | None]]:
        upright = Upright(self.width, self.height)
        first, self._first = self._first, None
        for time_seconds, frame in itertools.chain([first] if first else [], self._pictures):
            yield time_seconds, upright(frame, self._orientation) if self._with_pixels else None


class Upright:
    """Turns decoded pictures into upright YUV 4:2:0 pictures of 8 bits and even size (an odd one gets one row or column more, which
    repeats the edge). width, height: at which they come out, before that row or column."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame, orientation: Orientation) -> av.VideoFrame:
        """An upright picture, perhaps the decoder's own: not to be drawn on."""
        size = (self.height, self.width) if orientation.swap else (self.width, self.height)
        flat = self._yuv(frame, *size)
        if orientation == Orientation() and not (self.width % 2 or self.height % 2):
            return flat
        upright = av.VideoFrame(self.width + self.width % 2, self.height + self.height % 2, "yuv420p")
        for index in range(3):
            turned = orientation.apply(plane(flat, index)[..., None])[..., 0]
            target = plane(upright, index)
            rows, columns = min(turned.shape[0], target.shape[0]), min(turned.shape[1], target.shape[1])
            target[:rows, :columns] = turned[:rows, :columns]
            target[rows:, :columns] = target[rows - 1 : rows, :columns]
            target[:, columns:] = target[:, columns - 1 : columns]
        return copy_tags(flat, upright)

    def _yuv(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        if frame.format.name == "yuv420p" and (frame.width, frame.height) == (width, height) and frame.color_range != ColorRange.JPEG:
            return frame
        if not frame.format.is_rgb:
            flat = self._scaler.reformat(frame, width, height, "yuv420p", dst_color_range=ColorRange.MPEG, threads=1)
            copy_tags(frame, flat).color_range = ColorRange.MPEG
            return flat
        hd = Colorspace.ITU709
        flat = self._scaler.reformat(frame, width, height, "yuv420p", dst_colorspace=hd, dst_color_range=ColorRange.MPEG, threads=1)
        return hd_tags(copy_tags(frame, flat))
