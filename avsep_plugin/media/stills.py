"""Single pictures out of a file, as small JPEGs; the file is sought, not read through."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np

from avsep_plugin.clip import UInt8
from avsep_plugin.errors import AvsepError
from avsep_plugin.media.picture import Pictures

_QUALITY = 6
"""FFmpeg's scale for JPEG: 2 is nearly perfect, 31 is worst."""
_LATER = 300
"""Pictures after a key picture that are decoded at most; a still nearer to it has to do in a file with rarer ones."""


def stills(path: Path, seconds: Sequence[Fraction], height: int, tolerate_damage: bool = False) -> list[bytes]:
    """The pictures displayed at some times after the file's first one, upright, scaled to a height, as JPEG.

    A time at which nothing can be decoded takes the picture found last. Raises what opening a file raises, NoVideoError; not where
    a part of the picture is damaged: there may be fewer pictures then, or none.
    """
    made: list[bytes] = []
    with _Seeker(path, tolerate_damage=tolerate_damage) as seeker:
        for time in seconds:
            picture = seeker.at(time, height)
            if picture is not None:
                made.append(_jpeg(picture))
            elif made:
                made.append(made[-1])
    return made


class _Seeker(Pictures):
    """Finds the picture at a time."""

    def at(self, seconds: Fraction, height: int) -> UInt8 | None:
        stream = self._stream
        base = stream.time_base or Fraction(1, 90_000)
        wanted = seconds + (stream.start_time or 0) * base
        try:
            self.container.seek(int(wanted / base), stream=stream)
            frame = self._shown_at(wanted)
        except (av.error.FFmpegError, AvsepError):
            return None
        return None if frame is None else self._small(frame, height)

    def _shown_at(self, wanted: Fraction) -> av.VideoFrame | None:
        best = None
        frames: Iterator[tuple[Fraction, av.VideoFrame]] = self._decode()
        for number, (time, frame) in enumerate(frames):
            if best is not None and (time > wanted or number >= _LATER):
                break
            best = frame
        return best

    def _small(self, frame: av.VideoFrame, height: int) -> UInt8:
        shown = self._shown(frame)
        width = max(1, round(Fraction(shown.size[0] * height, shown.size[1])))
        across, down = (height, width) if shown.orientation.swap else (width, height)
        return shown.orientation.apply(self._rgb(shown.frame, across, down, "AREA"))


def _jpeg(picture: UInt8) -> bytes:
    """[H, W, 3] uint8 RGB as a JPEG file."""
    height, width = picture.shape[:2]
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuvj420p", Fraction(1, 25)
    encoder.options = {"qmin": str(_QUALITY), "qmax": str(_QUALITY)}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
