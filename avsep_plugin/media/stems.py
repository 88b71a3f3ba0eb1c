"""Writes sound files: stems that add up to the source exactly, and single sounds.

Integer stems. With the grid 2^(bits - 1) per full scale:

    total = round(mixture), clipped to the grid        what the source is in this format
    on    = round(on), clipped                          written
    off   = total - on                                  written; where it would clip it is limited and `on` takes the rest

so that on + off = total holds for every sample, in range, whatever `on` is.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast

import av
import av.error
import numpy as np
import numpy.typing as npt

from avsep_plugin.atomic import atomic_all
from avsep_plugin.clip import Float32
from avsep_plugin.errors import ConfigError, OutputError
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
WAV_OPTIONS = {"rf64": "auto", "write_bext": "1"}
"""Of FFmpeg's WAV muxer: RF64 beyond 4 GB, a bext chunk for the tags of `bwf`."""


def quantize_pair(mixture: Float32, on: Float32, bits: int) -> tuple[Int32, Int32]:
    """Round a mixture and its on-screen part, both [C, n] with full scale 1, to integers of 16 or 24 bits.

    Returns (on, off) int32 with on + off == round(mixture * 2^(bits - 1)) clipped to the grid, and both in range.
    Raises OutputError for values that are not finite.
    """
    total, first = quantize(mixture, bits), quantize(on, bits)
    off = np.clip(total - first, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return total - off, off


def quantize(sound: Float32, bits: int) -> Int32:
    """Round to integers of 16 or 24 bits and clip. Raises OutputError for values that are not finite."""
    _check_finite(sound)
    scale = 2 ** (bits - 1)
    values: Int32 = np.clip(np.rint(sound.astype(np.float64) * scale), -scale, scale - 1).astype(np.int32)
    return values


class StemWriter:
    """Writes on-screen and off-screen sound as two files that appear together when the `with` block ends well.

    16, 24: the files add up to the rounded mixture exactly; 32f: to float32 rounding. WAV grows into RF64 beyond 4 GB.
    tags: of both files; a WAV file says those of `bwf.broadcast_tags` in its bext chunk, and FLAC says none.
    Raises ConfigError (FLAC cannot hold that depth or so many channels), OutputError (disk, values that are not finite).
    """

    def __init__(
        self, on_path: Path, off_path: Path, sample_rate_hz: int, channels: int,
        bit_depth: BitDepth = "24", file_format: FileFormat = "wav", layout: str | None = None, tags: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        if (file_format, bit_depth) not in _CODECS:
            raise ConfigError(f"FLAC holds 16 or 24 bits per sample, not {bit_depth}; choose WAV for {bit_depth}.")
        if file_format == "flac" and channels > 8:
            raise ConfigError(f"FLAC holds up to 8 channels, not {channels}; choose WAV.")
        self.paths = (Path(on_path), Path(off_path))
        self.channels, self.bit_depth = channels, bit_depth
        self._opened = (file_format, bit_depth, sample_rate_hz, layout or _layout(channels), tags or {})
        self._stack = ExitStack()
        self._files: list[_SoundFile] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_all(self.paths))
            self._files = [
                stack.enter_context(_SoundFile(temp, path, *self._opened)) for temp, path in zip(temporary, self.paths, strict=True)
            ]
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
        else:
            stems = tuple(_justified(part, self.bit_depth) for part in quantize_pair(mixture, on, int(self.bit_depth)))
        for file, stem in zip(self._files, stems, strict=True):
            file.write(stem)


class SoundWriter:
    """Writes one sound as a WAV file of 16 or 24 bits that appears when the `with` block ends well. Raises OutputError."""

    def __init__(
        self, path: Path, sample_rate_hz: int, channels: int, bit_depth: Literal["16", "24"] = "24", layout: str | None = None
    ) -> None:  # fmt: skip
        self.path, self.bit_depth = Path(path), bit_depth
        self._opened = ("wav", bit_depth, sample_rate_hz, layout or _layout(channels), dict[str, str]())
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            (temporary,) = stack.enter_context(atomic_all([self.path]))
            self._file = stack.enter_context(_SoundFile(temporary, self.path, *self._opened))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, sound: Float32) -> None:
        """Append a block [C, n] float32; it is rounded, and what is beyond full scale is clipped."""
        if sound.shape[1]:
            self._file.write(_justified(quantize(sound, int(self.bit_depth)), self.bit_depth))


class _SoundFile:
    """One WAV or FLAC file being encoded."""

    def __init__(
        self, temporary: Path, path: Path, file_format: str, bit_depth: str, sample_rate_hz: int, layout: str, tags: Mapping[str, str]
    ) -> None:  # fmt: skip
        codec, sample_format = _CODECS[file_format, bit_depth]
        self._path, self._layout, self._format, self._rate, self._written = path, layout, sample_format, sample_rate_hz, 0
        is_wav = file_format == "wav"
        with writing(path):
            self._container = av.open(file_address(temporary), "w", format=file_format, options=dict(WAV_OPTIONS) if is_wav else {})
            self._container.metadata.update(tags if is_wav else {})
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
        with writing(self._path):
            self._container.mux(self._stream.encode(frame))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with writing(self._path):
            try:
                if kind is None:
                    self._container.start_encoding()
                    self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()


def _layout(channels: int) -> str:
    return LAYOUTS.get(channels, f"{channels} channels")


def _justified(values: Int32, bit_depth: str) -> Samples:
    """Integers as the encoder takes them: int16, or 24 bits at the top of int32."""
    return values.astype(np.int16) if bit_depth == "16" else values << 8


def _check_finite(*parts: Float32) -> None:
    if not all(np.isfinite(part).all() for part in parts):
        raise OutputError("The separated sound holds values that are not numbers; nothing was written.")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate what FFmpeg raises while it writes."""
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        if isinstance(exc, OutputError):
            raise
        raise OutputError(f"{path} cannot be written: {getattr(exc, 'strerror', None) or exc}.") from exc
