"""The pipeline over shots, with a fake network: exact stems, nothing across a cut, shots that are left alone."""

import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avsep_plugin.config import ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.dsp.shots import ONE_SHOT, Shots
from avsep_plugin.dsp.stft import analyse
from avsep_plugin.pipeline import DEFAULTS, SeparateOptions, separate

RATE = 16000
STFT = StftConfig(512, 128, 512)
CUTS = (Fraction(17, 25), Fraction(38, 25))
OVERLAP = 1024
"""Native samples around a cut that the cross-fade may touch: one frame of the native STFT."""


class Loudness(nn.Module):
    """Keeps what is louder than the window's average, more of it where the picture is bright."""

    def __init__(self, fixed: bool) -> None:
        super().__init__()
        self.config = ModelConfig(
            sample_rate_hz=8000,
            input_rms=0.1,
            stft=STFT,
            picture=PictureConfig(frame_rate=Fraction(25), stored_size=4, crop_size=4),
            window=WindowConfig(12, 4, fixed),
        )
        self.anchor = nn.Parameter(torch.zeros(1))
        self.seen: list[list[int]] = []

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        self.seen.append(frames[0, :, 0, 0, 0].tolist())
        magnitude = analyse(audio.mean(dim=1), STFT).abs()
        return magnitude / (magnitude + magnitude.mean() * (1 + frames.float().mean() / 255) + 1e-9)


class Silencer(Loudness):
    """Nothing is on screen."""

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        return torch.zeros_like(super().masks(frames, audio))


def noise(samples: int, seed: int = 0, level: float = 0.1) -> Tensor:
    return level * torch.randn(2, samples, generator=torch.Generator().manual_seed(seed))


def numbered(start: int, count: int) -> Tensor:
    return torch.arange(start, start + count, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 4, 4, 3)


def on_of(
    model: nn.Module, sound: Tensor, shots: Shots = ONE_SHOT, options: SeparateOptions = DEFAULTS, pictures: Any = numbered
) -> Tensor:
    fake: Any = model
    return torch.cat([block.on for block in separate(fake, [sound], RATE, pictures, options, shots=shots)], dim=1)


def pieces(sound: Tensor, seed: int) -> Iterator[Tensor]:
    chooser, start = random.Random(seed), 0
    while start < sound.shape[1]:
        stop = start + chooser.choice([0, 1, 7, 100, 1000, 5000])
        yield sound[:, start:stop]
        start = stop


@pytest.mark.parametrize("fixed", [True, False])
def test_no_window_sees_a_picture_of_another_shot(fixed: bool) -> None:
    model = Loudness(fixed)
    on_of(model, noise(2 * RATE), Shots(CUTS))
    bounds = [(0, 16), (0, 16), (17, 37), (17, 37), (38, 255)]
    assert all(low <= min(seen) and max(seen) <= high for seen, (low, high) in zip(model.seen, bounds, strict=True))
    assert all(len(seen) == 20 for seen in model.seen) == fixed


@pytest.mark.parametrize("fixed", [True, False])
def test_other_shots_change_nothing_of_a_shot(fixed: bool) -> None:
    """Sound and picture of the first and last shot are others; the middle one must not notice, beyond the cross-fade at its ends."""
    sound, other = noise(2 * RATE), noise(2 * RATE, seed=1, level=0.5)
    start, stop = (round(cut * RATE) for cut in CUTS)
    other[:, start:stop] = sound[:, start:stop]

    def elsewhere_bright(first: int, count: int) -> Tensor:
        frames = numbered(first, count).clone()
        outside = [number for number in range(first, first + count) if not 17 <= number < 38]
        frames[[number - first for number in outside]] = 255
        return frames

    inside = slice(start + OVERLAP, stop - OVERLAP)
    ons = [on_of(Loudness(fixed), x, Shots(CUTS), pictures=p)[:, inside] for x, p in ((sound, numbered), (other, elsewhere_bright))]
    assert torch.equal(*ons)
    without = [on_of(Loudness(fixed), x, pictures=p)[:, inside] for x, p in ((sound, numbered), (other, elsewhere_bright))]
    assert not torch.equal(*without)


@pytest.mark.parametrize("fixed", [True, False])
def test_feeding_in_pieces_changes_nothing(fixed: bool) -> None:
    sound = noise(2 * RATE + 77)
    model: Any = Loudness(fixed)
    at_once = on_of(model, sound, Shots(CUTS))
    for seed in range(2):
        parts = [block.on for block in separate(model, pieces(sound, seed), RATE, numbered, shots=Shots(CUTS))]
        assert torch.equal(torch.cat(parts, dim=1), at_once)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_cut_after_the_end_gives_the_same_samples(fixed: bool) -> None:
    sound = noise(RATE + 13)
    assert torch.equal(on_of(Loudness(fixed), sound), on_of(Loudness(fixed), sound, Shots((Fraction(3),))))


def test_an_untouched_shot_keeps_all_of_its_sound_and_the_others_do_not() -> None:
    sound = noise(2 * RATE)
    model = Silencer(False)
    on = on_of(model, sound, Shots(CUTS, frozenset({1})), SeparateOptions(highs="cut"))
    start, stop = (round(cut * RATE) for cut in CUTS)
    assert torch.equal(on[:, start + OVERLAP : stop - OVERLAP], sound[:, start + OVERLAP : stop - OVERLAP])
    assert on[:, : start - OVERLAP].abs().max() < 1e-6
    assert on[:, stop + OVERLAP :].abs().max() < 1e-6
    assert len(model.seen) == 3


def test_a_file_left_untouched_is_the_mixture_bit_by_bit() -> None:
    sound = noise(2 * RATE)
    model = Silencer(True)
    assert torch.equal(on_of(model, sound, Shots(CUTS, frozenset({0, 1, 2}))), sound)
    assert model.seen == []


def test_memory_does_not_grow_with_the_length() -> None:
    read, ahead, done = 0, 0, 0

    def endless() -> Iterator[Tensor]:
        nonlocal read
        for number in range(100):
            read += 1600
            yield noise(1600, seed=number)

    model: Any = Loudness(False)
    cuts = tuple(Fraction(number, 3) for number in range(1, 30))
    for block in separate(model, endless(), RATE, lambda start, count: numbered(start % 200, count), shots=Shots(cuts)):
        done += block.on.shape[1]
        ahead = max(ahead, read - done)
    assert done == 100 * 1600
    assert ahead < 3 * RATE * 20 / 25
