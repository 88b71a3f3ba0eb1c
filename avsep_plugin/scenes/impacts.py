"""Sounds of impacts: an object rings in a few modes, each an exponentially decaying sine, after a short click.

strike(t) = sum_m a_m exp(-t / tau_m) sin(2 pi f_m t)        (modal synthesis; ratios of free bars, bells and membranes from textbooks)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.scenes.identity import generator

Material = Literal["ball", "bell", "drum", "bar"]
CLICK_SECONDS = 0.004
STRIKE_RMS = 0.25
DAMPING = 0.2
DAMPING_SECONDS = 0.003

_RATIOS: dict[Material, tuple[float, ...]] = {
    "ball": (1.0, 1.59, 2.14, 2.65),
    "bell": (0.5, 1.0, 1.19, 1.5, 2.0, 2.67),
    "drum": (1.0, 1.59, 2.14, 2.3, 2.65, 2.92),
    "bar": (1.0, 2.76, 5.4, 8.93),
}
_BASE_HZ: dict[Material, tuple[float, float]] = {"ball": (110, 260), "bell": (480, 1100), "drum": (80, 190), "bar": (350, 1200)}
_DECAY_SECONDS: dict[Material, tuple[float, float]] = {"ball": (0.03, 0.07), "bell": (0.22, 0.42), "drum": (0.09, 0.2), "bar": (0.12, 0.35)}


@dataclass(frozen=True)
class Modes:
    """A ringing object: frequency, decay time and share of each mode."""

    frequencies_hz: tuple[float, ...]
    decays_seconds: tuple[float, ...]
    amplitudes: tuple[float, ...]

    @classmethod
    def of(cls, material: Material, identity: int) -> "Modes":
        """The modes of a piece of a material; the identity tunes it."""
        rng = generator("modes " + material, identity)
        base_hz, decay = rng.uniform(*_BASE_HZ[material]), rng.uniform(*_DECAY_SECONDS[material])
        ratios = [ratio * rng.uniform(0.985, 1.015) for ratio in _RATIOS[material]]
        return cls(
            frequencies_hz=tuple(float(base_hz * ratio) for ratio in ratios),
            decays_seconds=tuple(float(decay / max(ratio, 1.0) ** 0.6) for ratio in ratios),
            amplitudes=tuple(float(rng.uniform(0.5, 1.0) / (1 + index)) for index in range(len(ratios))),
        )

    def strike(self, sample_rate_hz: int) -> Float32:
        """The sound of one strike, [n] float32, until it has decayed by 60 dB; its first 50 ms have STRIKE_RMS."""
        length = round(6.9 * max(self.decays_seconds) * sample_rate_hz)
        t = np.arange(length) / sample_rate_hz
        sound = np.zeros(length)
        for frequency, decay, amplitude in zip(self.frequencies_hz, self.decays_seconds, self.amplitudes, strict=True):
            if frequency < 0.45 * sample_rate_hz:
                sound += amplitude * np.exp(-t / decay) * np.sin(2 * np.pi * frequency * t)
        click = generator("click").standard_normal(length) * np.exp(-t / (CLICK_SECONDS / 3))
        sound += 0.8 * click
        loudness = np.sqrt(np.mean(sound[: max(1, sample_rate_hz // 20)] ** 2))
        return np.asarray(STRIKE_RMS * sound / loudness, dtype=np.float32)


def ring(strike: Float32, hits: Iterable[tuple[float, float]], length: int, sample_rate_hz: int) -> Float32:
    """Strikes at (seconds, strength), in order of time: [length] float32. Hits outside [0, length) are left out.

    What touches the object again first stops most of its ringing (to DAMPING, within DAMPING_SECONDS), as a hand or mallet does.
    """
    sound = np.zeros(length, dtype=np.float32)
    ramp = np.linspace(1, DAMPING, max(2, round(DAMPING_SECONDS * sample_rate_hz)), dtype=np.float32)
    for seconds, strength in hits:
        start = round(seconds * sample_rate_hz)
        if 0 <= start < length:
            sound[start : start + len(ramp)] *= ramp[: length - start]
            sound[start + len(ramp) :] *= np.float32(DAMPING)
            count = min(len(strike), length - start)
            sound[start : start + count] += np.float32(strength) * strike[:count]
    return sound
