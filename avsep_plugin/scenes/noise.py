"""Off-screen noise: traffic, air conditioning, wind and hiss, shaped in the frequency domain from white noise."""

from typing import Literal, get_args

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.errors import ConfigError
from avsep_plugin.scenes.articulation import Float64
from avsep_plugin.scenes.identity import generator

NoiseKind = Literal["traffic", "hum", "wind", "hiss"]
NOISE_KINDS: tuple[NoiseKind, ...] = get_args(NoiseKind)
NOISE_RMS = 0.1


def _shaped(rng: np.random.Generator, length: int, sample_rate_hz: int, low_hz: float, high_hz: float, slope: float) -> Float64:
    """White noise through a band-pass with soft edges and a slope (power of frequency, -0.5 = pink), RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    f = np.fft.rfftfreq(length, 1 / sample_rate_hz)
    gain = np.maximum(f, 20.0) ** slope / (1 + (f / high_hz) ** 4) * (f**2 / (f**2 + low_hz**2))
    noise = np.fft.irfft(spectrum * gain, length)
    return np.asarray(noise / (np.sqrt(np.mean(noise**2)) + 1e-12))


def _swell(rng: np.random.Generator, length: int, sample_rate_hz: int, rate_hz: float, depth_db: float) -> Float64:
    """A smooth random gain around 1 that moves about `rate_hz` times a second by +-depth_db."""
    seconds = length / sample_rate_hz
    knots = rng.uniform(-depth_db, depth_db, int(seconds * rate_hz) + 4)
    place = np.arange(length) / sample_rate_hz * rate_hz + 1
    low = place.astype(int)
    part = 0.5 - 0.5 * np.cos(np.pi * (place - low))
    return np.asarray(10 ** ((knots[low] * (1 - part) + knots[low + 1] * part) / 20))


def _hum(rng: np.random.Generator, length: int, sample_rate_hz: int) -> Float64:
    base_hz = float(rng.choice([50.0, 60.0])) * (1 + 0.002 * rng.standard_normal())
    t = np.arange(length) / sample_rate_hz
    tones = np.zeros(length)
    for k in range(1, 13):
        tones += rng.uniform(0.2, 1.0) / k**0.7 * np.sin(2 * np.pi * k * base_hz * t + rng.uniform(0, 2 * np.pi))
    return np.asarray(tones / np.sqrt(np.mean(tones**2)) + 0.8 * _shaped(rng, length, sample_rate_hz, 60, 1800, -0.5))


def make_noise(kind: NoiseKind, length: int, sample_rate_hz: int, *key: int) -> Float32:
    """Noise of a kind, [length] float32 with NOISE_RMS; the integers of `key` decide which. Raises ConfigError for an unknown kind."""
    rng = generator("noise", *key)
    if kind == "traffic":
        passing = _shaped(rng, length, sample_rate_hz, 150, 1500, -0.2) * _swell(rng, length, sample_rate_hz, 0.6, 9)
        noise = _shaped(rng, length, sample_rate_hz, 30, 350, -0.6) + 0.6 * passing
    elif kind == "hum":
        noise = _hum(rng, length, sample_rate_hz)
    elif kind == "wind":
        noise = _shaped(rng, length, sample_rate_hz, 30, 900, -0.7) * _swell(rng, length, sample_rate_hz, 1.2, 8)
    elif kind == "hiss":
        noise = _shaped(rng, length, sample_rate_hz, 1500, 0.4 * sample_rate_hz, 0.0)
    else:
        raise ConfigError(f"Unknown kind of noise {kind!r}; there are {', '.join(NOISE_KINDS)}.")
    return np.asarray(NOISE_RMS * noise / np.sqrt(np.mean(noise**2)), dtype=np.float32)
