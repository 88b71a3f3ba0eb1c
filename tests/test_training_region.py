"""The evaluation of the region: two people side by side, told apart by the half that is shown."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avsep_plugin.cli.main import run
from avsep_plugin.config import ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.training.evaluate_region import evaluate_region, own_minus_other
from avsep_plugin.training.mixtures import MixtureRow, fixed, write_list

RATE = 8000
CONFIG = ModelConfig(
    sample_rate_hz=RATE,
    picture=PictureConfig(frame_rate=Fraction(25), stored_size=8, crop_size=8),
    stft=StftConfig(256, 64, 256),
    window=WindowConfig(hop_frames=12, context_frames=4, fixed=False),
)


class BrightnessMask(nn.Module):
    """A bright picture keeps the low half of the band on screen, a dark one the high half."""

    def __init__(self) -> None:
        super().__init__()
        self.config = CONFIG
        self.weight = nn.Parameter(torch.zeros(1))

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        low = (torch.arange(CONFIG.stft.bins) < CONFIG.stft.bins // 2).float()
        mask = low if frames.float().mean() > 150 else 1 - low
        return mask[None, :, None].expand(1, -1, CONFIG.stft.frame_count(audio.shape[-1]))


def write_clip(path: Path, frequency_hz: float, brightness: int) -> None:
    """One second of a loud tone, two of which are beyond full scale together, under a grey picture."""
    sound = (25000 * np.sin(2 * np.pi * frequency_hz * np.arange(RATE) / RATE)).astype(np.int16)
    with av.open(path, "w") as container:
        picture = container.add_stream("rawvideo", rate=25)
        picture.width, picture.height, picture.pix_fmt = 24, 16, "rgb24"
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for _ in range(25):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.full((16, 24, 3), brightness, np.uint8), format="rgb24")))
        samples = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        samples.sample_rate = RATE
        container.mux([*track.encode(samples), *picture.encode(), *track.encode()])


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    """A list of one pair: a low, bright voice on the left, a high, dark one on the right."""
    write_clip(tmp_path / "low.mov", 600, 250)
    write_clip(tmp_path / "high.mov", 3000, 10)
    row = MixtureRow("pair", "low.mov", 0.0, "high.mov", 0.0, "low.mov", 1.0, 0.0, "L", "H", "T")
    noise = MixtureRow("noise", "low.mov", 0.0, "noise/high.mov", 0.0, "low.mov", 1.0, 0.0, "L", "Hiss", "T")
    write_list(tmp_path / "pairs.tsv", [row, noise])
    return str(tmp_path / "pairs.tsv")


def test_the_own_half_gives_the_own_voice_and_the_other_half_the_other(pairs: str, tmp_path: Path) -> None:
    model: Any = BrightnessMask()
    before = sorted(path.name for path in tmp_path.iterdir())
    results = evaluate_region(tmp_path, model, tmp_path / "out", fixed([pairs]))
    assert results.kinds() == ["pair"]
    means = {row: results.mean("pair", row, "right_voice") for row in ("own", "other")}
    assert {row: (mean.value, mean.n) for row, mean in means.items() if mean} == {"own": (100, 2), "other": (0, 2)}
    assert own_minus_other(results, "pair").value > 30
    for row, gain in (("mixture", 0), ("oracle", 30), ("own", 15)):
        mean = results.mean("pair", row, "si_sdr_improvement")
        assert mean is not None
        assert mean.value >= gain
    assert "Own half minus other half: +" in (tmp_path / "out" / "region.md").read_text()
    assert len(json.loads((tmp_path / "out" / "region.json").read_text())) == 2 * 5
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "out"])


def test_the_command_runs_it(pairs: str, tmp_path: Path, tiny_models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    line = ["evaluate", str(tmp_path), "-o", str(tmp_path / "out"), "--task", "region", "--lists", pairs, "--limit", "2", "-d", "cpu"]
    assert run([*line, "--model", str(tiny_models["separate"])]) == 0
    assert "| own half |" in capsys.readouterr().out
