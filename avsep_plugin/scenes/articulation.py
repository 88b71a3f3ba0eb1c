"""The score of an utterance: which sound when, and where the lips are.

A talker is planned syllable by syllable:

    pause | (consonant) vowel (consonant) | (consonant) vowel ... | pause        syllables at the speaker's rate, 3 to 6 a second

Every piece is a `Segment` of one `Phone`. The segments are then laid out on a control clock of CONTROL_RATE_HZ and smoothed with Hann
kernels: slowly for jaw and lips (they have mass), quickly for the sources of sound. What the face shows and what the voice does
thereby come from one and the same score and cannot drift apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from avsep_plugin.scenes.phones import CLOSED, CODAS, GAP, ONSETS, VOWELS, Consonant, Phone

Float64 = npt.NDArray[np.float64]

CONTROL_RATE_HZ = 500
TAIL_SECONDS = 0.3
"""Planned beyond the end, so that no smoothing kernel sees the end: a longer utterance of the same seed begins with the shorter one."""


@dataclass(frozen=True)
class Segment:
    """One phone of the score. semitones: pitch above the speaker's own; stress scales loudness and mouth opening."""

    phone: Phone
    seconds: float
    semitones: float
    stress: float
    starts_syllable: bool = False


@dataclass(frozen=True)
class Articulation:
    """What the mouth does, on the control clock (value i at i / CONTROL_RATE_HZ seconds), all [n] float64.

    opening: 0 = lips together, 1 = widest; already zero where the lips are closed. width: -1 = rounded, 0 = neutral, 1 = spread.
    closure: 1 = lips pressed together. teeth: 1 = teeth shown together (s, f). nod: emphasis in [0, 1] that head and brows follow.
    """

    opening: Float64
    width: Float64
    closure: Float64
    teeth: Float64
    nod: Float64

    @classmethod
    def at_rest(cls) -> "Articulation":
        """A mouth that stays shut."""
        still = np.zeros(2)
        return cls(still, still, still + 1.0, still, still)

    def at(self, time_seconds: float) -> tuple[float, float, float, float, float]:
        """(opening, width, closure, teeth, nod) at one time, linearly interpolated; the first and last value hold outside."""
        place = min(max(time_seconds * CONTROL_RATE_HZ, 0.0), len(self.opening) - 1.0)
        low = min(int(place), len(self.opening) - 2)
        part = place - low
        curves = (self.opening, self.width, self.closure, self.teeth, self.nod)
        opening, width, closure, teeth, nod = (float(c[low] * (1 - part) + c[low + 1] * part) for c in curves)
        return opening, width, closure, teeth, nod


@dataclass(frozen=True)
class Score:
    """An utterance on the control clock; every curve is [n] float64, formants_hz is [n, 3].

    voiced, breath, friction: RMS of the voiced, aspirated and fricative source, 1 = a full vowel. semitones: pitch contour.
    friction_hz: centre of the fricative's band. syllables, phrases: start times in seconds.
    """

    articulation: Articulation
    voiced: Float64
    breath: Float64
    friction: Float64
    friction_hz: Float64
    formants_hz: Float64
    semitones: Float64
    syllables: tuple[float, ...]
    phrases: tuple[float, ...]


def _consonant(consonant: Consonant, scale: float, semitones: float, stress: float) -> list[Segment]:
    return [Segment(phone, seconds * scale, semitones, stress) for phone, seconds in consonant.parts]


def _syllable(rng: np.random.Generator, seconds: float, semitones: float, stress: float) -> list[Segment]:
    onset = ONSETS[rng.integers(len(ONSETS))] if rng.random() < 0.9 else None
    coda = CODAS[rng.integers(len(CODAS))] if rng.random() < 0.35 else None
    vowel = VOWELS[rng.integers(len(VOWELS))]
    consonant_seconds = sum(c.seconds for c in (onset, coda) if c is not None)
    scale = min(1.0, 0.55 * seconds / consonant_seconds) if consonant_seconds else 1.0
    before = _consonant(onset, scale, semitones, stress) if onset else []
    after = _consonant(coda, scale, semitones - 1.0, stress) if coda else []
    vowel_seconds = seconds - scale * consonant_seconds
    # A vowel swells and fades: its second part is weaker, and the jaw already rises.
    swell = Segment(vowel, 0.6 * vowel_seconds, semitones, stress)
    fade = Segment(vowel, 0.4 * vowel_seconds, semitones - 0.5, 0.7 * stress)
    parts = [*before, swell, fade, *after]
    return [replace(parts[0], starts_syllable=True), *parts[1:]]


