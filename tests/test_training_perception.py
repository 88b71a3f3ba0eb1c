"""PESQ, STOI, and off-screen suppression at equal damage."""

import math

import pytest
import torch
from torch import Tensor

from avsep_plugin.dsp.resample import resample
from avsep_plugin.training.perception import off_down_db, pesq, stoi

RATE = 16_000


def noise(seed: int, seconds: float = 2.0) -> Tensor:
    return 0.1 * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def half(sound: Tensor, low: bool) -> Tensor:
    """What lies below, or above, 2 kHz."""
    under = resample(resample(sound, RATE, 4000), 4000, RATE)
    return under if low else sound - under


def test_equal_damage_in_closed_form() -> None:
    """Turning everything down by g loses (1 - g)^2 of the voice's energy; at -20 dB of loss the gain is 0.9, for both sounds alike."""
    mixture = noise(0) + noise(1)
    assert off_down_db(0.2 * mixture, noise(0), noise(1), RATE, damage_db=-20) == pytest.approx(-20 * math.log10(0.9), abs=0.05)


def test_what_harms_less_is_not_turned_up() -> None:
    assert off_down_db(0.95 * (noise(0) + noise(1)), noise(0), noise(1), RATE, -20) == pytest.approx(-20 * math.log10(0.95), abs=0.05)


def test_the_unchanged_mixture_is_down_by_nothing() -> None:
    assert off_down_db(noise(0) + noise(1), noise(0), noise(1), RATE) == pytest.approx(0, abs=1e-3)


def test_a_clean_cut_takes_off_the_other_sound_only() -> None:
    target, interferer = half(noise(0), low=True), half(noise(1), low=False)
    assert off_down_db(target, target, interferer, RATE) > 15
    assert off_down_db(interferer, target, interferer, RATE) == pytest.approx(0, abs=0.2)


def test_without_an_interferer_there_is_no_figure() -> None:
    assert off_down_db(noise(0), noise(0), torch.zeros(2 * RATE), RATE) is None


def test_stoi_falls_with_the_noise() -> None:
    voice = noise(0) * (torch.sin(torch.arange(2 * RATE) / RATE * 20) > 0)
    clean, little, much = (stoi(voice + gain * noise(1), voice, RATE) for gain in (0, 0.1, 1))
    assert clean == pytest.approx(1, abs=1e-3)
    assert clean > little > much


def test_too_short_for_stoi_is_no_figure() -> None:
    assert stoi(noise(0, 0.1), noise(1, 0.1), RATE) is None


def test_pesq_falls_with_the_noise() -> None:
    pytest.importorskip("pesq", reason="PESQ is an extra: it wants a C compiler")
    voice = noise(0) * (torch.sin(torch.arange(2 * RATE) / RATE * 20) > 0)
    clean, little, much = (pesq(voice + gain * noise(1), voice, RATE) for gain in (0, 0.1, 1))
    assert clean > 4.5
    assert clean > little > much >= 1


def test_pesq_of_silence_is_no_figure() -> None:
    pytest.importorskip("pesq", reason="PESQ is an extra: it wants a C compiler")
    assert pesq(torch.zeros(RATE), torch.zeros(RATE), RATE) is None
