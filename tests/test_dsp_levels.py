"""Levels: RMS, decibels, SI-SDR."""

import pytest
import torch

from avsep_plugin.dsp.levels import decibels, set_rms, si_sdr


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_every_channel_gets_the_rms() -> None:
    levelled, _ = set_rms(noise(2, 1000) * torch.tensor([[3.0], [0.01]]), 0.1)
    torch.testing.assert_close(levelled.square().mean(-1).sqrt(), torch.full((2,), 0.1))


def test_the_gain_is_what_was_applied() -> None:
    x = noise(3, 2, 1000)
    levelled, gain = set_rms(x, 0.1)
    assert gain.shape == (3, 2, 1)
    torch.testing.assert_close(x * gain, levelled)


def test_silence_keeps_being_silent() -> None:
    levelled, gain = set_rms(torch.zeros(2, 100), 0.1)
    assert torch.count_nonzero(levelled) == 0
    assert torch.all(gain.isfinite())


def test_what_is_under_the_floor_is_raised_as_if_it_were_there() -> None:
    levelled, _ = set_rms(torch.full((1, 100), 1e-5), 0.1)
    torch.testing.assert_close(levelled, torch.full((1, 100), 0.01))


@pytest.mark.parametrize(("magnitude", "level"), [(1.0, 0.0), (10.0, 20.0), (0.0, -100.0), (1e-7, -100.0)])
def test_decibels(magnitude: float, level: float) -> None:
    assert decibels(torch.tensor(magnitude)).item() == pytest.approx(level, abs=1e-4)


@pytest.mark.parametrize("level_db", [-10.0, 0.0, 17.0])
def test_orthogonal_noise_at_a_level_gives_that_si_sdr(level_db: float) -> None:
    phase = torch.arange(1000) * 2 * torch.pi / 100
    estimate = phase.sin() + 10 ** (-level_db / 20) * phase.cos()
    assert si_sdr(estimate, phase.sin()).item() == pytest.approx(level_db, abs=1e-3)


def test_si_sdr_does_not_depend_on_scale_or_offset() -> None:
    reference, estimate = noise(2, 1000)
    torch.testing.assert_close(si_sdr(3 * estimate + 5, 0.1 * reference - 1), si_sdr(estimate, reference), rtol=0, atol=1e-3)


def test_si_sdr_of_the_reference_itself_is_high() -> None:
    assert si_sdr(noise(1000), noise(1000)) > 90


def test_si_sdr_of_silence_is_finite() -> None:
    assert si_sdr(torch.zeros(1000), noise(1000)).isfinite()
