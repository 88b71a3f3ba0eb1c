"""The evaluations: separation on lists of mixtures, alignment, localisation."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avsep_plugin.config import ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.errors import ConfigError
from avsep_plugin.training import evaluate_align
from avsep_plugin.training.align_table import Trial, Verdict
from avsep_plugin.training.evaluate import Models, evaluate, fingerprint, whole_clip
from avsep_plugin.training.evaluation_table import decibel
from avsep_plugin.training.mixtures import MixtureRow, Voice, fixed, write_list

RATE = 8000
CONFIG = ModelConfig(
    sample_rate_hz=RATE,
    picture=PictureConfig(frame_rate=Fraction(25), stored_size=8, crop_size=8),
    stft=StftConfig(256, 64, 256),
    window=WindowConfig(hop_frames=12, context_frames=4, fixed=False),
)
WHOLE = (0.0, 0.0, 1.0, 1.0)


class BrightnessMask(nn.Module):
    """A separator that reads the picture: a bright one keeps the low half of the band on screen, a dark one the high half."""

    def __init__(self) -> None:
        super().__init__()
        self.config = CONFIG
        self.weight = nn.Parameter(torch.zeros(1))
        self.calls = 0

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        self.calls += 1
        bright = frames.float().mean() > 150
        low = (torch.arange(CONFIG.stft.bins) < CONFIG.stft.bins // 2).float()
        mask = low if bright else 1 - low
        return mask[None, :, None].expand(1, -1, CONFIG.stft.frame_count(audio.shape[-1]))


def tone(frequency_hz: float, seconds: float = 1.0) -> np.ndarray:
    return (9000 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.int16)


def write_clip(path: Path, sound: np.ndarray, brightness: int) -> None:
    path.parent.mkdir(exist_ok=True)
    with av.open(path, "w") as container:
        picture = container.add_stream("rawvideo", rate=25)
        picture.width, picture.height, picture.pix_fmt = 16, 16, "rgb24"
        track = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for _ in range(25 * len(sound) // RATE):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.full((16, 16, 3), brightness, np.uint8), format="rgb24")))
        samples = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        samples.sample_rate = RATE
        container.mux(track.encode(samples))
        for stream in (picture, track):
            container.mux(stream.encode())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three people: a low, bright one, a high, dark one, and a dark third; and a high noise."""
    write_clip(tmp_path / "people/low.mov", tone(600), 250)
    write_clip(tmp_path / "people/high.mov", tone(3000), 10)
    write_clip(tmp_path / "people/third.mov", tone(1700), 10)
    write_clip(tmp_path / "noise/high.mov", tone(3100), 10)
    row = MixtureRow("pair", "people/low.mov", 0.0, "people/high.mov", 0.0, "people/third.mov", 1.0, 0.0, "L", "H", "T")
    turned = replace(
        row,
        target=row.interferer,
        interferer=row.target,
        target_speaker="H",
        interferer_speaker="L",
        third="people/low.mov",
        third_speaker="T",
    )
    write_list(tmp_path / "pair.tsv", [row, turned])
    write_list(tmp_path / "noise.tsv", [replace(row, kind="noise", interferer="noise/high.mov", interferer_speaker="Hiss")])
    return tmp_path


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Callable[..., object]:
    def start(model: nn.Module, name: str = "pair", **options: object) -> object:
        return evaluate(data, Models(model, **({"twin": options.pop("twin")} if "twin" in options else {})), tmp_path / "out",
                        fixed([str(data / f"{name}.tsv")], options.pop("limit", None)), **options)  # fmt: skip

    return start


def test_the_own_picture_gives_the_own_voice(run: Callable[..., object]) -> None:
    results = run(BrightnessMask(), rows=["own"])
    assert results.mean("pair", "own", "si_sdr_improvement").value > 15
    assert results.mean("pair", "own", "right_voice").value == 100


