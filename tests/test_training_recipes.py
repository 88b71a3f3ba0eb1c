"""The paper's recipes, each small and whole: they train, resume exactly, and differ in what they should."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from papers import NAMES, small, write_shards
from safetensors.torch import load_file
from torch import Tensor

from avsep_plugin.errors import ConfigError
from avsep_plugin.models import checkpoint, published
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.training.dataset import Batches, MixBatch
from avsep_plugin.training.losses import Objective, separate_loss
from avsep_plugin.training.recipe import Recipe, load_recipe
from avsep_plugin.training.shards import Shards
from avsep_plugin.training.trainer import train

SEPARATORS = [name for name in NAMES if load_recipe(name).model.task == "separate"]
ACTIONS = [name for name in NAMES if load_recipe(name).model.task == "action"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("papers") / "shards")


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an aligner that nothing was taught yet."""
    path, config = tmp_path_factory.mktemp("weights") / "shift.safetensors", small("paper-shift").model
    state = torch.get_rng_state()
    torch.manual_seed(7)
    checkpoint.save(path, config, checkpoint.build(config).state_dict())
    torch.set_rng_state(state)
    return path


def begun(recipe: Recipe, start: list[Path]) -> tuple[torch.nn.Module, list[str]]:
    """The network as a run of it begins, and its tensors that start fresh."""
    torch.manual_seed(recipe.seed)
    model = checkpoint.build(recipe.model)
    tensors = checkpoint.read(start[0])[1] if start else {}
    dropped = {name for name in tensors for pattern in recipe.fresh if Path(name).match(pattern)}
    return model, checkpoint.load_shared(model, {name: tensor for name, tensor in tensors.items() if name not in dropped})


def mean_loss(model: torch.nn.Module, recipe: Recipe, shards: Path) -> float:
    """Over batches that no run has drawn."""
    batches, objective = Batches([Shards(shards)], recipe), Objective(model, recipe.loss, recipe.loss_weights).train()
    torch.manual_seed(0)
    with torch.no_grad():
        return sum(float(objective(batches.batch(1000 + n, 8))[0]) for n in range(3)) / 3


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_learns_and_resumes_exactly(name: str, shards: Path, aligned: Path, tmp_path: Path) -> None:
    recipe = small(name, steps=10 if load_recipe(name).model.task == "separate" else 28)
    start = [] if recipe.start == "nothing" else [aligned]
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    for stop in (1, 2):
        state = train(recipe, [shards], parts, device="cpu", start_from=start, stop_after=stop)
    train(recipe, [shards], whole, device="cpu", start_from=start, stop_after=2)
    resumed, straight = load_file(state), load_file(whole / "state.safetensors")
    assert resumed.keys() == straight.keys()
    assert all(torch.equal(resumed[tensor], straight[tensor]) for tensor in resumed)
    learnt = checkpoint.load(train(recipe, [shards], whole, device="cpu", start_from=start))
    assert mean_loss(learnt, recipe, shards) < mean_loss(begun(recipe, start)[0], recipe, shards) - 0.01


@pytest.mark.parametrize(("name", "config"), [("paper-shift", published.shift()), ("paper-cam", published.cam())])
def test_the_aligners_are_the_published_ones(name: str, config: object) -> None:
    assert load_recipe(name).model == config


@pytest.mark.parametrize(("name", "config"), [("paper-full", published.full()), ("paper-unet-pit", published.unet_pit())])
def test_the_separators_are_the_published_ones_but_hear_the_mean_as_in_their_training(name: str, config: object) -> None:
    model = load_recipe(name).model
    assert dataclasses.replace(model, separator=dataclasses.replace(model.separator, spectrogram_channel="left")) == config


def test_the_full_rate_starts_the_second_block_of_each_stage_fresh(aligned: Path) -> None:
    fresh = begun(small("paper-shift"), [aligned])[1]
    assert {".".join(name.split(".")[:3]) for name in fresh} == {f"fused.im.conv{stage}_2" for stage in (2, 3, 4, 5)}


def test_the_cam_stage_does_not_fall_into_the_trap(aligned: Path) -> None:
    """Its base starts blocks fresh; it must not."""
    assert begun(small("paper-cam"), [aligned])[1] == []


@pytest.mark.parametrize("name", [name for name in SEPARATORS if name not in ("paper-unet-pit", "paper-scratch")])
def test_a_separator_takes_over_everything_but_its_own(name: str, aligned: Path) -> None:
    """What an aligner has no numbers for: the u-net and the gammas."""
    fresh = begun(small(name), [aligned])[1]
    assert fresh
    assert all(tensor.startswith("gen.") or tensor.endswith(".gamma") for tensor in fresh)


