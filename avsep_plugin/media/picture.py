"""Reads the picture by its timestamps: at a constant rate for the networks, or every picture at display size for overlays."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

from avsep_plugin.clip import UInt8
from avsep_plugin.config import PictureConfig
from avsep_plugin.errors import NoVideoError
from avsep_plugin.media.geometry import Orientation, covered_area, display_size, fitted_size, kept_part, whole_size
from avsep_plugin.media.probe import VideoStream
from avsep_plugin.media.region import Region
from avsep_plugin.media.source import MediaReader, select, video_stream


class Shown(NamedTuple):
    """A decoded picture, or the region of it that is to be seen, on its way to be scaled."""

    frame: av.VideoFrame
    orientation: Orientation
    """What is still to be done to stand it upright."""
    size: tuple[int, int]
    """(width, height) at which it is displayed, in square pixels."""


class Pictures(MediaReader):
    """The displayed pictures of a file in order, each with its time; base of the readers, which take of them what they need."""

    def __init__(self, path: Path | str, region: Region | None = None, tolerate_damage: bool = False) -> None:
        super().__init__(path, tolerate_damage)
        self._region = region
        stream = video_stream(self.container)
        if stream is None:
            self.close()
            raise NoVideoError(f"{path} has no picture.")
        self._stream = stream
        self._scaler, self._converter = VideoReformatter(), VideoReformatter()  # each keeps its tables from picture to picture
        self._laid: tuple[int, Orientation] | None = None
        select(self.container, stream, "AUTO")

    @property
    def _step_seconds(self) -> Fraction:
        """How long a picture is shown, on average."""
        return 1 / (self._stream.average_rate or Fraction(25))

    def _decode(self) -> Iterator[tuple[Fraction, av.VideoFrame]]:
        step = self._step_seconds
        previous: Fraction | None = None
        seen_key = False
        for packet in self.salvage.packets(self.container, self._stream):
            if packet.is_corrupt and seen_key:
                self.salvage.report("a packet of the picture is cut short")
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.error.FFmpegError as exc:
                self.salvage.report_failure(exc, "picture")
                continue
            for frame in frames:
                seen_key |= frame.key_frame
                if frame.is_corrupt and seen_key:
                    self.salvage.report("FFmpeg could not decode a picture whole")
                previous = _frame_time(frame, previous, step, self._stream.time_base)
                yield previous, frame

    def _shown(self, frame: av.VideoFrame) -> Shown:
        """The part of a frame that is to be seen. A region is cut at the coded size, before any scaling could mix pixels over its edge."""
        orientation = self._orientation_of(frame)
        width, height = display_size(frame.width, frame.height, self._stream.sample_aspect_ratio, orientation.swap)
        if self._region is None:
            return Shown(frame, orientation, (width, height))
        coded = self._converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        upright = orientation.apply(coded.astype(np.uint8, copy=False))
        part = np.ascontiguousarray(self._region.cut(upright))
        size = (max(1, round(width * part.shape[1] / upright.shape[1])), max(1, round(height * part.shape[0] / upright.shape[0])))
        return Shown(av.VideoFrame.from_ndarray(part, "rgb24"), Orientation(), size)

    def _orientation_of(self, frame: av.VideoFrame) -> Orientation:
        """How a picture is laid down, read anew where its rotation is another one than before.

        PyAV ties a frame whose side data were looked at into a ring, so that it lives until Python's collector comes round: hundreds of
        decoded pictures at a time. So a mirror that comes or goes while the rotation stays goes unnoticed.
        """
        if self._laid is None or self._laid[0] != frame.rotation:
            self._laid = frame.rotation, Orientation.of(frame)
        return self._laid[1]

    def _rgb(self, frame: av.VideoFrame, width: int, height: int, interpolation: str) -> UInt8:
        """[height, width, 3] of a frame as coded. One thread: the decoder keeps the other cores busy, and small pictures are no work."""
        scaled = self._scaler.reformat(frame, width, height, "rgb24", interpolation=interpolation, threads=1)
        return scaled.to_ndarray().astype(np.uint8, copy=False)


def _frame_time(frame: av.VideoFrame, previous: Fraction | None, step: Fraction, time_base: Fraction | None) -> Fraction:
    """Time of a picture on the file's clock; a missing timestamp is the next step, time never runs back."""
    stamp = frame.pts if frame.pts is not None else frame.dts
    base = frame.time_base or time_base
    if stamp is None or base is None:
        return Fraction(0) if previous is None else previous + step
    time = stamp * base
    return time if previous is None else max(time, previous)