def test_the_interferers_picture_gives_the_other_voice(run: Callable[..., object]) -> None:
    results = run(BrightnessMask(), rows=["own", "interferer"])
    assert results.mean("pair", "interferer", "right_voice").value == 0
    assert results.own_above("pair", "interferer").value > 30


def test_the_unchanged_mixture_improves_nothing(run: Callable[..., object]) -> None:
    results = run(BrightnessMask(), rows=["mixture"])
    assert results.mean("pair", "mixture", "si_sdr_improvement").value == 0


def test_the_oracle_parts_tones(run: Callable[..., object]) -> None:
    assert run(BrightnessMask(), rows=["oracle"]).mean("pair", "oracle", "si_sdr_improvement").value > 30


def test_the_twin_is_given_the_better_assignment(run: Callable[..., object]) -> None:
    # It sees the same grey for every mixture, so it is right for one of the two rows by itself, and for both by assignment.
    results = run(BrightnessMask(), rows=["pit"], twin=BrightnessMask())
    assert results.mean("pair", "pit", "right_voice").value == 100


def test_a_noise_has_no_picture_to_try(run: Callable[..., object]) -> None:
    results = run(BrightnessMask(), name="noise")
    assert results.of("noise", "interferer") == []
    assert len(results.of("noise", "own")) == 1


def test_a_second_run_takes_over_what_is_done(run: Callable[..., object]) -> None:
    first = run(BrightnessMask(), rows=["mixture", "own"])
    again = BrightnessMask()
    assert run(again, rows=["mixture", "own"]).records == first.records
    assert again.calls == 0


def test_a_line_cut_short_is_done_again(run: Callable[..., object], tmp_path: Path) -> None:
    first = run(BrightnessMask(), rows=["own"])
    journal = tmp_path / "out" / "mixtures.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    assert run(BrightnessMask(), rows=["own"]).records == first.records
    assert all(json.loads(line) for line in journal.read_text().splitlines() if line.endswith("}"))


def test_other_weights_are_evaluated_anew(run: Callable[..., object]) -> None:
    run(BrightnessMask(), rows=["own"])
    other = BrightnessMask()
    nn.init.ones_(other.weight)
    run(other, rows=["own"])
    assert other.calls > 0


def test_a_limit_takes_so_many_of_each_list(run: Callable[..., object]) -> None:
    assert len(run(BrightnessMask(), rows=["mixture"], limit=1).records) == 1


def test_progress_counts_to_the_end(run: Callable[..., object]) -> None:
    seen: list[tuple[int, int]] = []
    run(BrightnessMask(), rows=["mixture", "own"], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 4) for i in range(1, 5)]


def test_an_unknown_row_is_an_error(run: Callable[..., object]) -> None:
    with pytest.raises(ConfigError, match="Unknown row 'ours'"):
        run(BrightnessMask(), rows=["ours"])


def test_table_and_figures_are_written(run: Callable[..., object], tmp_path: Path) -> None:
    run(BrightnessMask(), rows=["mixture", "own", "third"])
    table = (tmp_path / "out" / "evaluation.md").read_text()
    assert "| ours, own picture | +" in table
    assert "than a third person's" in table
    figures = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert figures["means"]["pair"]["own"]["sdr"]["n"] == 2
    assert len(figures["mixtures"]) == 6


def test_the_twin_hears_a_clip_in_one_window() -> None:
    model = BrightnessMask()
    longer = whole_clip(model, 3.0)
    assert longer.config.window.hop_frames >= 75
    assert model.config.window.hop_frames == 12
    assert fingerprint(longer) != fingerprint(model)


def test_a_figure_that_does_not_exist_is_not_printed() -> None:
    assert (decibel(80.0), decibel(3.14)) == ("∞", "3.1")


def clip_voices() -> list[Voice]:
    return [Voice(f"{speaker}{i}", speaker, np.ones(RATE, np.float32), RATE) for speaker in "AB" for i in range(2)]


