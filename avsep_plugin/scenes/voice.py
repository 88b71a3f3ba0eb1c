"""A speech-like voice: a score (see `articulation`) sounded by a source and a moving filter.

    pulses at f0 ----*voiced--+
                              +--> vocal tract (5 formants, moving) --+
    white noise ----*breath---+                                       +--> voice
    white noise ----*friction----> band of the fricative -------------+

The pulses are the band-limited train sum_{k=1..K} cos(k phi) in closed form (Dirichlet kernel), phi the running phase of f0. The filters
change every FILTER_HOP_SECONDS: the source is cut by overlapping Hann windows, each piece is multiplied by its filter's frequency response
and the pieces are added again. Filters are scaled to unit output power, so the loudness is what the score says, exactly and locally: no
level is measured afterwards, and an utterance does not change when it is made longer.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from avsep_plugin.clip import Float32
from avsep_plugin.scenes.articulation import CONTROL_RATE_HZ, Float64, Score, write_score
from avsep_plugin.scenes.identity import generator

FILTER_HOP_SECONDS = 0.005
TOP_HARMONIC_HZ = 7500.0
FULL_VOWEL_RMS = 0.14
HIGH_FORMANTS_HZ = (3500.0, 4500.0)
BANDWIDTHS_HZ = (80.0, 95.0, 130.0, 200.0, 280.0)


@dataclass(frozen=True)
class Speaker:
    """What makes a voice somebody's.

    f0_hz: mean pitch. tract: factor on all formants (1 = adult male, about 1.18 = female; a longer tract is smaller). syllable_rate_hz:
    3 to 6. breathiness: breath noise in the voice. jitter: relative pitch noise. tilt_hz: above it the source falls by 6 dB an octave.
    liveliness: factor on the pitch contour.
    """

    f0_hz: float
    tract: float
    syllable_rate_hz: float
    breathiness: float
    jitter: float
    tilt_hz: float
    liveliness: float

    @classmethod
    def of(cls, identity: int) -> "Speaker":
        """The voice of an identity; higher voices tend to shorter vocal tracts."""
        rng = generator("speaker", identity)
        high = has_high_voice(identity)
        f0_hz = float(rng.uniform(155, 280) if high else rng.uniform(85, 150))
        return cls(
            f0_hz=f0_hz,
            tract=float((1.15 if high else 0.99) * rng.uniform(0.93, 1.07)),
            syllable_rate_hz=float(rng.uniform(3.5, 5.6)),
            breathiness=float(rng.uniform(0.03, 0.2)),
            jitter=float(rng.uniform(0.004, 0.012)),
            tilt_hz=float(rng.uniform(250, 900)),
            liveliness=float(rng.uniform(0.6, 1.4)),
        )


def has_high_voice(identity: int) -> bool:
    """Whether the identity speaks with a high voice; its face is drawn to go with it."""
    return bool(generator("high voice", identity).random() < 0.5)


@dataclass(frozen=True)
class Utterance:
    """A spoken performance: samples [n] float32 (full vowels at FULL_VOWEL_RMS), the score it follows and its f0 on the control clock."""

    samples: Float32
    sample_rate_hz: int
    score: Score
    f0_hz: Float64


def speak(speaker: Speaker, duration_seconds: float, sample_rate_hz: int, *key: int) -> Utterance:
    """Let a speaker say something for that long; the integers of `key` decide what.

    Same arguments, same samples. A longer utterance with the same key begins with the shorter one, sample for sample.
    """
    length = round(duration_seconds * sample_rate_hz)
    margin_seconds = 0.06
    score = write_score(generator("score", *key), duration_seconds + margin_seconds, speaker.syllable_rate_hz, speaker.liveliness)
    f0_hz = _pitch(speaker, score, generator("pitch", *key))
    total = length + round(margin_seconds * sample_rate_hz)
    clock = np.arange(total) / sample_rate_hz

    def on_samples(curve: Float64) -> Float64:
        return np.interp(clock, np.arange(len(curve)) / CONTROL_RATE_HZ, curve)

    f0_now = on_samples(f0_hz)
    voiced = on_samples(score.voiced)
    noise = generator("noise", *key).standard_normal((total, 2)).T
    pulses = _pulse_train(f0_now, sample_rate_hz)
    # White noise of variance 1 leaves a filter with fs / (4 f0) times less power than the pulses do (their K cosines carry 1/2 each).
    breath = np.hypot(on_samples(score.breath), speaker.breathiness * voiced) * np.sqrt(sample_rate_hz / (4 * f0_now)) * noise[0]
    tract = _tract_filters(speaker, score, f0_hz, sample_rate_hz, total)
    band = _friction_filters(score, sample_rate_hz, total)
    samples = _filter(pulses * voiced + breath, tract, sample_rate_hz)
    samples += _filter(on_samples(score.friction) * noise[1], band, sample_rate_hz)
    return Utterance((FULL_VOWEL_RMS * samples[:length]).astype(np.float32), sample_rate_hz, score, f0_hz)


def _pitch(speaker: Speaker, score: Score, rng: np.random.Generator) -> Float64:
    """f0 on the control clock: the score's contour, a slow drift and jitter, kept in 60 to 400 Hz."""
    count = len(score.semitones)
    drift = 0.01 * np.sin(2 * np.pi * rng.uniform(0.3, 0.7) * np.arange(count) / CONTROL_RATE_HZ)
    jitter = np.convolve(rng.standard_normal(count + 4), np.ones(5) / np.sqrt(5), mode="valid")
    f0 = speaker.f0_hz * 2 ** (score.semitones / 12) * (1 + speaker.jitter * jitter + drift)
    return np.clip(f0, 60.0, 400.0)