class FrameReader(Pictures):
    """The picture at a constant rate, fitted to a square, or (`cell_pixels`) whole, in cells of so many of the network's pixels.

    origin_seconds: None for the time of the first picture.
    With a region, it is the box around this that is fitted, as if it were the whole picture.
    Frame i is the picture displayed at origin + (i + 1/2) / frame_rate on the file's clock; before the first picture the first one is
    shown, after the last the last. Pictures that are not picked are decoded but never scaled.
    Raises what `open_media` raises, NoVideoError, and (not with tolerate_damage) DamagedMediaError while reading.
    """

    def __init__(
        self, path: Path | str, frame_rate: Fraction, origin_seconds: Fraction | None, picture: PictureConfig, region: Region | None = None,
        tolerate_damage: bool = False, cell_pixels: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(path, region, tolerate_damage)
        self._cell_pixels = cell_pixels
        self._size: tuple[int, int] | None = None
        self.frame_rate, self.picture = Fraction(frame_rate), picture
        self.notes: list[str] = []
        self.last_frame: int | None = None
        """Number of frames until the picture ends; None until that is reached."""
        self._next_frame = 0
        self._pictures = self._decode()
        self._scaled: UInt8 | None = None
        try:
            first = next(self._pictures, None)
            self._upcoming = next(self._pictures, None)
        except BaseException:
            self.close()
            raise
        if first is None:
            self.close()
            raise NoVideoError(f"{path} has no picture that can be decoded.")
        self._time, self._current = first
        self.origin_seconds = self._time if origin_seconds is None else Fraction(origin_seconds)

    @property
    def is_whole(self) -> bool:
        """Whether all of the picture is seen, and not the part that a model's square keeps."""
        return self._cell_pixels is not None

    def read(self, count: int) -> UInt8:
        """The next frames, [count, S, S, 3] RGB with S = picture.stored_size, or [count, H, W, 3] of the whole picture. Never ends."""
        frames = np.empty((count, *self._shown_now().shape), np.uint8)
        for place in range(count):
            self._advance(self.origin_seconds + (self._next_frame + Fraction(1, 2)) / self.frame_rate)
            frames[place] = self._shown_now()
            self._next_frame += 1
        return frames

    def _shown_now(self) -> UInt8:
        """The current picture as the network sees it, scaled only once."""
        if self._scaled is None:
            self._scaled = self._fit(self._current)
        return self._scaled

    def _advance(self, time_seconds: Fraction) -> None:
        """Make `_current` the picture displayed at that time."""
        while self._upcoming is not None and self._upcoming[0] <= time_seconds:
            (self._time, self._current), self._scaled = self._upcoming, None
            self._upcoming = next(self._pictures, None)
        if self._upcoming is None and self.last_frame is None:
            step = 1 / (self._stream.average_rate or self.frame_rate)
            length = (self._time + step - self.origin_seconds) * self.frame_rate
            self.last_frame = max(0, round(length))
            self.notes += [] if self.last_frame else ["The picture ends before the sound begins."]

    def _fit(self, frame: av.VideoFrame) -> UInt8:
        shown = self._shown(frame)
        if self._cell_pixels is None:
            width, height = fitted_size(*shown.size, self.picture)
        else:  # of one size for all, even where the picture's changes on the way
            width, height = self._size = self._size or whole_size(*shown.size, self.picture, self._cell_pixels)
        if shown.orientation.swap:
            width, height = height, width
        upright = shown.orientation.apply(self._rgb(shown.frame, width, height, "AREA"))
        return upright if self._cell_pixels else kept_part(upright, self.picture)


class PictureReader(Pictures):
    """Iterates over (time in seconds on the file's clock, [H, W, 3] uint8 RGB) of every displayed picture at display size."""

    def __iter__(self) -> Iterator[tuple[Fraction, UInt8]]:
        for time_seconds, frame in self._decode():
            shown = self._shown(frame)
            width, height = shown.size
            if shown.orientation.swap:
                width, height = height, width
            yield time_seconds, shown.orientation.apply(self._rgb(shown.frame, width, height, "BICUBIC"))


def centre_crop(frames: UInt8, picture: PictureConfig) -> UInt8:
    """[N, S, S, 3] -> [N, c, c, 3], c = picture.crop_size, the centre of each stored square (a view)."""
    start = (picture.stored_size - picture.crop_size) // 2
    stop = start + picture.crop_size
    return frames[:, start:stop, start:stop]


def picture_area(info: VideoStream, picture: PictureConfig) -> tuple[float, float, float, float]:
    """(left, top, width, height) of the displayed picture, in fractions of it, that the centre crop covers.

    May reach beyond [0, 1] where letterbox bars are inside the crop.
    """
    return covered_area(info.display_width, info.display_height, picture)
