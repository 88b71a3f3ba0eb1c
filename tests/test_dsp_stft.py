"""Short-time Fourier transform: framing, perfect reconstruction, and the level of the original's raw inverse."""

import math

import numpy as np
import pytest
import torch

from avsep_plugin.config import StftConfig
from avsep_plugin.dsp.stft import analyse, overlap_add, synthesise

PUBLISHED = StftConfig()


@pytest.mark.parametrize(("samples", "frames"), [(44144, 128), (87588, 257), (173774, 514), (1344, 1), (1679, 1), (1680, 2)])
def test_number_of_frames(samples: int, frames: int) -> None:
    assert PUBLISHED.frame_count(samples) == frames
    assert analyse(torch.zeros(samples), PUBLISHED).shape == (1025, frames)


def test_a_frame_is_the_zero_padded_spectrum_of_its_windowed_samples() -> None:
    x = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1344) / 1344)
    expected = np.fft.rfft(x.double().numpy()[672 : 672 + 1344] * window, n=2048)
    np.testing.assert_allclose(analyse(x, PUBLISHED)[:, 2].numpy(), expected, atol=2e-5)


def test_a_tone_is_in_its_bin_with_half_the_window_as_level() -> None:
    time = torch.arange(1344, dtype=torch.float64)
    tone = torch.cos(2 * math.pi * 100 / 2048 * time).float()
    spectrum = analyse(tone, PUBLISHED)[:, 0].abs()
    assert spectrum.argmax() == 100
    assert spectrum[100].item() == pytest.approx(1344 / 4, rel=1e-3)


@pytest.mark.parametrize("config", [PUBLISHED, StftConfig(512, 128, 512), StftConfig(640, 160, 640), StftConfig(300, 75, 512)])
def test_analysis_then_synthesis_is_the_identity(config: StftConfig) -> None:
    """Divided by the summed squared window. The very first sample has the window's zero on it and nothing else, so it is lost."""
    samples = 20 * config.hop_samples + config.frame_samples
    x = torch.randn(2, samples, generator=torch.Generator().manual_seed(0))
    y = synthesise(analyse(x, config), config)
    assert y.shape == x.shape
    inside = slice(config.frame_samples, -config.frame_samples)
    torch.testing.assert_close(y[:, inside], x[:, inside], rtol=0, atol=2e-6)
    torch.testing.assert_close(y[:, 32:-32], x[:, 32:-32], rtol=0, atol=1e-2)


def raw_gain(samples: int) -> torch.Tensor:
    """What the raw inverse makes of a constant 1."""
    return synthesise(analyse(torch.ones(samples), PUBLISHED), PUBLISHED, raw=True)


@pytest.mark.parametrize(("sample", "gain"), [(336, 0.25), (672, 1.25), (1008, 1.5), (10000, 1.5), (20001, 1.5)])
def test_the_raw_inverse_is_one_and_a_half_times_as_loud_and_ramps_up(sample: int, gain: float) -> None:
    assert raw_gain(44144)[sample].item() == pytest.approx(gain, abs=1e-5)


def test_the_raw_inverse_ramps_down_as_it_ramps_up() -> None:
    gain = raw_gain(44144)
    torch.testing.assert_close(gain[1:].flip(0), gain[1:], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("frames", "samples"), [(128, 44016), (512, 173040)])
def test_length_of_a_synthesis(frames: int, samples: int) -> None:
    assert synthesise(torch.zeros(1025, frames, dtype=torch.complex64), PUBLISHED).shape == (samples,)


def test_silence_stays_silence() -> None:
    assert torch.count_nonzero(synthesise(analyse(torch.zeros(5000), PUBLISHED), PUBLISHED)) == 0


def test_leading_axes_are_kept_apart() -> None:
    x = torch.randn(2, 3, 5000, generator=torch.Generator().manual_seed(0))
    together = synthesise(analyse(x, PUBLISHED), PUBLISHED)
    torch.testing.assert_close(together[1, 2], synthesise(analyse(x[1, 2], PUBLISHED), PUBLISHED))


def test_overlap_add_of_ones_counts_the_frames_over_each_sample() -> None:
    assert overlap_add(torch.ones(3, 4), 2).tolist() == [1, 1, 2, 2, 2, 2, 1, 1]


def test_gradients_flow_through_both_transforms() -> None:
    x = torch.randn(3000, requires_grad=True)
    (gradient,) = torch.autograd.grad(synthesise(analyse(x, PUBLISHED), PUBLISHED)[1344:1600].sum(), x)
    torch.testing.assert_close(gradient[1344:1600], torch.ones(256), rtol=0, atol=1e-4)
