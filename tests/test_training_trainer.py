"""The loop, its checkpoints and its losses, on shards made of random numbers."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import TINY, recipe, weights, write_shards
from torch import Tensor

from avsep_plugin.config import CalibrationConfig, SeparatorConfig
from avsep_plugin.errors import ConfigError, ModelError
from avsep_plugin.models import checkpoint
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.training.dataset import AlignBatch, MixBatch
from avsep_plugin.training.losses import align_loss, separate_loss
from avsep_plugin.training.optimizing import learning_rate, make_optimizer
from avsep_plugin.training.recipe import Loss, OptimizerConfig, load_recipe, recipe_names
from avsep_plugin.training.trainer import train


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_shards(tmp_path / "shards")


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(dropout: float, shards: Path, tmp_path: Path) -> None:
    model = dataclasses.replace(TINY, separator=dataclasses.replace(TINY.separator, dropout=dropout))
    plan = dataclasses.replace(recipe(), model=model)
    whole = train(plan, [shards], tmp_path / "whole", device="cpu")
    train(plan, [shards], tmp_path / "parts", device="cpu", stop_after=2)
    parts = train(plan, [shards], tmp_path / "parts", device="cpu")
    left, right = weights(whole), weights(parts)
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("loss", ["si_sdr", "l1", "compressed"])
def test_training_learns_what_can_be_learnt(loss: Loss, shards: Path, tmp_path: Path) -> None:
    """On-screen sound is white, off-screen sound a low tone: a few steps teach the mask to leave the tone out."""
    plan = recipe(steps=40)
    plan = dataclasses.replace(
        plan,
        loss=loss,
        data=dataclasses.replace(plan.data, corpora={"talk": 1.0}, interferers={"hum": 1.0}),
        optimizer=dataclasses.replace(plan.optimizer, learning_rate=1e-2),
    )
    train(plan, [shards], tmp_path / "run", device="cpu", validation=[shards])
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["held_out_si_sdr_improvement_db"] > 1.0


def test_an_aligner_goes_under_a_separator(shards: Path, tmp_path: Path) -> None:
    aligned = train(recipe(2, "align"), [shards], tmp_path / "align", device="cpu")
    model = checkpoint.build(TINY)
    fresh = checkpoint.load_shared(model, weights(aligned))
    assert fresh
    assert all(name.startswith("gen.") for name in fresh)
    train(recipe(2), [shards], tmp_path / "separate", start_from=[aligned], device="cpu")


def test_of_two_weights_to_start_from_the_later_has_precedence(shards: Path, tmp_path: Path) -> None:
    separate = train(recipe(1), [shards], tmp_path / "separate", device="cpu")
    aligned = train(recipe(2, "align"), [shards], tmp_path / "align", device="cpu")
    idle = dataclasses.replace(recipe(1), optimizer=dataclasses.replace(recipe(1).optimizer, learning_rate=0.0), seed=9)
    both = weights(train(idle, [shards], tmp_path / "both", start_from=[separate, aligned], device="cpu"))
    first, second = weights(separate), weights(aligned)
    learnt = {name for name in both if name.endswith(".weight") and both[name].dim() > 1}
    assert all(torch.equal(both[name], first[name]) for name in learnt if name.startswith("gen."))
    shared = {name for name in learnt if name.startswith("fused.")}
    assert all(torch.equal(both[name], second[name]) for name in shared)
    assert not all(torch.equal(both[name], first[name]) for name in shared)


def test_what_the_recipe_starts_fresh_is_not_taken_over(shards: Path, tmp_path: Path) -> None:
    first = train(recipe(1, "align"), [shards], tmp_path / "first", device="cpu")
    plan = recipe(1, "align")
    still = dataclasses.replace(plan, optimizer=dataclasses.replace(plan.optimizer, learning_rate=0.0), fresh=("fused.im.conv5_*",), seed=9)
    second = train(still, [shards], tmp_path / "second", start_from=[first], device="cpu")
    before, after = weights(first), weights(second)
    same = {name for name in before if name.endswith(".weight") and torch.equal(before[name], after[name])}
    kernels = {name for name in before if name.endswith("conv.weight")}
    assert kernels - same == {name for name in kernels if name.startswith("fused.im.conv5_")}
    with pytest.raises(ConfigError, match=r"fused\.nothing"):
        train(dataclasses.replace(still, fresh=("fused.nothing*",)), [shards], tmp_path / "third", start_from=[first], device="cpu")


def test_the_smallest_numbers_are_there_again_after_training(shards: Path, tmp_path: Path) -> None:
    train(recipe(1), [shards], tmp_path / "run", device="cpu")
    assert float(torch.tensor(1e-310, dtype=torch.float64) * 0.5) > 0


def test_another_recipe_does_not_resume(shards: Path, tmp_path: Path) -> None:
    train(recipe(), [shards], tmp_path / "run", device="cpu", stop_after=1)
    with pytest.raises(ConfigError, match="another recipe"):
        train(recipe(7), [shards], tmp_path / "run", device="cpu")


def test_a_damaged_state_is_one_clear_error(shards: Path, tmp_path: Path) -> None:
    train(recipe(), [shards], tmp_path / "run", device="cpu", stop_after=1)
    state = tmp_path / "run" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(ModelError, match="damaged"):
        train(recipe(), [shards], tmp_path / "run", device="cpu")


def test_weights_round_trip_with_their_config(tmp_path: Path) -> None:
    model = checkpoint.build(TINY)
    checkpoint.save(tmp_path / "m.safetensors", TINY, model.state_dict(), {"steps": 1})
    again = checkpoint.load(tmp_path / "m.safetensors")
    assert again.config == TINY
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))


def test_the_mean_of_models_is_the_mean_of_their_numbers(tmp_path: Path) -> None:
    dropping = dataclasses.replace(TINY, name="later", separator=dataclasses.replace(TINY.separator, dropout=0.3))
    first, second = checkpoint.build(TINY), checkpoint.build(dropping)
    checkpoint.save(tmp_path / "1.safetensors", TINY, first.state_dict(), {"steps": 1})
    checkpoint.save(tmp_path / "2.safetensors", dropping, second.state_dict(), {"steps": 2})
    checkpoint.average([tmp_path / "1.safetensors", tmp_path / "2.safetensors"], tmp_path / "mean.safetensors")
    mean = checkpoint.load(tmp_path / "mean.safetensors")
    assert mean.config == dropping
    for name, tensor in mean.state_dict().items():
        torch.testing.assert_close(tensor, (first.state_dict()[name] + second.state_dict()[name]) / 2)
    assert checkpoint.describe(tmp_path / "mean.safetensors")[1] == {"steps": 2}


def test_the_mean_of_aligners_has_to_be_calibrated_anew(tmp_path: Path) -> None:
    plain = dataclasses.replace(TINY, task="align")
    known = dataclasses.replace(plain, calibration=CalibrationConfig(0.5, 0.1))
    paths = [tmp_path / "plain.safetensors", tmp_path / "known.safetensors"]
    for path, config in zip(paths, (plain, known), strict=True):
        checkpoint.save(path, config, checkpoint.build(config).state_dict())
    checkpoint.average(paths, tmp_path / "mean.safetensors")
    assert checkpoint.load(tmp_path / "mean.safetensors").config == plain


def test_models_that_are_not_alike_have_no_mean(tmp_path: Path) -> None:
    zoomed = dataclasses.replace(TINY, picture=dataclasses.replace(TINY.picture, zoom=2.0))
    wider = dataclasses.replace(TINY, separator=dataclasses.replace(TINY.separator, width=12))
    for number, config in enumerate((TINY, zoomed, wider)):
        checkpoint.save(tmp_path / f"{number}.safetensors", config, checkpoint.build(config).state_dict())
    for number in (1, 2):
        with pytest.raises(ModelError, match="not alike"):
            checkpoint.average([tmp_path / "0.safetensors", tmp_path / f"{number}.safetensors"], tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()


def test_packed_weights_are_half_as_large_and_nearly_the_same(tmp_path: Path) -> None:
    model = checkpoint.build(TINY)
    checkpoint.save(tmp_path / "m.safetensors", TINY, model.state_dict())
    checkpoint.pack(tmp_path / "m.safetensors", tmp_path / "half.safetensors")
    again = checkpoint.load(tmp_path / "half.safetensors")
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=1e-3, atol=1e-6)
        assert again.state_dict()[name].dtype == torch.float32


@pytest.mark.parametrize("change", ["missing", "foreign", "shape"])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, change: str) -> None:
    tensors = dict(checkpoint.build(TINY).state_dict())
    if change == "missing":
        del tensors["gen.write.bias"]
    else:
        tensors["foreign" if change == "foreign" else "gen.write.bias"] = torch.zeros(3)
    checkpoint.save(tmp_path / "m.safetensors", TINY, tensors)
    with pytest.raises(ModelError):
        checkpoint.load(tmp_path / "m.safetensors")


def test_other_files_are_not_taken_for_weights(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"PK\x03\x04 not weights")
    with pytest.raises(ModelError):
        checkpoint.load(tmp_path / "m.safetensors")


class Oracle(Separator):
    """Says at every bin where the mask belongs that it is given."""

    logits: float = 0.0

    def mask_logits(self, mixture: Tensor, features: object) -> Tensor:
        del features
        return torch.full_like(mixture.real, self.logits)


@pytest.mark.parametrize(("logits", "right"), [(30.0, True), (-30.0, False)])
def test_the_loss_knows_which_sound_was_kept(logits: float, right: bool) -> None:
    """With a silent off-screen sound an all-on mask is perfect and an all-off mask is the worst there is."""
    model = Oracle(TINY)
    model.logits = logits
    torch.manual_seed(0)
    batch = MixBatch(torch.zeros(2, 15, 16, 16, 1, dtype=torch.uint8), torch.randn(2, 2, 4800), 1e-4 * torch.randn(2, 1, 2, 4800))
    _, figures = separate_loss(model, batch, "si_sdr")
    assert bool(figures["right_voice"] > 0.5) == right


def test_of_a_sound_that_is_heard_alone_nothing_is_to_be_taken_away() -> None:
    torch.manual_seed(0)
    batch = MixBatch(torch.zeros(2, 15, 16, 16, 1, dtype=torch.uint8), torch.randn(2, 2, 4800), torch.zeros(2, 1, 2, 4800))
    losses = []
    for logits in (-3.0, 0.0, 3.0, 8.0):
        model = Oracle(TINY)
        model.logits = logits
        losses.append(float(separate_loss(model, batch, "si_sdr")[0]))
    assert losses == sorted(losses, reverse=True)
    assert np.isfinite(losses).all()
    assert losses[-1] > -20.5  # good enough: more of it does not outweigh what mixtures gain


@pytest.mark.parametrize("loss", ["si_sdr", "compressed"])
@pytest.mark.parametrize("with_video", [True, False])
def test_whoever_sees_may_not_swap(with_video: bool, loss: Loss) -> None:
    separator = dataclasses.replace(TINY.separator, with_video=with_video)
    torch.manual_seed(0)
    model = Oracle(dataclasses.replace(TINY, separator=separator))
    model.logits = 3.0
    frames, loud, soft = torch.zeros(2, 15, 16, 16, 1, dtype=torch.uint8), torch.randn(2, 2, 4800), 0.1 * torch.randn(2, 2, 4800)
    kept, lost = (float(separate_loss(model, MixBatch(frames, on, off[:, None]), loss)[0]) for on, off in ((loud, soft), (soft, loud)))
    assert (lost == pytest.approx(kept, abs=1e-4)) != with_video
    assert lost >= kept - 1e-4


def test_figures_count_mixtures_only() -> None:
    torch.manual_seed(0)
    model = Oracle(TINY)
    model.logits = 1.0
    frames, on, off = torch.zeros(2, 15, 16, 16, 1, dtype=torch.uint8), torch.randn(2, 2, 4800), 0.5 * torch.randn(2, 1, 2, 4800)
    wanted = {name: float(value) for name, value in separate_loss(model, MixBatch(frames[:1], on[:1], off[:1]), "si_sdr")[1].items()}
    off[1] = 0
    figures = separate_loss(model, MixBatch(frames, on, off), "si_sdr")[1]
    assert {name: float(value) for name, value in figures.items()} == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("loss", ["si_sdr", "l1", "compressed"])
def test_the_audio_only_loss_does_not_care_about_the_order(loss: Loss) -> None:
    config = dataclasses.replace(TINY, separator=dataclasses.replace(TINY.separator, with_video=False))
    torch.manual_seed(0)
    model = Separator(config).eval()
    on, off = torch.randn(2, 2, 4800), torch.randn(2, 1, 2, 4800)
    frames = torch.zeros(2, 15, 16, 16, 1, dtype=torch.uint8)
    straight, _ = separate_loss(model, MixBatch(frames, on, off), loss)
    crossed, _ = separate_loss(model, MixBatch(frames, off[:, 0], on[:, None]), loss)
    assert torch.allclose(straight, crossed, atol=1e-5)


def test_the_papers_loss_trains_the_spectrogram_head() -> None:
    config = dataclasses.replace(
        TINY, separator=SeparatorConfig("unet", "spectrogram", 4, 5, True, "mean"), fused=dataclasses.replace(TINY.fused, scale_gamma=True)
    )
    torch.manual_seed(0)
    model = Separator(config)
    batch = MixBatch(torch.randint(0, 255, (2, 15, 16, 16, 1), dtype=torch.uint8), torch.randn(2, 2, 4800), torch.randn(2, 1, 2, 4800))
    loss, _ = separate_loss(model, batch, "l1")
    loss.backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if not name.startswith("joint"))


def test_learning_rates() -> None:
    step = OptimizerConfig("adam", 1.0, "step", step_size=10, steps=30)
    assert [learning_rate(step, n) for n in (0, 9, 10, 20)] == pytest.approx([1, 1, 0.1, 0.01])
    cosine = OptimizerConfig("adam", 1.0, "cosine", warmup_steps=4, steps=100)
    assert learning_rate(cosine, 0) == pytest.approx(0.25)
    assert learning_rate(cosine, 50) == pytest.approx(0.5)
    assert learning_rate(cosine, 99) < 1e-3


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_valid(name: str) -> None:
    assert load_recipe(name).optimizer.steps > 0


def test_a_recipe_says_what_differs_from_its_base(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('base = "mini-separate"\n[data]\ncorpora = { takes = 1.0 }\n[model.separator]\nwidth = 96\n')
    base, mine = load_recipe("mini-separate"), load_recipe(str(path))
    assert mine.data.corpora == {"takes": 1.0}
    assert mine.model == dataclasses.replace(base.model, separator=dataclasses.replace(base.model.separator, width=96))
    assert mine.optimizer == base.optimizer


def test_an_unknown_base_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('base = "../secret"\n')
    with pytest.raises(ConfigError, match=r"'\.\./secret'"):
        load_recipe(str(path))


def test_of_a_separator_only_the_mask_network_decays() -> None:
    model = checkpoint.build(TINY)
    decayed = {id(p) for p in make_optimizer(model, OptimizerConfig(l2=1e-5)).param_groups[0]["params"]}
    assert decayed == {id(p) for name, p in model.named_parameters() if name.startswith("gen.") and p.dim() > 1}
    aligner = checkpoint.build(dataclasses.replace(TINY, task="align"))
    assert len(make_optimizer(aligner, OptimizerConfig()).param_groups[0]["params"]) == sum(p.dim() > 1 for p in aligner.parameters())


def test_a_wrong_key_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text("[optimizer]\nlearning_rat = 1.0\n")
    with pytest.raises(ConfigError, match="learning_rate"):
        load_recipe(str(path))


def test_held_out_shards_may_lack_the_off_screen_corpora(shards: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "held_out"
    shutil.copytree(shards, held_out)
    lines = (held_out / "manifest.jsonl").read_text().splitlines(keepends=True)
    (held_out / "manifest.jsonl").write_text("".join(line for line in lines if '"source": "hum' not in line))
    plan = dataclasses.replace(recipe(2), data=dataclasses.replace(recipe().data, interferers={"hum": 1.0}, corpora={"talk": 1.0}))
    train(plan, [shards], tmp_path / "run", device="cpu", validation=[held_out])
    assert "held_out_right_voice" in (tmp_path / "run" / "log.jsonl").read_text()


def test_aligned_and_shifted_sound_share_their_batch_statistics() -> None:
    """Normalised apart, a batch of shifted sounds would be known by its statistics, and nothing would be learnt for single clips."""
    random = torch.Generator().manual_seed(0)
    model = Aligner(dataclasses.replace(TINY, task="align")).train()
    sizes: list[int] = []
    model.fused.sf.register_forward_hook(lambda _layer, inputs, _output: sizes.append(len(inputs[0])))
    frames = torch.randint(0, 255, (3, 15, 16, 16, 1), dtype=torch.uint8, generator=random)
    sounds = torch.randn(2, 3, 2, TINY.window_samples(15), generator=random)
    align_loss(model, AlignBatch(frames, sounds[0], sounds[1]))
    assert sizes == [6]
