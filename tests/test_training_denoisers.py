"""Denoisers that stand beside ours in the evaluation."""

import numpy as np
import pytest
import torch
from torch import Tensor

from avsep_plugin.errors import ConfigError
from avsep_plugin.training import denoisers
from avsep_plugin.training.denoisers import DENOISERS, aligned, denoise
from avsep_plugin.training.metrics import si_sdr

RATE = 16_000


def bursts(seconds: float = 3.0) -> Tensor:
    """Something like syllables: a hundred harmonics of 140 Hz, on and off."""
    time = torch.arange(round(seconds * RATE)) / RATE
    tone = sum(torch.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 30))
    return 0.1 * tone * (torch.sin(2 * np.pi * 2 * time) > 0)


def hiss(seed: int, scale: float = 0.03) -> Tensor:
    return scale * torch.randn(bursts().shape[0], generator=torch.Generator().manual_seed(seed))


@pytest.mark.filterwarnings("default")  # libraries of others
@pytest.mark.parametrize("name", DENOISERS)
def test_a_denoiser_gives_a_sound_of_the_same_length_in_its_place(name: str) -> None:
    mixture = bursts() + hiss(0)
    given = denoise(name, mixture, RATE)
    assert (given.shape, given.dtype) == (mixture.shape, torch.float32)
    alike = [float((given.roll(-late) * mixture).sum()) for late in range(-40, 41)]
    assert int(np.argmax(alike)) == 40


@pytest.mark.filterwarnings("default")
def test_noise_gets_less_where_there_is_no_voice() -> None:
    mixture = bursts() + hiss(1, 0.02)
    quiet = bursts() == 0
    for name in ("noisereduce", "rnnoise"):
        assert denoise(name, mixture, RATE)[quiet].square().mean() < 0.5 * mixture[quiet].square().mean()


@pytest.mark.parametrize("late", [-37, 0, 480])
def test_a_delay_is_found_and_taken_back(late: int) -> None:
    sound = hiss(2)
    moved = torch.nn.functional.pad(sound, (late, 0)) if late > 0 else sound[-late:]
    assert si_sdr(aligned(moved, sound, 800), sound) > 20


def test_silence_stays_silence() -> None:
    assert not denoise("afftdn", torch.zeros(RATE), RATE).any()


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoisers.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"'rnnoise' needs pyrnnoise.*\[evaluate\]"):
        denoise("rnnoise", bursts(), RATE)
