"""Loudness, peak and clipping by closed forms: EBU Tech 3341 says what a sine of 1 kHz has to give."""

import numpy as np
import pytest

from avsep_plugin.clip import Float32
from avsep_plugin.media.loudness import Loudness, LoudnessMeter


def sine(seconds: float, level_db: float, channels: int = 2, rate: int = 48000) -> Float32:
    time = np.arange(round(seconds * rate)) / rate
    return np.repeat((10 ** (level_db / 20) * np.sin(2 * np.pi * 997 * time))[None], channels, axis=0).astype(np.float32)


def measured(sound: Float32, rate: int = 48000, block: int = 10**9) -> Loudness:
    meter = LoudnessMeter(rate, sound.shape[0])
    for start in range(0, sound.shape[1], block):
        meter.add(sound[:, start : start + block])
    return meter.result()


@pytest.mark.parametrize("level", [-23.0, -33.0, -40.0])
@pytest.mark.parametrize("rate", [8000, 44100, 48000, 96000])
def test_a_stereo_sine_is_as_loud_as_its_level(level: float, rate: int) -> None:
    assert measured(sine(3, level, rate=rate), rate).integrated_lufs == pytest.approx(level, abs=0.1)


def test_a_mono_sine_is_three_decibels_softer() -> None:
    assert measured(sine(3, -20, channels=1)).integrated_lufs == pytest.approx(-23.01, abs=0.1)


def test_pauses_do_not_count() -> None:
    sound = np.concatenate([sine(3, -23), np.zeros((2, 10 * 48000), np.float32)], axis=1)
    assert measured(sound).integrated_lufs == pytest.approx(-23, abs=0.3)


@pytest.mark.parametrize("block", [13, 997, 48000])
def test_the_result_does_not_depend_on_the_blocks(block: int) -> None:
    sound = np.random.default_rng(0).normal(scale=0.6, size=(2, 24000)).astype(np.float32)
    assert measured(sound, block=block) == measured(sound)


@pytest.mark.parametrize("seconds", [0, 0.1, 0.39])
def test_a_sound_shorter_than_a_block_has_no_loudness(seconds: float) -> None:
    assert measured(sine(seconds, -20)).integrated_lufs is None


def test_a_block_is_enough() -> None:
    assert measured(sine(0.4, -20)).integrated_lufs == pytest.approx(-20, abs=0.2)


def test_silence_has_neither_loudness_nor_peak() -> None:
    assert measured(np.zeros((2, 48000), np.float32)) == Loudness(None, None, 0)


def test_the_peak_is_that_of_the_largest_sample() -> None:
    sound = sine(1, -20)
    sound[1, 777] = -0.5
    assert measured(sound).peak_dbfs == pytest.approx(-6.0206, abs=1e-3)


@pytest.mark.parametrize("block", [1, 2, 3, 5, 10**9])
def test_three_samples_at_full_scale_are_one_clipped_place(block: int) -> None:
    sound = np.zeros((2, 4000), np.float32)
    sound[0, 10:13], sound[0, 20:22], sound[1, 0:9], sound[1, 100:103], sound[1, 104:107] = 1, 1, -1, 1, 1.5
    assert measured(sound[:, :200], block=block).clipped_places == 4


def test_more_channels_than_a_loudness_is_defined_for() -> None:
    found = measured(sine(1, -6, channels=12))
    assert (found.integrated_lufs, round(found.peak_dbfs or 0, 1)) == (None, -6.0)


def test_values_that_are_not_numbers_count_as_silence() -> None:
    sound = sine(1, -20)
    sound[:, 100] = np.nan
    assert measured(sound).integrated_lufs == pytest.approx(-20, abs=0.1)