def _segments(rng: np.random.Generator, syllable_rate_hz: float, liveliness: float) -> Iterator[Segment]:
    """An endless monologue: pauses of 0.2 to 0.6 s between phrases of 4 to 10 syllables, with falling pitch and random stress."""
    pause_seconds = rng.uniform(0.0, 0.3)
    while True:
        yield Segment(CLOSED, pause_seconds, 0.0, 0.0)
        yield Segment(GAP, 0.07, 0.0, 0.0)
        count = int(rng.integers(4, 11))
        for index in range(count):
            stress = float(rng.choice([0.72, 0.85, 1.0], p=[0.35, 0.3, 0.35]))
            fall = 2.0 - 4.5 * index / count
            semitones = liveliness * (fall + (2.5 if stress == 1.0 else 0.0) + rng.normal(0.0, 0.6))
            seconds = rng.uniform(0.8, 1.2) * (0.85 + 0.18 * stress) / syllable_rate_hz
            yield from _syllable(rng, seconds, semitones, stress)
        pause_seconds = rng.uniform(0.2, 0.6)


def _smooth(values: Float64, seconds: float) -> Float64:
    """Convolve along time with a Hann kernel of that total length; the first and last value hold outside."""
    half = max(1, round(seconds * CONTROL_RATE_HZ / 2))
    kernel = np.hanning(2 * half + 1)
    padded = np.pad(values, half, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def write_score(rng: np.random.Generator, duration_seconds: float, syllable_rate_hz: float, liveliness: float = 1.0) -> Score:
    """Plan an utterance of at least that length.

    The same generator state gives the same utterance; a longer duration only adds to its end.
    """
    segments: list[Segment] = []
    starts = [0.0]
    for segment in _segments(rng, syllable_rate_hz, liveliness):
        segments.append(segment)
        starts.append(starts[-1] + segment.seconds)
        if starts[-1] > duration_seconds + TAIL_SECONDS:
            break
    syllables = tuple(t for t, s in zip(starts, segments, strict=False) if s.starts_syllable and t < duration_seconds)
    after_pause = [True, *(s.phone is GAP for s in segments[:-1])]
    phrases = tuple(
        t for t, s, first in zip(starts, segments, after_pause, strict=False) if s.starts_syllable and first and t < duration_seconds
    )
    return _lay_out(segments, starts, round(duration_seconds * CONTROL_RATE_HZ) + 1, syllables, phrases)


def _lay_out(segments: list[Segment], starts: list[float], length: int, syllables: tuple[float, ...], phrases: tuple[float, ...]) -> Score:
    edges = np.round(np.array(starts) * CONTROL_RATE_HZ).astype(int)
    which = np.repeat(np.arange(len(segments)), np.diff(edges))

    def curve(values: list[float], smoothing_seconds: float) -> Float64:
        return _smooth(np.array(values, dtype=np.float64)[which], smoothing_seconds)[:length]

    phones = [s.phone for s in segments]
    loudness = [0.55 + 0.45 * s.stress for s in segments]
    closure = np.clip(1.25 * curve([float(p.lips_closed) for p in phones], 0.05), 0.0, 1.0)
    opening = curve([p.opening * (0.3 + 0.7 * s.stress) for p, s in zip(phones, segments, strict=True)], 0.09)
    opening = opening * (1 - closure)
    # No sound passes closed lips: this gate makes it so whatever the smoothing did.
    gate = np.clip((opening - 0.01) / 0.05, 0.0, 1.0)
    mouth = Articulation(
        opening=opening,
        width=curve([p.width for p in phones], 0.12),
        closure=closure,
        teeth=curve([p.teeth for p in phones], 0.06),
        nod=curve([float(s.stress == 1.0) for s in segments], 0.25),
    )
    return Score(
        articulation=mouth,
        voiced=gate * curve([p.voiced * a for p, a in zip(phones, loudness, strict=True)], 0.03),
        breath=gate * curve([p.breath * a for p, a in zip(phones, loudness, strict=True)], 0.02),
        friction=gate * curve([p.friction * a for p, a in zip(phones, loudness, strict=True)], 0.012),
        friction_hz=curve([p.friction_hz for p in phones], 0.02),
        formants_hz=np.stack([curve([p.formants_hz[k] for p in phones], 0.06) for k in range(3)], axis=1),
        semitones=curve([s.semitones for s in segments], 0.14),
        syllables=syllables,
        phrases=phrases,
    )
