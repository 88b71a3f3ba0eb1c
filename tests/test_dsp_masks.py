"""Masks: constants survive exactly, times and frequencies line up, the highs do as they are told."""

import pytest
import torch

from avsep_plugin.config import StftConfig
from avsep_plugin.dsp.masks import Highs, MaskGrid, interpolate, ratio_mask
from avsep_plugin.dsp.windows import Span, native_stft

MODEL = StftConfig()
MODEL_RATE = 21000
FIRST_FRAMES = Span(0, 20)


def lay(mask: torch.Tensor, rate: int, highs: Highs = "follow", start: int = 0, frames: Span = FIRST_FRAMES) -> torch.Tensor:
    return MaskGrid(MODEL, MODEL_RATE, native_stft(MODEL, MODEL_RATE, rate), rate, highs).lay(mask, start, frames)


def frequencies(rate: int) -> torch.Tensor:
    native = native_stft(MODEL, MODEL_RATE, rate)
    return torch.arange(native.bins) * rate / native.fft_size


@pytest.mark.parametrize("rate", [8000, 11025, 21000, 44100, 48000, 96000])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_mask_stays_exactly_constant(rate: int, value: float) -> None:
    laid = lay(torch.full((MODEL.bins, 30), value), rate)
    assert torch.equal(laid, torch.full_like(laid, value))


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_linear_mask_in_time_is_read_at_the_centre_of_the_native_frame(rate: int) -> None:
    start = 5000
    ramp = (torch.arange(100) / 100).expand(MODEL.bins, -1)
    native = native_stft(MODEL, MODEL_RATE, rate)
    frames = Span(40, 90)
    centre_seconds = (torch.arange(40, 90) * native.hop_samples + native.frame_samples / 2) / rate
    expected = (centre_seconds * MODEL_RATE - start - MODEL.frame_samples / 2) / MODEL.hop_samples / 100
    assert torch.allclose(lay(ramp, rate, start=start, frames=frames)[10], expected.clamp(0, 0.99), atol=1e-5)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_linear_mask_in_frequency_is_read_at_the_native_bin(rate: int) -> None:
    ramp = torch.linspace(0, 1, MODEL.bins)[:, None].expand(-1, 30)
    hz = frequencies(rate)
    heard = hz < 9900
    assert torch.allclose(lay(ramp, rate)[heard, 3], hz[heard] / (MODEL_RATE / 2), atol=1e-5)


@pytest.mark.parametrize(("highs", "expected"), [("keep", 1.0), ("cut", 0.0), ("follow", 0.25)])
def test_highs(highs: Highs, expected: float) -> None:
    laid = lay(torch.full((MODEL.bins, 30), 0.25), 48000, highs)
    hz = frequencies(48000)
    assert torch.equal(laid[hz > 10500], torch.full_like(laid[hz > 10500], expected))
    assert torch.allclose(laid[hz < 9900], torch.tensor(0.25))


def test_highs_follow_the_top_of_the_mask_only() -> None:
    mask = torch.zeros(MODEL.bins, 30)
    mask[torch.arange(MODEL.bins) * MODEL_RATE / MODEL.fft_size > 8500] = 0.75
    assert torch.allclose(lay(mask, 48000)[-1], torch.tensor(0.75))


def test_the_models_unheard_nyquist_bin_does_not_matter() -> None:
    mask = torch.ones(MODEL.bins, 30)
    mask[-1] = 0.5
    assert torch.equal(lay(mask, 44100), torch.ones(native_stft(MODEL, MODEL_RATE, 44100).bins, 20))


def test_frames_beyond_the_mask_take_its_end_columns() -> None:
    mask = torch.linspace(0, 1, 10).expand(MODEL.bins, -1)
    laid = lay(mask, 44100, start=21000, frames=Span(0, 200))
    assert laid[5, 0] == 0.0
    assert laid[5, -1] == 1.0


@pytest.mark.parametrize(("on_db", "off_db", "expected"), [(0, 0, 0.5), (10, 0, 10 / 11), (-100, 80, 0.0), (80, -100, 1.0)])
def test_ratio_mask_is_the_share_of_power(on_db: float, off_db: float, expected: float) -> None:
    assert ratio_mask(torch.tensor(float(on_db)), torch.tensor(float(off_db))).item() == pytest.approx(expected, abs=1e-6)


def test_interpolation_holds_the_ends() -> None:
    values = torch.tensor([[0.0, 1.0], [10.0, 3.0]])
    positions = torch.tensor([-5.0, 0.0, 0.25, 1.0, 9.0])
    assert torch.allclose(interpolate(values, positions)[:, 0], torch.tensor([0.0, 0.0, 2.5, 10.0, 10.0]))
    assert torch.allclose(interpolate(values, positions, dim=1)[1], torch.tensor([10.0, 10.0, 8.25, 3.0, 3.0]))
