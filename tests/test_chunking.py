"""Whatever the pieces, cuts and parts are, the result is that of one piece: properties that hypothesis looks for an exception to."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from broken import RATE_HZ, Quarter, quarter, write_clip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from avsep_plugin.dsp.shots import Shots
from avsep_plugin.files import SeparateFileOptions, separate_file
from avsep_plugin.media.read import AudioReader
from avsep_plugin.pipeline import SeparateOptions, reconstruct, separate

SAMPLES = 30_011
RATES = st.sampled_from([8000, 11025, 16000, 44100])
SIZES = st.lists(st.integers(0, 9000), max_size=12)
"""Lengths of the pieces; what is left comes as the last one."""
often = settings(derandomize=True, deadline=None, max_examples=40)


class Moody(Quarter):
    """A mask that depends on what is heard and on what is seen, so that a window in the wrong place shows."""

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        seen = frames.float().mean() / 255
        return super().masks(frames, audio) * (1 + seen) * (1 + audio.abs().mean()).clamp(max=2)

    def original(self, frames: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        seen = frames.float().mean() / 255
        return audio[:, 0] * seen, audio[:, 0] * (1 - seen)


def moody() -> Any:
    return Moody()


def noise(channels: int) -> Tensor:
    return 0.1 * torch.randn(channels, SAMPLES, generator=torch.Generator().manual_seed(channels))


def numbered(start: int, count: int) -> Tensor:
    """Pictures filled with their own number."""
    return (torch.arange(start, start + count) % 256).to(torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 8, 8, 3)


def pieces(sound: Tensor, sizes: list[int]) -> Iterator[Tensor]:
    start = 0
    for size in sizes:
        yield sound[:, start : start + size]
        start += size
    yield sound[:, start:]


def joined(parts: Iterator[Any]) -> list[Tensor]:
    return [torch.cat(which, dim=1) for which in zip(*parts, strict=True)]


@st.composite
def some_shots(draw: Callable[..., Any]) -> Shots:
    cuts = tuple(sorted(draw(st.sets(st.fractions(Fraction(1, 10), 4, max_denominator=1000), max_size=4))))
    untouched = draw(st.sets(st.integers(0, len(cuts))))
    return Shots(cuts, frozenset(untouched))


@often
@given(SIZES, RATES, st.sampled_from([1, 2, 6]), some_shots())
def test_pieces_change_nothing_whatever_the_cuts(sizes: list[int], rate: int, channels: int, shots: Shots) -> None:
    sound = noise(channels)
    whole = joined(separate(moody(), [sound], rate, numbered, shots=shots))
    split = joined(separate(moody(), pieces(sound, sizes), rate, numbered, shots=shots))
    assert torch.equal(whole[0], sound)
    assert all(torch.equal(one, other) for one, other in zip(whole, split, strict=True))


@often
@given(SIZES, RATES)
def test_pieces_change_nothing_of_the_original_reconstruction(sizes: list[int], rate: int) -> None:
    whole = joined(reconstruct(moody(), [noise(1)], rate, numbered, SeparateOptions(reconstruction="original")))
    split = joined(reconstruct(moody(), pieces(noise(1), sizes), rate, numbered, SeparateOptions(reconstruction="original")))
    assert all(torch.equal(one, other) for one, other in zip(whole, split, strict=True))


@often
@given(some_shots(), RATES)
def test_the_cuts_share_out_every_sample(shots: Shots, rate: int) -> None:
    """A shot that is left untouched is the mixture, bit by bit, away from its ends."""
    sound = noise(1)
    mixture, on = joined(separate(moody(), [sound], rate, numbered, shots=shots))
    assert torch.equal(mixture, sound)
    ends = [0, *(round(cut * rate) for cut in shots.cuts_seconds), SAMPLES + rate]
    for number in shots.untouched:
        inside = slice(ends[number] + rate // 4, max(min(ends[number + 1] - rate // 4, SAMPLES), 0))
        assert torch.equal(on[:, inside], sound[:, inside])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds."""
    return write_clip(tmp_path_factory.mktemp("clip") / "a.mkv", "mkv", pictures=50, samples=2 * RATE_HZ)


@settings(derandomize=True, deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=30))
def test_reads_of_any_lengths_give_the_same_sound(clip: Path, sizes: list[int]) -> None:
    with AudioReader(clip) as reader:
        whole = reader.read(10**6)
    with AudioReader(clip) as reader:
        split = np.concatenate([*(reader.read(size) for size in sizes), reader.read(10**6)], axis=1)
    assert np.array_equal(whole, split)


@settings(derandomize=True, deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1800), st.integers(50, 2000), st.integers(0, 300))
def test_a_part_is_cut_out_of_the_mixture_to_the_sample(
    clip: Path, tmp_path_factory: pytest.TempPathFactory, start: int, length: int, handles: int
) -> None:
    part = SeparateFileOptions(
        deliver=("stems",), start=f"{start / 1000:.3f}", end=f"{(start + length) / 1000:.3f}", handles_seconds=handles / 1000, shots=False
    )
    outputs = separate_file(clip, tmp_path_factory.mktemp("out"), quarter(), part).outputs
    with AudioReader(clip) as reader, AudioReader(outputs["on"]) as on, AudioReader(outputs["off"]) as off:
        sound = reader.read(10**6)
        first, stop = (max(0, start - handles) * RATE_HZ // 1000, (start + length + handles) * RATE_HZ // 1000)
        assert np.array_equal(on.read(10**6) + off.read(10**6), sound[:, first:stop])