def _pulse_train(f0_hz: Float64, sample_rate_hz: int) -> Float64:
    """sum_{k=1..K} cos(k phi) = sin((K + 1/2) phi) / (2 sin(phi / 2)) - 1/2, K fixed so that no harmonic folds over."""
    top_hz = min(TOP_HARMONIC_HZ, 0.45 * sample_rate_hz)
    count = max(1, int(top_hz / 400.0), int(top_hz / (1.6 * f0_hz[0])))
    phase = np.mod(np.cumsum(2 * np.pi * f0_hz / sample_rate_hz), 2 * np.pi)
    below = np.sin(phase / 2)
    near = np.abs(below) < 1e-6
    return np.where(near, count, np.sin((count + 0.5) * phase) / (2 * np.where(near, 1.0, below)) - 0.5)


def _grid(sample_rate_hz: int) -> tuple[int, int, Float64]:
    """(hop in samples, FFT size, its frequencies in Hz): windows of four hops, as much room again for the filter to ring."""
    hop = max(1, round(FILTER_HOP_SECONDS * sample_rate_hz))
    size = 1 << (8 * hop - 1).bit_length()
    return hop, size, np.arange(size // 2 + 1, dtype=np.float64) * (sample_rate_hz / size)


def _piece_times(total: int, hop: int) -> Float64:
    """Centres of the filter's pieces in samples; piece j is the Hann window over [(j - 2) hop, (j + 2) hop)."""
    return np.arange(total // hop + 4, dtype=np.float64) * hop


def _at(curve: Float64, times_seconds: Float64) -> Float64:
    return np.interp(times_seconds, np.arange(len(curve)) / CONTROL_RATE_HZ, curve)


def _tract_filters(speaker: Speaker, score: Score, f0_hz: Float64, sample_rate_hz: int, total: int) -> npt.NDArray[np.complex64]:
    """Frequency responses [pieces, bins] of the vocal tract, scaled so that pulses at f0 leave with power 1."""
    hop, _, frequencies = _grid(sample_rate_hz)
    times = _piece_times(total, hop) / sample_rate_hz
    formants = [_at(score.formants_hz[:, k], times) for k in range(3)] + [np.full(len(times), f) for f in HIGH_FORMANTS_HZ]
    f = frequencies.astype(np.float32)[None]
    response = ((f / (f + 60.0)) / np.sqrt((1 + (f / speaker.tilt_hz) ** 2) * (1 + (f / 2800.0) ** 2))).astype(np.complex64)
    response = np.repeat(response, len(times), axis=0)
    for formant, bandwidth in zip(formants, BANDWIDTHS_HZ, strict=True):
        centre = (speaker.tract * formant).astype(np.float32)[:, None]
        # The resonator in the continuous-time form, the same at every sample rate; flattened above so that high bands do not vanish.
        bottom = np.empty((len(times), len(frequencies)), dtype=np.complex64)
        bottom.real = centre * centre - f * f
        bottom.imag = bandwidth * f
        response *= (centre * centre + 0.5 * bandwidth * f + 0.15 * f * f) / bottom
    in_band = frequencies < TOP_HARMONIC_HZ
    power = np.square(np.abs(response[:, in_band])).sum(axis=1) * frequencies[1] / (2 * _at(f0_hz, times))
    return np.asarray(response / np.sqrt(power)[:, None].astype(np.float32), dtype=np.complex64)


def _friction_filters(score: Score, sample_rate_hz: int, total: int) -> npt.NDArray[np.complex64]:
    """Frequency responses [pieces, bins] of the fricative's band, scaled so that white noise of variance 1 leaves with power 1."""
    hop, _, frequencies = _grid(sample_rate_hz)
    centre = _at(score.friction_hz, _piece_times(total, hop) / sample_rate_hz)[:, None]
    shape = 1 / (1 + ((frequencies[None] - centre) / (0.35 * centre)) ** 2) * (frequencies[None] / (frequencies[None] + 300.0))
    return np.asarray(shape / np.sqrt(np.mean(shape**2, axis=1, keepdims=True)), dtype=np.complex64)


def _filter(source: Float64, responses: npt.NDArray[np.complex64], sample_rate_hz: int) -> Float64:
    """Pass a source [n] through filters that change from piece to piece (Hann windows of four hops add up to 2)."""
    hop, size, _ = _grid(sample_rate_hz)
    pieces = len(responses)
    padded = np.pad(source, (2 * hop, (pieces + 4) * hop - len(source))).astype(np.float32)
    window = (0.5 * np.hanning(4 * hop + 1)[:-1]).astype(np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(padded, 4 * hop)[::hop][:pieces] * window
    rung = np.fft.irfft(np.fft.rfft(cut, size) * responses, size)
    result = np.zeros((pieces + size // hop + 1) * hop)
    for start in range(0, size, hop):
        part = rung[:, start : start + hop]
        block = result[start : start + pieces * hop].reshape(pieces, hop)
        block[:, : part.shape[1]] += part
    return result[2 * hop : 2 * hop + len(source)]
