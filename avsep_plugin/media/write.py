"""Writes the sound files of `stems`, and overlay videos."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.container
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter

from avsep_plugin.atomic import atomic
from avsep_plugin.clip import UInt8
from avsep_plugin.media.mux import add_sound
from avsep_plugin.media.source import file_address
from avsep_plugin.media.stems import LAYOUTS, BitDepth, FileFormat, SoundWriter, StemWriter, quantize_pair, writing

__all__ = ["LAYOUTS", "BitDepth", "FileFormat", "OverlayWriter", "SoundWriter", "StemWriter", "quantize_pair"]

_SPEED = "superfast"
"""x264's preset for overlays: half the time of `veryfast` and a decibel closer to the picture at the same quality, for twice the size."""
_CLOCK_HZ = 90_000
"""Ticks of the overlay's timestamps: fine enough for any camera, the same everywhere."""


class OverlayWriter:
    """Encodes pictures with timestamps of their own as H.264 (yuv420p) in MP4, together with the sound of a source.

    width, height: of the pictures, in pixels; an odd size is padded by one row or column that repeats the edge.
    source: the media file whose first sound track is added, on the same clock as the times given to `write` (copied where MP4 takes
    its codec, else AAC); None for a silent overlay. The file appears when the `with` block ends well. Raises OutputError.
    """

    def __init__(self, path: Path, width: int, height: int, source: Path | None = None, quality: int = 20) -> None:
        self.path, self.width, self.height, self.source = Path(path), width, height, source
        self.warnings: list[str] = []
        self._quality = quality
        self._last_tick = -1
        self._scaler = VideoReformatter()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            final = stack.enter_context(atomic(self.path))
            self._final, self._silent = final, final
            if self.source is not None:
                self._silent = final.with_name(final.name.replace(".part", ".picture", 1))
                stack.callback(self._silent.unlink, missing_ok=True)
            with writing(self.path):
                self._container = stack.enter_context(av.open(file_address(self._silent), "w", format="mp4"))
                self._stream = self._video_stream()
            self._stack = stack.pop_all()
        return self

    def _video_stream(self) -> av.VideoStream:
        stream: av.VideoStream = self._container.add_stream("libx264", options={"crf": str(self._quality), "preset": _SPEED})
        stream.width, stream.height = self.width + self.width % 2, self.height + self.height % 2
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, _CLOCK_HZ)
        context = stream.codec_context
        context.time_base = Fraction(1, _CLOCK_HZ)
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return stream

    def write(self, time_seconds: Fraction, picture: UInt8) -> None:
        """Append a picture, [height, width, 3] uint8 RGB, shown from `time_seconds` on (the source's clock); times must not run back."""
        if picture.shape != (self.height, self.width, 3) or picture.dtype != np.uint8:
            raise ValueError(f"pictures must be [{self.height}, {self.width}, 3] uint8, not {picture.shape} {picture.dtype}")
        if self.height % 2 or self.width % 2:
            picture = np.pad(picture, ((0, self.height % 2), (0, self.width % 2), (0, 0)), "edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
        frame = self._scaler.reformat(frame, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, threads=1)
        self._last_tick = max(round(time_seconds * _CLOCK_HZ), self._last_tick + 1)
        frame.pts, frame.time_base = self._last_tick, Fraction(1, _CLOCK_HZ)
        with writing(self.path):
            self._container.mux(self._stream.encode(frame))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._stack:
            if kind is None:
                self._finish()
            else:
                self._stack.__exit__(kind, error, trace)

    def _finish(self) -> None:
        with writing(self.path):
            self._container.mux(self._stream.encode(None))
            self._container.close()
        if self.source is not None:
            self.warnings += add_sound(self._silent, self.source, self._final, self.path)
