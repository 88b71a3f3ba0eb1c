"""A rendered voice: who speaks and what the mouth does is heard, and nothing else."""

from functools import cache

import numpy as np
import pytest

from avsep_plugin.scenes.articulation import CONTROL_RATE_HZ, write_score
from avsep_plugin.scenes.identity import generator
from avsep_plugin.scenes.voice import FULL_VOWEL_RMS, Speaker, speak

RATE_HZ = 16000
SPEAKERS = [3, 8, 1002, 1007]


@cache
def _spoken(identity):
    """Four seconds of a speaker, said once for all tests."""
    return speak(Speaker.of(identity), 4.0, RATE_HZ, identity)


def _envelope(samples, seconds=0.03):
    kernel = np.hanning(round(seconds * RATE_HZ) | 1)
    return np.sqrt(np.convolve(samples.astype(np.float64) ** 2, kernel / kernel.sum(), "same"))


def _on_samples(curve, length):
    return np.interp(np.arange(length) / RATE_HZ, np.arange(len(curve)) / CONTROL_RATE_HZ, curve)


def test_same_key_gives_same_samples():
    speaker = Speaker.of(5)
    assert np.array_equal(speak(speaker, 0.5, RATE_HZ, 1, 2).samples, speak(speaker, 0.5, RATE_HZ, 1, 2).samples)


def test_other_key_gives_other_words():
    speaker = Speaker.of(5)
    assert not np.array_equal(speak(speaker, 0.5, RATE_HZ, 1, 2).samples, speak(speaker, 0.5, RATE_HZ, 1, 3).samples)


def test_longer_utterance_begins_with_the_shorter_one():
    speaker = Speaker.of(7)
    short, long = speak(speaker, 0.7, RATE_HZ, 4), speak(speaker, 1.9, RATE_HZ, 4)
    assert np.array_equal(long.samples[: len(short.samples)], short.samples)


@pytest.mark.parametrize("identity", SPEAKERS)
def test_mouth_opening_follows_the_sound(identity):
    spoken = _spoken(identity)
    opening = _on_samples(spoken.score.articulation.opening, len(spoken.samples))
    assert np.corrcoef(opening, _envelope(spoken.samples))[0, 1] > 0.6


@pytest.mark.parametrize("identity", SPEAKERS)
def test_closed_mouth_is_silent(identity):
    spoken = _spoken(identity)
    opening = _on_samples(spoken.score.articulation.opening, len(spoken.samples))
    ring = round(0.03 * RATE_HZ)  # the vocal tract rings on for a moment
    lately_open = np.convolve(opening > 0.01, np.ones(2 * ring + 1), "same") > 0
    shut = spoken.samples[~lately_open]
    assert len(shut) > 0.05 * len(spoken.samples)
    assert np.sqrt(np.mean(shut**2)) < 1e-3 * FULL_VOWEL_RMS


@pytest.mark.parametrize("identity", SPEAKERS)
def test_syllables_come_three_to_six_times_a_second(identity):
    speaker = Speaker.of(identity)
    score = write_score(generator("test", identity), 10.0, speaker.syllable_rate_hz)
    gaps = np.diff(score.syllables)
    assert 3 <= 1 / np.median(gaps) <= 6


@pytest.mark.parametrize("identity", SPEAKERS)
def test_pitch_of_the_sound_is_the_pitch_of_the_plan(identity):
    spoken = _spoken(identity)
    voiced = _on_samples(spoken.score.voiced, len(spoken.samples))
    planned = _on_samples(spoken.f0_hz, len(spoken.samples))
    errors = []
    for start in range(0, len(voiced) - 800, 400):
        piece = slice(start, start + 800)
        if voiced[piece].min() > 0.5:
            lag = _period_samples(spoken.samples[piece].astype(np.float64))
            errors.append(abs(RATE_HZ / lag / planned[piece].mean() - 1))
    assert len(errors) > 10
    assert np.median(errors) < 0.03


def _period_samples(piece):
    """The lag of 2.5 to 16.7 ms (60 to 400 Hz) of best normalised autocorrelation, the shortest of the nearly best."""
    lags = np.arange(RATE_HZ // 400, RATE_HZ // 60)
    scores = np.array([np.dot(piece[lag:], piece[:-lag]) / np.linalg.norm(piece[lag:]) / np.linalg.norm(piece[:-lag]) for lag in lags])
    peaks = [i for i in range(1, len(lags) - 1) if scores[i - 1] <= scores[i] >= scores[i + 1] and scores[i] > 0.9 * scores.max()]
    return lags[peaks[0]]


def test_pitches_of_speakers_span_men_and_women():
    pitches = [Speaker.of(identity).f0_hz for identity in range(200)]
    assert 85 <= min(pitches) < 100
    assert 260 < max(pitches) <= 280


def test_full_vowel_is_equally_loud_at_every_sample_rate():
    speaker = Speaker.of(5)
    levels = [np.sqrt(np.mean(speak(speaker, 2.0, rate_hz, 9).samples ** 2)) for rate_hz in (16000, 48000)]
    assert abs(20 * np.log10(levels[0] / levels[1])) < 1.0


def test_sound_sets_in_after_the_mouth_opens():
    score = speak(Speaker.of(1004), 3.0, RATE_HZ, 2).score
    loud = np.hypot(np.hypot(score.voiced, score.breath), score.friction)
    assert np.all(loud[score.articulation.opening <= 0.01] == 0)
