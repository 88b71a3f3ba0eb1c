"""Encodes pictures that come with times of their own into a video file."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import av.container

from avsep_plugin.atomic import atomic
from avsep_plugin.errors import OutputError
from avsep_plugin.media.source import file_address
from avsep_plugin.media.stems import writing
from avsep_plugin.media.timecode import standard_rate

_TICKS_PER_SECOND = 90_000
"""At least: fine enough for any camera."""
_ROUNDING_SECONDS = Fraction(3, 2000)
"""How far a container's rounding (to a thousandth in Matroska) may carry a picture off its place."""


class Ticks:
    """The clock of a video of a known rate, in ticks of which a whole number makes a picture: times n / rate stay exact."""

    def __init__(self, rate: Fraction | None) -> None:
        self.rate = standard_rate(rate or Fraction(25))
        self.per_second = self.rate.numerator * -(-_TICKS_PER_SECOND // self.rate.numerator)
        self._first: Fraction | None = None
        self._last = -1

    @property
    def time_base(self) -> Fraction:
        """Of one tick, in seconds."""
        return Fraction(1, self.per_second)

    @property
    def picture(self) -> int:
        """Ticks for which a picture is shown."""
        return int(self.per_second / self.rate)

    def at(self, seconds: Fraction) -> int:
        """The tick of a picture. One that a container's rounding has carried off the grid of the rate goes back to it; pictures at a
        variable rate keep their times. Never goes back, and no two pictures share a tick."""
        if self._first is None:
            self._first = seconds
        places = (seconds - self._first) * self.rate
        if abs(places - round(places)) <= _ROUNDING_SECONDS * self.rate:
            seconds = self._first + round(places) / self.rate
        self._last = max(round(seconds * self.per_second), self._last + 1)
        return self._last


@dataclass(frozen=True)
class FilmFormat:
    """How a video is encoded."""

    muxer: str
    encoder: str
    pixel_format: str
    options: Mapping[str, str]
    container_options: Mapping[str, str]


class FilmWriter:
    """Encodes pictures into a video that appears when the `with` block ends well.

    width, height: of the pictures, as coded. rate: of the source, None where it is not known. aspect: of a pixel. timecode: of the first
    picture; None for none. is_shifted: the first picture is shown at 0 instead of at its time. The colours are those of the first
    picture. called: the file that errors name. Raises OutputError, also where no picture came.
    """

    def __init__(
        self, path: Path, form: FilmFormat, width: int, height: int, rate: Fraction | None,
        aspect: Fraction | None = None, timecode: str | None = None, is_shifted: bool = False, called: Path | None = None,
    ) -> None:  # fmt: skip
        self.path, self.form, self.width, self.height = Path(path), form, width, height
        self._called = called or self.path
        self.ticks = Ticks(rate)
        self._aspect, self._timecode, self._is_shifted = aspect, timecode, is_shifted
        self._origin = Fraction(0)
        self._stream: av.VideoStream | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic(self.path))
            with writing(self._called):
                self._container = stack.enter_context(
                    av.open(file_address(temporary), "w", format=self.form.muxer, options=dict(self.form.container_options))
                )
            self._stack = stack.pop_all()
        return self

    def write(self, time_seconds: Fraction, frame: av.VideoFrame) -> None:
        """Append a picture, shown from `time_seconds` on; its time and kind are changed."""
        with writing(self._called):
            if self._stream is None:
                self._origin = time_seconds if self._is_shifted else Fraction(0)
                self._stream = self._begin(frame)
            frame.pts, frame.time_base, frame.pict_type = self.ticks.at(time_seconds - self._origin), self.ticks.time_base, 0
            frame.duration = self.ticks.picture
            self._mux(self._stream.encode(frame))

    def _begin(self, frame: av.VideoFrame) -> av.VideoStream:
        options = dict(self.form.options)
        stream = cast(av.VideoStream, self._container.add_stream(self.form.encoder, rate=self.ticks.rate, options=options))
        stream.width, stream.height, stream.pix_fmt = self.width, self.height, self.form.pixel_format
        stream.time_base = stream.codec_context.time_base = self.ticks.time_base
        if self._aspect is not None:
            stream.codec_context.sample_aspect_ratio = self._aspect
        context = stream.codec_context
        context.thread_type = "AUTO"  # several pictures at a time, while the next one is drawn; PyAV's default is slices of one picture
        context.colorspace, context.color_range = frame.colorspace, frame.color_range
        context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
        if self._timecode is not None:
            stream.metadata["timecode"] = self._timecode
        return stream

    def _mux(self, packets: "list[av.Packet[av.VideoStream]]") -> None:
        for packet in packets:
            packet.duration = packet.duration or self.ticks.picture
            self._container.mux(packet)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if self._stream is None:
                raise OutputError(f"{self._called} cannot be written: there is no picture.")
            with writing(self._called):
                self._mux(self._stream.encode(None))
                self._container.close()
