"""Action recognition: the layout and lists of UCF-101, what a batch holds, and the 25 windows of the evaluation."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from papers import CLASSES, small, write_shards
from torch import Tensor

from avsep_plugin.cli.main import run
from avsep_plugin.errors import ConfigError, DataError, ModelError
from avsep_plugin.models import checkpoint, zoo
from avsep_plugin.models.action import Recogniser
from avsep_plugin.training.dataset import Batches
from avsep_plugin.training.evaluate_action import evaluate_action, places
from avsep_plugin.training.prepare import prepare
from avsep_plugin.training.recipe import load_recipe
from avsep_plugin.training.shards import Shards
from avsep_plugin.training.splits import class_of, read_classes, read_split, with_classes


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("action") / "shards")


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_split_names_clips_with_or_without_their_class(tmp_path: Path) -> None:
    train = written(tmp_path / "trainlist01.txt", "Archery/v_Archery_g08_c01.avi 3\r\nArchery/v_Archery_g08_c02.avi 3\r\n\r\n")
    test = written(tmp_path / "testlist01.txt", "Archery/v_Archery_g01_c01.avi\nYo Yo/a b.avi\n")
    assert read_split(train) == {"Archery/v_Archery_g08_c01.avi", "Archery/v_Archery_g08_c02.avi"}
    assert read_split(test) == {"Archery/v_Archery_g01_c01.avi", "Yo Yo/a b.avi"}


def test_classes_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    assert read_classes(written(tmp_path / "classInd.txt", "2 HammerThrow\n1 Hammering\n10 YoYo\n")) == ("Hammering", "HammerThrow", "YoYo")


@pytest.mark.parametrize("text", ["", "Archery\n", "1 Archery\n1 YoYo\n", "1 Archery\n2 Archery\n"])
def test_what_is_no_list_of_classes_is_one_clear_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"classInd\.txt"):
        read_classes(written(tmp_path / "classInd.txt", text))


def test_a_class_is_the_folder_of_a_clip() -> None:
    assert class_of("UCF-101/YoYo/v_YoYo_g01_c01.avi") == "YoYo"
    assert class_of("UCF-101/loose.avi") == ""


def test_classes_are_found_in_the_shards_unless_they_are_named(shards: Path, tmp_path: Path) -> None:
    bare = load_recipe("paper-action")
    assert with_classes(bare, [shards]).model.classes == CLASSES
    listed = written(tmp_path / "classInd.txt", "1 Drumming\n2 Clapping\n3 YoYo\n")
    assert with_classes(bare, [shards], listed).model.classes == ("Drumming", "Clapping", "YoYo")
    own = replace(bare, model=replace(bare.model, classes=("A", "B")))
    assert with_classes(own, [shards]) == own


def test_a_recogniser_needs_two_classes() -> None:
    with pytest.raises(ConfigError, match="two or more classes"):
        checkpoint.build(replace(small("paper-action").model, classes=("Archery",)))


def test_a_clip_of_no_known_class_is_named(shards: Path) -> None:
    recipe = small("paper-action")
    with pytest.raises(DataError, match="Drumming"):
        Batches([Shards(shards)], replace(recipe, model=replace(recipe.model, classes=("Clapping", "YoYo"))))


def test_labels_are_those_of_the_folders(shards: Path) -> None:
    """The one class is heard at 300 Hz, the other at 1500 Hz."""
    batch = Batches([Shards(shards)], small("paper-action")).action(0, 12)
    high = [int(torch.fft.rfft(sound[0]).abs().argmax()) * 4000 / sound.shape[1] > 900 for sound in batch.audio]
    assert [bool(label) for label in batch.labels] == high
    assert len(set(high)) == 2


def test_the_sound_begins_at_most_a_picture_early_or_late(shards: Path) -> None:
    batches = Batches([Shards(shards)], small("paper-action"))
    still = Batches([Shards(shards)], replace(batches.recipe, data=replace(batches.data, jitter_frames=0.0)))
    assert batches.data.jitter_frames == 1.0
    lags = []
    for number in range(12):
        moved, given = (b.action(0, 1, number).audio[0, 0].numpy() for b in (batches, still))
        around = [float(np.abs(np.roll(given, lag)[200:-200] - moved[200:-200]).mean()) for lag in range(-170, 171)]
        lags.append(int(np.argmin(around)) - 170)
        assert min(around) < 1e-6
    assert max(map(abs, lags)) <= 160
    assert min(lags) < -20
    assert max(lags) > 20


@torch.inference_mode()
def test_vision_alone_does_not_hear() -> None:
    sounds = 0.1 * torch.randn(2, 2, small("paper-action").model.window_samples(20), generator=torch.Generator().manual_seed(0))
    frames = torch.randint(0, 256, (1, 20, 32, 32, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)).expand(
        2, -1, -1, -1, -1
    )
    for name, alike in (("paper-action-vision", True), ("paper-action", False)):
        torch.manual_seed(0)
        one, other = Recogniser(small(name).model).eval()(frames, sounds)
        assert torch.allclose(one, other) == alike


def test_scratch_is_the_same_but_for_its_start() -> None:
    action, scratch = load_recipe("paper-action"), load_recipe("paper-action-scratch")
    assert (action.start, scratch.start) == ("weights", "nothing")
    assert replace(scratch, start="weights", model=action.model) == action
    assert replace(scratch.model, name=action.model.name) == action.model


def test_windows_are_spread_from_the_first_picture_to_the_last() -> None:
    assert places([100], 20, 5) == [(0, 0), (0, 20), (0, 40), (0, 60), (0, 80)]
    assert places([12], 20, 3) == [(0, 0)] * 3
    assert places([100], 20, 1) == [(0, 0)]


def test_no_window_reaches_over_a_seam() -> None:
    found = places([60, 40, 8], 20, 25)
    assert all(start + 20 <= (60, 40, 20)[piece] for piece, start in found)
    assert found == sorted(found)
    assert {piece for piece, _ in found} == {0, 1}


class Ears(Recogniser):
    """Knows the classes by their pitch alone."""

    def judge(self, video: Tensor, audio: Tensor) -> Tensor:
        del video
        power = torch.fft.rfft(audio[:, 0]).abs().square()
        middle = power.shape[1] // 2  # 1000 Hz
        return torch.stack([power[:, :middle].sum(1), power[:, middle:].sum(1)], dim=1)


def test_the_table_shows_what_the_sound_is_worth(shards: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    results = evaluate_action(shards, Ears(small("paper-action").model).eval(), tmp_path, windows=3, progress=lambda *n: told.append(n))
    assert {row: results.accuracy(row).value for row in ("own", "silence", "other")} == {"own": 100, "silence": 50, "other": 0}
    assert told[-1] == (8, 8)
    assert "| own sound | 100.0 [100.0, 100.0] | 50.0 | 8 |" in (tmp_path / "action.md").read_text()
    clips = json.loads((tmp_path / "action.json").read_text())["clips"]
    assert {clip["group"] for clip in clips} == {f"{name}/v_{name}_g0{group}" for name in CLASSES for group in (1, 2)}


def test_windows_are_averaged_as_probabilities(shards: Path, tmp_path: Path) -> None:
    model = Recogniser(small("paper-action").model).eval()
    found = evaluate_action(shards, model, tmp_path, ["own"], limit=1, windows=4).found[0]
    home = Shards(shards)
    segment = home.segments[0]
    frames, sound = torch.from_numpy(home.frames(segment).copy()), torch.from_numpy(home.audio(segment) / np.float32(32767))
    size, count = model.config.window.frames, model.config.window_samples(model.config.window.frames)
    with torch.inference_mode():
        shares = [
            torch.softmax(model(frames[None, at : at + size, 2:34, 2:34], sound[None, :, at * 160 : at * 160 + count]), 1)[0]
            for _, at in places([len(frames)], size, 4)
        ]
    assert found.probability == pytest.approx(float(torch.stack(shares).mean(0)[CLASSES.index(found.action)]), abs=1e-5)


def test_an_unknown_row_is_named(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'best'"):
        evaluate_action(shards, Recogniser(small("paper-action").model), tmp_path, ["best"])


@pytest.fixture(scope="module")
def ucf(tmp_path_factory: pytest.TempPathFactory, make_clip: Callable[..., Path]) -> Path:
    """Two classes of two groups; half of the clips have no sound track, as in UCF-101."""
    home = tmp_path_factory.mktemp("ucf") / "UCF-101"
    for name in CLASSES:
        for group in (1, 8):
            make_clip(home / name / f"v_{name}_g{group:02d}_c01.avi", seconds=1.2, sound=group == 1)
    return home


def test_clips_without_sound_are_stored_with_silence(ucf: Path, tmp_path: Path) -> None:
    done = prepare([ucf], tmp_path / "shards", small("paper-action").model)
    home = Shards(tmp_path / "shards")
    assert (done.stored, done.skipped, len(home.segments)) == (4, {}, 4)
    for clip in home.segments:
        assert len(home.frames(clip)) == 30
        assert home.audio(clip).shape == (2, 4800)
        assert bool(home.audio(clip).any()) == ("_g01_" in clip.source)
    moving = home.frames(home.segments[0]).astype(int)
    assert np.abs(np.diff(moving, axis=0)).max() > 20


def test_other_models_skip_clips_without_sound(ucf: Path, tmp_path: Path) -> None:
    assert len(prepare([ucf], tmp_path / "shards", small("paper-shift").model).skipped) == 2


def test_only_the_files_of_a_list_are_taken_and_missing_ones_told(ucf: Path, tmp_path: Path) -> None:
    files = {"Clapping/v_Clapping_g01_c01.avi", "../outside.avi"}
    done = prepare([ucf], tmp_path / "shards", small("paper-action").model, files=files)
    assert [clip.source for clip in Shards(tmp_path / "shards").segments] == ["UCF-101/Clapping/v_Clapping_g01_c01.avi"]
    assert done.skipped == {"../outside.avi": "is in the list, but not among the files"}


TINY = """
base = "paper-action-scratch"
[model]
sample_rate_hz = 4000
picture = { frame_rate = 25, stored_size = 36, crop_size = 32, channels = 1 }
[model.fused]
audio_widths = [4, 4, 4, 8]
audio_strides = [4, 4, 4, 2, 2]
audio_kernels = [9, 5]
audio_fused_width = 8
video_width = 4
video_kernel = [3, 3, 3]
fusion_width = 8
trunk_widths = [8, 8, 8]
[model.window]
hop_frames = 20
[data]
window_frames = 20
[optimizer]
steps = 2
batch_clips = 2
"""


def test_from_the_clips_to_the_table_by_commands(ucf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(written(tmp_path / "tiny.toml", TINY))
    for name, group in (("train", 8), ("test", 1)):
        listed = written(tmp_path / f"{name}list01.txt", "".join(f"{c}/v_{c}_g{group:02d}_c01.avi {n}\n" for n, c in enumerate(CLASSES, 1)))
        assert run(["prepare", str(ucf), "-o", str(tmp_path / name), "--recipe", recipe, "--files", str(listed)]) == 0
    line = ["train", "action", str(tmp_path / "train"), "-o", str(tmp_path / "run"), "--recipe", recipe, "--device", "cpu"]
    assert run([*line, "--validation", str(tmp_path / "test")]) == 0
    model = tmp_path / "run" / "model.safetensors"
    assert zoo.load_recogniser(str(model), "cpu").config.classes == CLASSES
    capsys.readouterr()
    line = ["evaluate", str(tmp_path / "test"), "-o", str(tmp_path / "out"), "--task", "action", "--model", str(model), "-d", "cpu"]
    assert run([*line, "--rows", "own"]) == 0
    assert "| own sound |" in capsys.readouterr().out
    with pytest.raises(ModelError, match="of another kind"):
        zoo.load_separator(str(model), "cpu")


def test_a_training_may_start_from_the_aligner_of_a_known_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = written(tmp_path / "w.safetensors", "")
    monkeypatch.setattr(zoo, "known_models", lambda: [zoo.ModelCard("m", "", "", {"align": weights})])
    assert [zoo.find_start("m", task) for task in ("separate", "action", "align")] == [weights] * 3
    with pytest.raises(ModelError, match="no-such"):
        zoo.find_start("no-such", "action")
