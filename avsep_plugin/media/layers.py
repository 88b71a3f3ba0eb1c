"""Writes layers: what is drawn, without the picture, with alpha, to be laid on a track above the clip.

    prores4444   MOV, 10 bits with 16 bits of alpha, timecode track         for editing programs
    vp9          WebM, 8 bits with alpha in a channel of its own            for the web
    png          a folder of numbered pictures, RGBA of 8 bits              for compositing programs

All have the size and shape of pixels of the clip (upright), and exactly one picture for each of its pictures, at the same distances in
time; the first is shown at 0. Alpha is straight: the colours are not darkened towards the edges.
"""

import json
from array import array
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import av
import numpy as np
import numpy.typing as npt

from avsep_plugin.atomic import write_text
from avsep_plugin.clip import UInt8
from avsep_plugin.media.film import FilmFormat, FilmWriter, Ticks
from avsep_plugin.media.planes import Patch, Stretcher, hd_tags, packed, plane, plane16
from avsep_plugin.media.stems import writing
from avsep_plugin.media.timecode import Clock

LayerKind = Literal["prores4444", "vp9", "png"]

PRORES_4444 = FilmFormat(
    "mov", "prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}, {"movflags": "+write_colr"}
)
VP9_ALPHA = FilmFormat(
    "webm", "libvpx-vp9", "yuva420p",
    {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1", "auto-alt-ref": "0"}, {"fflags": "+bitexact"},
)  # fmt: skip
"""Alternate reference frames are shown never, and the alpha channel cannot have any."""
_NOTHING = (59, 40, 132, 0)
"""What stands where nothing is drawn: the map's weakest colour, fully transparent."""
_FORMAT = "avsep.layer/1"


class LayerWriter(Protocol):
    """Takes one patch (None: nothing is drawn) for each picture of the clip; a context manager."""

    warnings: list[str]

    def write(self, time_seconds: Fraction, patch: Patch | None) -> None:
        """Append a picture, shown from `time_seconds` on."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class FilmLayer:
    """A layer as a video. aspect: of a pixel. clock: that of the clip. Raises OutputError."""

    def __init__(
        self, path: Path, kind: Literal["prores4444", "vp9"], width: int, height: int, rate: Fraction | None, aspect: Fraction | None,
        clock: Clock,
    ) -> None:  # fmt: skip
        form = PRORES_4444 if kind == "prores4444" else VP9_ALPHA
        timecode = clock.counting.text(clock.start) if clock.is_known else None
        self.warnings: list[str] = []
        self._film = FilmWriter(path, form, width, height, rate, aspect, timecode, is_shifted=True)
        self._spread = _Spread(width, height, form.pixel_format)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._film)
        return self

    def write(self, time_seconds: Fraction, patch: Patch | None) -> None:
        """See LayerWriter."""
        self._film.write(time_seconds, hd_tags(self._spread(patch)))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)


class PngLayer:
    """A layer as a folder of pictures, layer.<number>.png, and layer.json, which says their numbers, rate and times.

    The number of the first picture is that of its timecode, counted from midnight; 0 where the clip has none. The folder must not be
    there; what is written of it goes away when the `with` block fails. Raises OutputError.
    """

    def __init__(self, folder: Path, width: int, height: int, rate: Fraction | None, clock: Clock) -> None:
        self.folder, self.width, self.height = Path(folder), width, height
        self.warnings: list[str] = []
        self._clock, self._ticks = clock, Ticks(rate)
        self._first: Fraction | None = None
        self._times = array("d")
        self._is_steady = True
        self._spread = _Spread(width, height, "rgba")
        encoder = av.CodecContext.create("png", "w")
        encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "rgba", self._ticks.time_base
        encoder.options = {"compression_level": "4", "pred": "up"}
        self._encode: Callable[[av.VideoFrame], list[av.Packet[av.VideoStream]]] = encoder.encode

    def __enter__(self) -> Self:
        with writing(self.folder):
            self.folder.mkdir()
        return self

    def write(self, time_seconds: Fraction, patch: Patch | None) -> None:
        """See LayerWriter."""
        self._first = time_seconds if self._first is None else self._first
        tick = self._ticks.at(time_seconds - self._first)
        self._is_steady &= tick == len(self._times) * self._ticks.picture
        frame = self._spread(patch)
        frame.pts, frame.time_base = len(self._times), self._ticks.time_base
        with writing(self.folder):
            content = b"".join(bytes(packet) for packet in self._encode(frame))
            (self.folder / self._name(len(self._times))).write_bytes(content)
        self._times.append(tick / self._ticks.per_second)

    def _name(self, index: int) -> str:
        return f"layer.{self._clock.start + index:08}.png"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            for path in self.folder.glob("layer.*"):
                path.unlink()
            self.folder.rmdir()
            return
        if not self._is_steady:
            self.warnings.append(
                "The pictures of the clip are not evenly spaced: the PNG sequence has one picture for each, and layer.json their times."
            )
        write_text(json.dumps(self._description(), indent=1) + "\n", self.folder / "layer.json")

    def _description(self) -> dict[str, object]:
        rate = self._ticks.rate
        return {
            "format": _FORMAT, "alpha": "straight", "width": self.width, "height": self.height,
            "rate": f"{rate.numerator}/{rate.denominator}", "evenly_spaced": self._is_steady,
            "timecode": self._clock.counting.text(self._clock.start) if self._clock.is_known else None,
            "first_number": self._clock.start, "pictures": len(self._times), "first_file": self._name(0),
            "times_seconds": None if self._is_steady else [round(time, 6) for time in self._times],
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Field:
    """A patch of one colour."""

    rgba: UInt8
    left: int = 0
    top: int = 0
    scale: int = 2


class _Spread:
    """Lays a patch on a transparent picture, in one of the layers' pixel formats."""

    def __init__(self, width: int, height: int, pixel_format: str) -> None:
        self.width, self.height, self._format = width, height, pixel_format
        self._stretch = Stretcher(pixel_format)
        field = _Field(np.full((1, 1, 4), _NOTHING, np.uint8))
        self._empty = [part[0, 0].copy() for part in self._planes(self._stretch(field))]

    def __call__(self, patch: Patch | None) -> av.VideoFrame:
        frame = av.VideoFrame(self.width, self.height, self._format)
        planes = self._planes(frame)
        for target, nothing in zip(planes, self._empty, strict=True):
            target[...] = nothing
        if patch is None:
            return frame
        for index, colour in enumerate(self._planes(self._stretch(patch))):
            sharing = 2 if self._format == "yuva420p" and index in (1, 2) else 1
            part = planes[index][patch.top // sharing :, patch.left // sharing :]
            part = part[: colour.shape[0], : colour.shape[1]]
            part[...] = colour[: part.shape[0], : part.shape[1]]
        return frame

    def _planes(self, frame: av.VideoFrame) -> list[npt.NDArray[np.uint8] | npt.NDArray[np.uint16]]:
        if self._format == "rgba":
            return [packed(frame)]
        read = plane16 if self._format == "yuva444p10le" else plane
        return [read(frame, index) for index in range(4)]
