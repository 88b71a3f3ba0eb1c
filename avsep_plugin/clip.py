"""Typed values that travel through the library; each checks its shape, type and range where it is made."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]


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
