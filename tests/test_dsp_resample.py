"""Change of sample rate: tones stay tones, at the same time and level."""

import math

import pytest
import torch

from avsep_plugin.dsp.resample import resample


def tone(frequency_hz: float, rate_hz: int, seconds: float = 0.5) -> torch.Tensor:
    time = torch.arange(int(rate_hz * seconds), dtype=torch.float64) / rate_hz
    return torch.sin(2 * math.pi * frequency_hz * time).float()


@pytest.mark.parametrize(("from_hz", "to_hz"), [(48000, 21000), (44100, 21000), (21000, 48000), (8000, 21000), (192000, 16000)])
def test_a_tone_comes_out_as_the_same_tone_at_the_same_time(from_hz: int, to_hz: int) -> None:
    inside = slice(to_hz // 20, -to_hz // 20)
    torch.testing.assert_close(resample(tone(1000, from_hz), from_hz, to_hz)[inside], tone(1000, to_hz)[inside], rtol=0, atol=2e-3)


def test_what_the_new_rate_cannot_carry_is_removed() -> None:
    assert resample(tone(15000, 48000), 48000, 21000)[1000:-1000].abs().max() < 0.02


@pytest.mark.parametrize(
    ("samples", "from_hz", "to_hz"), [(48000, 48000, 21000), (1, 48000, 21000), (1001, 44100, 21000), (999, 21000, 44100)]
)
def test_length_is_rounded_up(samples: int, from_hz: int, to_hz: int) -> None:
    assert resample(torch.zeros(2, samples), from_hz, to_hz).shape == (2, math.ceil(samples * to_hz / from_hz))


def test_rates_without_a_common_divisor_need_no_giant_filter() -> None:
    inside = slice(800, -800)
    torch.testing.assert_close(resample(tone(440, 44099), 44099, 16000)[inside], tone(440, 16000)[inside], rtol=0, atol=3e-3)


def test_nothing_stays_nothing() -> None:
    assert resample(torch.zeros(2, 0), 44100, 16000).shape == (2, 0)


def test_the_same_rate_changes_nothing() -> None:
    x = torch.randn(2, 100)
    assert resample(x, 44100, 44100) is x


def test_silence_stays_silent() -> None:
    assert torch.count_nonzero(resample(torch.zeros(1, 500), 48000, 21000)) == 0
