"""The evaluation of pauses: who rests in the picture, and how far down the other voice is."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avsep_plugin.config import ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.scenes.export import write_clip
from avsep_plugin.training.evaluate_pause import PAUSE_SECONDS, Networks, PauseRecord, evaluate_pause, markdown, with_pause
from avsep_plugin.training.mixing import Mixture
from avsep_plugin.training.mixtures import MixtureRow, fixed, write_list

RATE = 8000
CONFIG = ModelConfig(
    sample_rate_hz=RATE,
    picture=PictureConfig(frame_rate=Fraction(25), stored_size=8, crop_size=8),
    stft=StftConfig(256, 64, 256),
    window=WindowConfig(hop_frames=12, context_frames=4, fixed=False),
)


class MotionMask(nn.Module):
    """Keeps everything where the picture moves, and a tenth where it stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.config = CONFIG
        self.weight = nn.Parameter(torch.zeros(1))

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        moves = frames.float().diff(dim=1).abs().mean() > 1
        return torch.full((1, CONFIG.stft.bins, CONFIG.stft.frame_count(audio.shape[-1])), 1.0 if moves else 0.1)


class Sure(nn.Module):
    """An aligner is not asked where there is no abstention; with it, this one is never asked for a picture."""

    config = CONFIG


def test_the_pause_comes_before_and_the_rest_stays_as_it_was() -> None:
    sounds = Mixture(torch.randn(1, RATE), torch.randn(1, 3 * RATE // 2)[:, :RATE], RATE)
    longer = with_pause(sounds)
    before = PAUSE_SECONDS * RATE
    assert not longer.target[:, :before].any()
    assert torch.equal(longer.target[:, before:], sounds.target)
    assert torch.equal(longer.interferer[:, before:], sounds.interferer)
    assert torch.equal(longer.interferer[:, before - 100 : before], sounds.interferer[:, -100:])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "people").mkdir()
    for name in ("one", "other"):
        frames = random.integers(0, 255, (25, 64, 64, 3), dtype=np.uint8)
        write_clip(tmp_path / "people" / f"{name}.mov", frames, Fraction(25), random.uniform(-0.3, 0.3, (1, RATE)).astype(np.float32), RATE)
    row = MixtureRow("pair", "people/one.mov", 0.0, "people/other.mov", 0.0, "people/other.mov", 1.0, 0.0, "A", "B", "B")
    write_list(tmp_path / "pair.tsv", [row])
    return tmp_path


def test_a_resting_picture_turns_the_pause_down(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avsep_plugin.training.evaluate_pause.ABSTAIN_BELOW", 0.0)
    records = evaluate_pause(data, Networks(MotionMask(), Sure()), tmp_path / "out", fixed([str(data / "pair.tsv")]))  # type: ignore[arg-type]
    down = {record.row: record.down_db for record in records}
    assert down["mixture"] == 0
    assert down["own"] == pytest.approx(20, abs=1)
    assert down["interferer"] == pytest.approx(0, abs=0.5)
    assert f"| ours, own picture | {down['own']:+.1f} [" in (tmp_path / "out" / "pause.md").read_text()
    assert (tmp_path / "out" / "pause.json").is_file()


def test_lists_have_a_table_each() -> None:
    rows = ("mixture", "own", "own, abstaining", "interferer")
    records = [PauseRecord(kind, row, "a", "b", "A>B", 1.0, 2.0) for kind in ("x", "y") for row in rows]
    assert markdown(records).count("| ours, own picture | +1.0 [+1.0, +1.0] | +2.0 [+2.0, +2.0] | 1 |") == 2
