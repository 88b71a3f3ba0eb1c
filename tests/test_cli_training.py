"""`prepare`, `train` and `evaluate` hand over to avsep_plugin.training; here a tiny training runs through all of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from avsep_plugin.cli.main import run
from avsep_plugin.models import zoo
from avsep_plugin.training import trainer
from avsep_plugin.training.job import Job
from avsep_plugin.training.recipe import load_recipe

RECIPE = """
loss = "{loss}"
[model]
name = "tiny"
task = "{task}"
sample_rate_hz = 16000
input_rms = 0.1
picture = {{ frame_rate = 25, stored_size = 40, crop_size = 32, channels = 1 }}
stft = {{ frame_samples = 512, hop_samples = 256, fft_size = 512 }}
[model.fused]
audio_widths = [8, 8, 8, 8]
audio_strides = [4, 4, 4, 4, 2]
audio_kernels = [33, 9]
audio_fused_width = 8
video_width = 8
video_kernel = [5, 5, 5]
video_strides = [2, 1]
fusion_width = 8
trunk_widths = [12, 12, 12]
trunk_time_strides = [1, 1]
scale_gamma = true
[model.window]
hop_frames = 20
context_frames = 4
fixed = false
[model.separator]
kind = "recurrent"
head = "mask"
width = 8
layers = 1
spectrogram_channel = "mean"
min_db = -50
max_db = 40
[data]
window_frames = 20
shift_seconds = [0.2, 0.4]
negatives = "both"
[optimizer]
steps = 2
batch_clips = 2
"""


@pytest.fixture
def shards(tmp_path: Path, make_clip: Callable[..., Path]) -> Path:
    (tmp_path / "align.toml").write_text(RECIPE.format(task="align", loss="align"))
    (tmp_path / "separate.toml").write_text(RECIPE.format(task="separate", loss="si_sdr"))
    for speaker in "abcd":
        make_clip(tmp_path / "footage" / f"{speaker}_1.mov", seconds=2.0)
    (tmp_path / "footage" / "broken.mov").write_bytes(b"no movie")
    recipe = str(tmp_path / "align.toml")
    pattern = "([a-z])_"
    line = ["prepare", str(tmp_path / "footage"), "-o", str(tmp_path / "shards"), "--recipe", recipe, "--speaker-pattern", pattern]
    assert run([*line, "--json", str(tmp_path / "prepared.json")]) == 0
    return tmp_path / "shards"


def test_prepare_tells_what_it_skipped(shards: Path) -> None:
    prepared = json.loads((shards.parent / "prepared.json").read_text())
    assert (prepared["stored"], list(prepared["skipped"])) == (4, ["footage/broken.mov"])


def test_alignment_then_separation_gives_a_checkpoint_that_separates(shards: Path, tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    common = [str(shards), "--device", "cpu"]
    assert run(["train", "align", *common, "-o", str(tmp_path / "run1"), "--recipe", str(tmp_path / "align.toml")]) == 0
    aligned, recipe = str(tmp_path / "run1" / "model.safetensors"), str(tmp_path / "separate.toml")
    assert run(["train", "separate", *common, "-o", str(tmp_path / "run2"), "--recipe", recipe, "--from", aligned]) == 0
    model = str(tmp_path / "run2" / "model.safetensors")
    assert run(["separate", str(make_clip(tmp_path / "talk.mov")), "-o", str(tmp_path / "out"), "-m", model, "-d", "cpu"]) == 0


@pytest.mark.parametrize("task", ["align", "separate"])
def test_both_trainings_can_start_from_weights(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Job] = []
    monkeypatch.setattr(trainer, "run_job", lambda job, _progress: given.append(job))
    weights = tmp_path / "model.safetensors"
    weights.touch()
    assert run(["train", task, str(tmp_path), "-o", str(tmp_path / "run"), "--from", str(weights), "--device", "cpu"]) == 0
    assert given[0].start_from == (weights,)


def test_weights_to_start_from_may_be_a_known_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Job] = []
    weights = tmp_path / "mini.safetensors"
    monkeypatch.setattr(trainer, "run_job", lambda job, _progress: given.append(job))
    monkeypatch.setattr(zoo, "known_models", lambda: [zoo.ModelCard("mini", "", "", {"separate": weights})])
    assert run(["train", "separate", str(tmp_path), "-o", str(tmp_path / "run"), "--from", "mini", "--device", "cpu"]) == 0
    assert given[0].start_from == (weights,)


def test_what_it_is_computed_on_is_part_of_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Job] = []
    monkeypatch.setattr(trainer, "run_job", lambda job, _progress: given.append(job))
    line = ["train", "align", str(tmp_path), "-o", str(tmp_path / "run"), "--device", "cpu", "--devices", "2", "--micro-batches", "4"]
    assert run([*line, "--workers", "3", "--precision", "bf16"]) == 0
    assert run(line[:7]) == 0
    asked, plain = given
    assert (asked.devices, asked.micro_batches, asked.workers, asked.precision) == (2, 4, 3, "bf16-mixed")
    assert (plain.devices, plain.micro_batches, plain.workers, plain.precision) == (None, 1, None, "32-true")


def test_only_the_first_of_several_processes_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainer, "run_job", lambda *_: "made")
    line = ["train", "align", str(tmp_path), "-o", str(tmp_path / "run"), "--device", "cpu"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = []
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        assert run(line) == 0
        said.append(capsys.readouterr().err)
    assert said == ["done: made\n", ""]


def test_a_folder_without_a_run_cannot_be_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "repeat", str(tmp_path), "-o", str(tmp_path / "again")]) == 1
    assert "does not hold a run" in capsys.readouterr().err


def test_weights_that_are_not_there_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "align", str(tmp_path), "-o", str(tmp_path / "run"), "--from", "no-such-model"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", ["align", "separate"])
def test_footage_of_ones_own_goes_on_from_the_bundled_network(task: str) -> None:
    mini, studio = load_recipe(f"mini-{task}"), load_recipe(f"studio-{task}")
    assert replace(studio.model, name=mini.model.name) == mini.model


def test_a_separator_of_ones_own_goes_on_from_an_aligner_of_ones_own() -> None:
    aligner, separator = load_recipe("studio-align").model, load_recipe("studio-separate").model
    assert replace(aligner.fused, last_spatial_stride=separator.fused.last_spatial_stride) == separator.fused
    assert (aligner.picture, aligner.sample_rate_hz, aligner.input_rms) == (
        separator.picture,
        separator.sample_rate_hz,
        separator.input_rms,
    )


@pytest.mark.parametrize("task", ["align", "separate"])
def test_footage_of_ones_own_is_taken_from_any_folder(task: str) -> None:
    studio = load_recipe(f"studio-{task}")
    assert studio.data.corpora == {}
    assert studio.data.interferers == {"same": 1.0}
    assert studio.fresh == ()


def test_evaluate_needs_data_unless_it_renders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "-o", str(tmp_path)]) == 2
    assert "needs the folder DATA" in capsys.readouterr().err
