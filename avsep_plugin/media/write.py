"""Writes stems whose files add up to the source exactly, and overlay videos.

Integer stems. With the grid 2^(bits - 1) per full scale:

    total = round(mixture), clipped to the grid        what the source is in this format
    on    = round(on), clipped                          written
    off   = total - on                                  written; where it would clip it is limited and `on` takes the rest

so that on + off = total holds for every sample, in range, whatever `on` is.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast

import av
import av.container
import av.error
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter

from avsep_plugin.atomic import atomic, atomic_all
from avsep_plugin.clip import Float32, UInt8
from avsep_plugin.errors import ConfigError, OutputError
from avsep_plugin.media.mux import add_sound
from avsep_plugin.media.source import file_address

BitDepth = Literal["16", "24", "32f"]
FileFormat = Literal["wav", "flac"]
Int32 = npt.NDArray[np.int32]
Samples = npt.NDArray[np.int16] | npt.NDArray[np.int32] | npt.NDArray[np.float32]

_CODECS = {
    ("wav", "16"): ("pcm_s16le", "s16"), ("wav", "24"): ("pcm_s24le", "s32"), ("wav", "32f"): ("pcm_f32le", "flt"),
    ("flac", "16"): ("flac", "s16"), ("flac", "24"): ("flac", "s32"),
}  # fmt: skip
"""FFmpeg's encoder and the sample format it is given; s32 is left-justified."""
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""FLAC's layouts by the number of channels, which WAV can say too."""
_SPEED = "superfast"
"""x264's preset for overlays: half the time of `veryfast` and a decibel closer to the picture at the same quality, for twice the size."""
_CLOCK_HZ = 90_000
"""Ticks of the overlay's timestamps: fine enough for any camera, the same everywhere."""


def quantize_pair(mixture: Float32, on: Float32, bits: int) -> tuple[Int32, Int32]:
    """Round a mixture and its on-screen part, both [C, n] with full scale 1, to integers of 16 or 24 bits.

    Returns (on, off) int32 with on + off == round(mixture * 2^(bits - 1)) clipped to the grid, and both in range.
    Raises OutputError for values that are not finite.
    """
    _check_finite(mixture, on)
    scale = 2 ** (bits - 1)
    total, first = (np.clip(np.rint(part.astype(np.float64) * scale), -scale, scale - 1).astype(np.int32) for part in (mixture, on))
    off = np.clip(total - first, -scale, scale - 1)
    return total - off, off


class StemWriter:
    """Writes on-screen and off-screen sound as two files that appear together when the `with` block ends well.

    16, 24: the files add up to the rounded mixture exactly; 32f: to float32 rounding. WAV grows into RF64 beyond 4 GB.
    Raises ConfigError (FLAC cannot hold that depth or so many channels), OutputError (disk, values that are not finite).
    """

    def __init__(
        self, on_path: Path, off_path: Path, sample_rate_hz: int, channels: int,
        bit_depth: BitDepth = "24", file_format: FileFormat = "wav", layout: str | None = None,
    ) -> None:  # fmt: skip
        if (file_format, bit_depth) not in _CODECS:
            raise ConfigError(f"FLAC holds 16 or 24 bits per sample, not {bit_depth}; choose WAV for {bit_depth}.")
        if file_format == "flac" and channels > 8:
            raise ConfigError(f"FLAC holds up to 8 channels, not {channels}; choose WAV.")
        self.paths = (Path(on_path), Path(off_path))
        self.sample_rate_hz, self.channels, self.bit_depth, self.file_format = sample_rate_hz, channels, bit_depth, file_format
        self.layout = layout or LAYOUTS.get(channels, f"{channels} channels")
        self._stack = ExitStack()
        self._files: list[_SoundFile] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_all(self.paths))
            self._files = [stack.enter_context(self._open(temp, path)) for temp, path in zip(temporary, self.paths, strict=True)]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, mixture: Float32, on: Float32) -> None:
        """Append a block: the mixture and its on-screen part, both [C, n] float32; off-screen is the difference."""
        if mixture.shape != on.shape or mixture.ndim != 2 or mixture.shape[0] != self.channels:
            raise ValueError(f"blocks must both be [{self.channels}, n], not {mixture.shape} and {on.shape}")
        if not mixture.shape[1]:
            return
        if self.bit_depth == "32f":
            _check_finite(mixture, on)
            stems: tuple[Samples, ...] = (on, mixture - on)
        elif self.bit_depth == "16":
            stems = tuple(part.astype(np.int16) for part in quantize_pair(mixture, on, 16))
        else:
            stems = tuple(part << 8 for part in quantize_pair(mixture, on, 24))
        for file, stem in zip(self._files, stems, strict=True):
            file.write(stem)

    def _open(self, temporary: Path, path: Path) -> "_SoundFile":
        codec, sample_format = _CODECS[self.file_format, self.bit_depth]
        return _SoundFile(temporary, path, self.file_format, codec, sample_format, self.sample_rate_hz, self.layout)


class _SoundFile:
    """One WAV or FLAC file being encoded."""

    def __init__(
        self, temporary: Path, path: Path, file_format: str, codec: str, sample_format: str, sample_rate_hz: int, layout: str
    ) -> None:  # fmt: skip
        self._path, self._layout, self._format, self._rate, self._written = path, layout, sample_format, sample_rate_hz, 0
        options = {"rf64": "auto"} if file_format == "wav" else {}
        with _writing(path):
            self._container = av.open(file_address(temporary), "w", format=file_format, options=options)
            self._stream = cast(av.AudioStream, self._container.add_stream(codec, rate=sample_rate_hz, layout=layout))
            self._stream.codec_context.format = sample_format  # FLAC would take 16 bits by itself

    def __enter__(self) -> Self:
        return self

    def write(self, samples: Samples) -> None:
        """[C, n] int16, int32 (left-justified) or float32, as the sample format says."""
        interleaved: npt.NDArray[Any] = np.ascontiguousarray(samples.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(interleaved, self._format, self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
        self._written += samples.shape[1]
        with _writing(self._path):
            self._container.mux(self._stream.encode(frame))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with _writing(self._path):
            try:
                if kind is None:
                    self._container.start_encoding()
                    self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()


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
            with _writing(self.path):
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
        with _writing(self.path):
            self._container.mux(self._stream.encode(frame))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._stack:
            if kind is None:
                self._finish()
            else:
                self._stack.__exit__(kind, error, trace)

    def _finish(self) -> None:
        with _writing(self.path):
            self._container.mux(self._stream.encode(None))
            self._container.close()
        if self.source is not None:
            self.warnings += add_sound(self._silent, self.source, self._final, self.path)


def _check_finite(*parts: Float32) -> None:
    if not all(np.isfinite(part).all() for part in parts):
        raise OutputError("The separated sound holds values that are not numbers; nothing was written.")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Translate what FFmpeg raises while it writes."""
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        if isinstance(exc, OutputError):
            raise
        raise OutputError(f"{path} cannot be written: {getattr(exc, 'strerror', None) or exc}.") from exc