def test_a_shifted_trial_has_its_mirror_image() -> None:
    trials = [t for t in evaluate_align.make_trials("c", clip_voices(), 0.4, random.Random(0)) if t.kind == "shift"]
    assert len(trials) == 8
    assert all((a.picture, a.other) == (b.other, b.picture) for a, b in zip(trials[::2], trials[1::2], strict=True))
    assert {trial.duration_seconds for trial in trials} == {0.6}


def test_the_other_clip_is_of_the_same_person() -> None:
    for trial in evaluate_align.make_trials("c", clip_voices(), 0.4, random.Random(0)):
        assert trial.picture.clip[0] == trial.other.clip[0] == trial.speaker


def test_clips_too_short_for_the_shift_give_no_shifted_trial() -> None:
    assert {trial.kind for trial in evaluate_align.make_trials("c", clip_voices(), 0.9, random.Random(0))} == {"other"}


def test_the_papers_task_is_far_away_and_mirrored() -> None:
    voices = [Voice("long", "A", np.ones(round(20.5 * RATE), np.float32), RATE), Voice("grid", "B", np.ones(3 * RATE, np.float32), RATE)]
    trials = list(evaluate_align.far_trials("c", voices, random.Random(0)))
    assert all((a.picture, a.other) == (b.other, b.picture) for a, b in zip(trials[::2], trials[1::2], strict=True))
    for trial in trials:
        ends = [stretch.start_seconds + trial.duration_seconds for stretch in (trial.picture, trial.other)]
        assert max(ends) <= (20.5 if trial.speaker == "A" else 3.0)
        assert 2.0 <= abs(trial.picture.start_seconds - trial.other.start_seconds) <= 5.8
    starts = [(trial.picture.start_seconds, trial.duration_seconds) for trial in trials[::2]]
    assert starts == [(0.0, 4.2), (4.2, 4.2), (8.4, 4.2), (12.6, 4.2), (0.0, 1.0)]


def test_clips_too_short_for_the_papers_task_give_no_trial_of_it() -> None:
    assert list(evaluate_align.far_trials("c", clip_voices(), random.Random(0))) == []


def test_longer_clips_are_for_the_papers_task_only(tmp_path: Path) -> None:
    for name, seconds in (("talk_a", 7.0), ("talk_b", 5.0), ("music", 7.0)):
        write_clip(tmp_path / "clips" / f"{name}.mov", tone(300, seconds), 100)
    for speaker in ("s30", "s32"):
        for number in range(2):
            write_clip(tmp_path / "grid" / f"{speaker}_{number}.mov", tone(300, 1.0), 100)
    asked: list[Trial] = []

    def judge(_model: object, trial: Trial, _shelf: object) -> Verdict:
        asked.append(trial)
        return Verdict(trial, (1.0,), (-1.0,))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_align, "judge", judge)
        evaluate_align.evaluate_align(tmp_path, BrightnessMask(), tmp_path / "out", ("grid",))  # type: ignore[arg-type]
    assert {(trial.corpus, trial.kind) for trial in asked} == {("grid", "shift"), ("grid", "other"), ("talks", "far")}
    assert {trial.picture.clip for trial in asked if trial.corpus == "talks"} == {"clips/talk_a.mov"}
    table = (tmp_path / "out" / "align.md").read_text()
    assert "| talks, 4.2 s | same clip, 2 s away and more | 100" in table
    assert "| P | grid, own sound | grid, foreign sound |" in table


def test_saying_the_same_of_everything_is_chance() -> None:
    trial = next(evaluate_align.make_trials("c", clip_voices(), 0.4, random.Random(0)))
    results = evaluate_align.AlignResults([evaluate_align.Verdict(trial, (1.0,), (1.0,))])
    assert results.accuracy("c", "shift").value == 50
    assert results.preference("c", "shift").value == 0
