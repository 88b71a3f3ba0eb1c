"""Typed values that travel through the library; each checks its shape, type and range where it is made."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class AudioChunk:
    """A run of sound on the file's own clock.

    samples: [channels, samples] float32, full scale = 1.
    start_sample: index of the first sample, counted from the first sample of the stream.
    """

    samples: Float32
    sample_rate_hz: int
    start_sample: int = 0

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.float32:
            raise ValueError(f"samples must be [channels, samples] float32, not {self.samples.shape} {self.samples.dtype}")
        if self.sample_rate_hz <= 0 or self.start_sample < 0:
            raise ValueError("sample rate must be positive and the start not negative")

    @property
    def stop_sample(self) -> int:
        """One past the last sample (ranges are half-open)."""
        return self.start_sample + int(self.samples.shape[1])


@dataclass(frozen=True)
class FrameChunk:
    """A run of pictures at a constant rate, on the sound's clock (frame i is shown at i / frame_rate after the first sample).

    frames: [N, H, W, 3] uint8, RGB.
    """

    frames: UInt8
    frame_rate: Fraction
    start_frame: int = 0

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[3] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(f"frames must be [N, H, W, 3] uint8, not {self.frames.shape} {self.frames.dtype}")
        if self.frame_rate <= 0:
            raise ValueError("frame rate must be positive")


@dataclass(frozen=True)
class Stems:
    """On-screen and off-screen sound, both [channels, samples] float32, that add up to the mixture."""

    on: Float32
    off: Float32
    sample_rate_hz: int
    start_sample: int = 0

    def __post_init__(self) -> None:
        if self.on.ndim != 2 or self.on.shape != self.off.shape:
            raise ValueError(f"stems must be of one [channels, samples] shape, not {self.on.shape} and {self.off.shape}")


@dataclass(frozen=True)
class HeatMap:
    """Evidence that the sound comes from a place in the picture.

    values: [T, H, W] float32, signed: positive speaks for, negative against. Cell t covers the time
    [start_seconds + t * step_seconds, start_seconds + (t + 1) * step_seconds) after the first sample.
    The cells cover the rectangle `area` = (left, top, width, height) of the displayed picture, each in [0, 1].
    """

    values: Float32
    step_seconds: Fraction
    start_seconds: Fraction = Fraction(0)
    area: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.dtype != np.float32:
            raise ValueError(f"heat map must be [T, H, W] float32, not {self.values.shape} {self.values.dtype}")
        if self.step_seconds <= 0:
            raise ValueError("step_seconds must be positive")
