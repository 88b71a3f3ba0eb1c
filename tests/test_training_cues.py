"""Cues in place of pictures: they say a little of the wanted sound, and of no other."""

import dataclasses
from pathlib import Path

import numpy as np
import torch

from avsep_plugin.config import SeparatorConfig
from avsep_plugin.models import checkpoint
from avsep_plugin.training.cues import noisy_cue
from avsep_plugin.training.trainer import train

from .tiny_training import TINY, recipe, weights, write_shards

BINS, FRAMES, STEPS = 65, 120, 30


def bursts(count: int) -> torch.Tensor:
    """[count, BINS, FRAMES] noise that swells and fades, each spectrum in its own way."""
    draw = torch.Generator().manual_seed(1)
    level = torch.repeat_interleave(torch.rand(count, 1, FRAMES // 12, generator=draw) * 3 - 2, 12, dim=2)
    return 10**level * torch.randn(count, BINS, FRAMES, generator=draw).to(torch.complex64)


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1])


def test_a_cue_goes_with_its_sound_and_with_no_other() -> None:
    sounds = bursts(400)
    torch.manual_seed(0)
    cue = noisy_cue(sounds, 4, STEPS)
    assert cue.shape == (400, 4, STEPS)
    levels = torch.nn.functional.adaptive_avg_pool1d(sounds.abs().square().mean(dim=1, keepdim=True).log(), STEPS)[:, 0]
    levels = levels - levels.mean(dim=1, keepdim=True)
    said = correlation(cue.mean(dim=1), levels)
    assert 0.2 < said < 0.7
    assert abs(correlation(cue.mean(dim=1), levels.roll(1, dims=0))) < 0.05


def test_some_cues_say_nothing_and_some_more_than_others() -> None:
    torch.manual_seed(0)
    cue = noisy_cue(bursts(400), 4, STEPS)
    blank = ~cue.flatten(1).any(dim=1)
    assert 20 < int(blank.sum()) < 65
    spread = cue[~blank].std(dim=(1, 2))
    assert float(spread.max()) > 2 * float(spread.min())


def test_the_cue_of_silence_is_finite() -> None:
    torch.manual_seed(0)
    assert torch.isfinite(noisy_cue(torch.zeros(50, BINS, FRAMES, dtype=torch.complex64), 4, STEPS)).all()


def test_a_network_learns_to_follow_and_hands_on_what_a_seeing_one_can_use(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "shards")
    listener = dataclasses.replace(TINY, separator=SeparatorConfig("recurrent", "mask", 8, 1, False, "mean", cue_bands=3))
    data = dataclasses.replace(recipe().data, corpora={"hum": 1.0}, interferers={"talk": 1.0})
    short = dataclasses.replace(recipe(), model=listener, data=data)
    whole = train(short, [shards], tmp_path / "whole", device="cpu")
    train(short, [shards], tmp_path / "parts", device="cpu", stop_after=3)
    again = train(short, [shards], tmp_path / "parts", device="cpu")
    learnt = weights(whole)
    assert all(torch.equal(tensor, weights(again)[name]) for name, tensor in learnt.items())
    seeing = checkpoint.build(TINY)
    fresh = checkpoint.load_shared(seeing, learnt)
    assert torch.equal(seeing.state_dict()["gen.gru.weight_ih_l0"], learnt["gen.gru.weight_ih_l0"])
    assert {name.split(".")[0] for name in fresh} == {"fused", "joint", "gen"}
    assert {name for name in fresh if name.startswith("gen")} == {"gen.see.0.weight", "gen.see.0.bias"}