@pytest.mark.parametrize("name", ACTIONS)
def test_a_recogniser_takes_over_everything_but_its_own(name: str, aligned: Path) -> None:
    fresh = begun(small(name), [aligned])[1]
    assert {tensor for tensor in fresh if not tensor.endswith(".gamma")} == {"lb.weight", "lb.bias"}


@pytest.mark.parametrize("name", [name for name in NAMES if load_recipe(name).start == "weights"])
def test_what_fine_tunes_refuses_to_start_from_nothing(name: str, shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--from"):
        train(small(name), [shards], tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", [name for name in NAMES if load_recipe(name).start == "nothing"])
def test_what_starts_from_scratch_refuses_weights(name: str, shards: Path, aligned: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="from scratch"):
        train(small(name), [shards], tmp_path / "run", device="cpu", start_from=[aligned])


def test_scratch_is_full_but_for_its_start() -> None:
    full, scratch = load_recipe("paper-full"), load_recipe("paper-scratch")
    assert dataclasses.replace(scratch, start="weights", model=full.model) == full
    assert dataclasses.replace(scratch.model, name=full.model.name) == full.model


def aligner(name: str) -> Aligner:
    torch.manual_seed(0)
    return Aligner(small(name).model).eval()


def separator(name: str) -> Separator:
    torch.manual_seed(0)
    return Separator(small(name).model).eval()


def window(model: Aligner | Separator) -> tuple[Tensor, Tensor]:
    """Random frames and sound of a whole window."""
    frames, random = model.config.window.frames, torch.Generator().manual_seed(1)
    pictures = torch.randint(0, 256, (1, frames, 32, 32, 1), dtype=torch.uint8, generator=random)
    return pictures, 0.1 * torch.randn(1, 2, model.config.window_samples(frames), generator=random)


@torch.inference_mode()
def test_low_frame_rate_sees_every_fourth_picture_only() -> None:
    model = aligner("paper-lowfps")
    pictures, sound = window(model)
    between = pictures.clone()
    between[:, [n for n in range(pictures.shape[1]) if n % 4]] = 0
    assert torch.equal(model(pictures, sound).logits, model(between, sound).logits)
    every = aligner("paper-shift")
    assert not torch.equal(every(pictures, sound).logits, every(between, sound).logits)
    assert model.config.fused.cell_frames == 4 * every.config.fused.cell_frames == 32


@torch.inference_mode()
def test_the_cam_stage_has_a_map_of_twice_the_places_in_either_direction() -> None:
    shift, cam = aligner("paper-shift"), aligner("paper-cam")
    _, steps, height, width = shift(*window(shift)).cam.shape
    assert cam(*window(cam)).cam.shape == (1, steps, 2 * height, 2 * width)


def tone_hz(sound: Tensor) -> float:
    """Of [2, N] at 4 kHz."""
    return float(torch.fft.rfft(sound[0]).abs().argmax()) * 4000 / sound.shape[1]


@pytest.mark.parametrize(("name", "same"), [("paper-shift", True), ("paper-lowfps", True), ("paper-shift-pairs", False)])
def test_negatives_are_the_clip_itself_at_another_time_or_another_clip(name: str, same: bool, shards: Path) -> None:
    """Half of the other clips sound at another pitch."""
    batch = Batches([Shards(shards)], small(name)).align(0, 20)
    alike = [abs(tone_hz(a) - tone_hz(b)) < 200 for a, b in zip(batch.aligned, batch.shifted, strict=True)]
    assert all(alike) == same


@torch.inference_mode()
def test_a_still_separator_sees_the_middle_picture_only() -> None:
    still, full = separator("paper-still"), separator("paper-full")
    pictures, sound = window(still)
    middle = pictures.shape[1] // 2
    others = torch.full_like(pictures, 7)
    others[:, middle] = pictures[:, middle]
    assert torch.equal(still.masks(pictures, sound), still.masks(others, sound))
    assert torch.equal(still.masks(pictures, sound), full.masks(pictures[:, [middle] * pictures.shape[1]], sound))
    others[:, middle] = 7
    assert not torch.equal(still.masks(pictures, sound), still.masks(others, sound))


@torch.inference_mode()
def test_a_mono_separator_hears_the_mean_of_both_channels() -> None:
    mono, full = separator("paper-mono"), separator("paper-full")
    pictures, sound = window(mono)
    assert torch.equal(mono.masks(pictures, sound), mono.masks(pictures, sound.flip(1)))
    assert not torch.equal(full.masks(pictures, sound), full.masks(pictures, sound.flip(1)))
    both = sound.mean(1, keepdim=True).expand(-1, 2, -1)
    torch.testing.assert_close(mono.masks(pictures, sound), full.masks(pictures, both))


@torch.inference_mode()
def test_without_early_fusion_the_features_are_the_pictures_alone() -> None:
    late, full = separator("paper-late"), separator("paper-full")
    pictures, sound = window(late)
    for model, alike in ((late, True), (full, False)):
        one, other = model.features(pictures, sound), model.features(pictures, sound.roll(500, 2))
        assert one is not None
        assert other is not None
        assert torch.equal(one.last, other.last) == alike
    assert not torch.equal(late.masks(pictures, sound), late.masks(pictures, sound.roll(500, 2)))


def mixture(model: Separator) -> MixBatch:
    pictures, on = window(model)
    return MixBatch(pictures, on, 0.1 * torch.randn(1, 1, 2, on.shape[2], generator=torch.Generator().manual_seed(2)))


def swapped(batch: MixBatch) -> MixBatch:
    return MixBatch(batch.frames, batch.off[:, 0], batch.on[:, None])


@torch.inference_mode()
def test_on_off_with_pit_is_the_loss_of_the_given_order_and_of_the_better_one() -> None:
    model, weights = separator("paper-full"), small("paper-full-pit").loss_weights
    batch = mixture(model)
    given, other = (separate_loss(model, b, "l1")[0] for b in (batch, swapped(batch)))
    assert given != other
    torch.testing.assert_close(separate_loss(model, batch, "l1", weights)[0], given + torch.minimum(given, other))
    torch.testing.assert_close(separate_loss(model, swapped(batch), "l1", weights)[0], other + torch.minimum(given, other))


@torch.inference_mode()
def test_the_audio_only_twin_knows_no_order() -> None:
    model = separator("paper-unet-pit")
    assert not hasattr(model, "fused")
    batch = mixture(model)
    torch.testing.assert_close(separate_loss(model, batch, "l1")[0], separate_loss(model, swapped(batch), "l1")[0])


def test_the_large_variant_has_frames_of_40_ms_and_256_steps() -> None:
    model = load_recipe("paper-large").model
    network = Separator(dataclasses.replace(model, separator=dataclasses.replace(model.separator, width=1, with_video=False)))
    frames = model.stft.frame_count(model.window_samples(load_recipe("paper-large").data.window_frames))
    assert (1000 * model.stft.frame_samples / model.sample_rate_hz, model.stft.bins) == (40, 513)
    assert frames // network.gen.time_multiple * network.gen.time_multiple == 256  # type: ignore[operator]


@torch.inference_mode()
def test_the_large_variant_weighs_the_phase_more() -> None:
    model, large = separator("paper-large"), small("paper-large").loss_weights
    batch = mixture(model)
    none, usual, more = (separate_loss(model, batch, "l1", dataclasses.replace(large, phase=w))[0] for w in (0.0, 0.01, large.phase))
    torch.testing.assert_close((more - none) / (usual - none), torch.tensor(20.0), rtol=1e-3, atol=0)


def test_a_background_lies_under_a_mixture_that_both_pictures_share(shards: Path) -> None:
    recipe = small("paper-large")
    for share, least, most in ((0.0, 0.0, 1e-6), (1.0, 0.1, 10.0)):
        data = dataclasses.replace(recipe.data, background=share)
        batch = Batches([Shards(shards)], dataclasses.replace(recipe, data=data)).mix(3, 8)
        mixtures = batch.on + batch.off[:, 0]
        for one in range(0, 8, 2):
            other = batch.on[one + 1] * batch.on[one].std() / batch.on[one + 1].std()  # the partner, at 0 dB
            assert least <= (batch.off[one, 0] - other).square().mean() / batch.on[one].square().mean() <= most
            torch.testing.assert_close(mixtures[one] / mixtures[one].std(), mixtures[one + 1] / mixtures[one + 1].std())


def test_a_background_lies_under_so_many_mixtures(shards: Path) -> None:
    batches, random = Batches([Shards(shards)], small("paper-large")), np.random.default_rng(0)
    clip = batches.pools.seen["voxceleb1"][0]
    on = batches.windows.sound(clip, 0, 1.0)
    share = sum(bool(batches._background(random, clip, on).any()) for _ in range(2000)) / 2000
    assert share == pytest.approx(0.08, abs=4 * (0.08 * 0.92 / 2000) ** 0.5)
