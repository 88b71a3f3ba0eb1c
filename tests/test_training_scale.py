"""Several processes, micro-batches, workers and a folder from which a run can be repeated: the weights stay those of the plain loop."""

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_training import die_in_the_second, fail_in_the_second, recipe, weights, write_shards
from torch import Tensor, nn

from avsep_plugin.cli.main import run
from avsep_plugin.errors import ConfigError, DataError, WorkerError
from avsep_plugin.training import processes, run_folder, trainer
from avsep_plugin.training.dataset import Batches, MixBatch
from avsep_plugin.training.job import Job
from avsep_plugin.training.loader import Share, drawn_ahead
from avsep_plugin.training.recipe import Recipe, load_recipe, recipe_names
from avsep_plugin.training.shards import Shards
from avsep_plugin.training.trainer import train


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    return write_shards(tmp_path / "shards")


def plan(steps: int = 10, task: str = "separate", clips: int = 4) -> Recipe:
    """SGD: Adam would make steps of full size of what is nothing but rounding, such as the gradient of a bias under a batch norm."""
    given = recipe(steps, task)
    return replace(given, optimizer=replace(given.optimizer, kind="sgd", learning_rate=1e-2, batch_clips=clips))


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def assert_alike(left: Path, right: Path) -> None:
    one, other = weights(left), weights(right)
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[int]]:
    """Shards, the folder of a run of two processes on them, and the steps that were told."""
    top, told = tmp_path_factory.mktemp("two"), list[int]()
    shards = write_shards(top / "shards")
    train(plan(), [shards], top / "run", device="cpu", devices=2, validation=[shards], progress=lambda step, *_: told.append(step))
    return shards, top / "run", told


@pytest.mark.slow
def test_two_processes_train_as_one_does(two: tuple[Path, Path, list[int]], tmp_path: Path) -> None:
    shards, run, told = two
    one = train(plan(), [shards], tmp_path / "one", device="cpu", validation=[shards])
    assert_alike(one, run / "model.safetensors")
    assert told == [10]
    timed = ("seconds", "clips_per_second")
    for left, right in zip(lines(tmp_path / "one"), lines(run), strict=True):
        assert left.keys() == right.keys()
        assert [v for k, v in left.items() if k not in timed] == pytest.approx([v for k, v in right.items() if k not in timed], rel=1e-3)


@pytest.mark.slow
def test_two_processes_go_on_where_they_stood(two: tuple[Path, Path, list[int]], tmp_path: Path) -> None:
    shards, run, _ = two
    train(plan(), [shards], tmp_path / "parts", device="cpu", devices=2, stop_after=6)
    parts = train(plan(), [shards], tmp_path / "parts", device="cpu", devices=2)
    left, right = weights(run / "model.safetensors"), weights(parts)
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.slow
def test_torchrun_starts_the_same_run(shards: Path, tmp_path: Path) -> None:
    """Of the pretext task, in which the shares of both processes hold aligned and shifted sounds."""
    (tmp_path / "recipe.toml").write_text(run_folder.recipe_toml(plan(3, "align")))
    one = train(plan(3, "align"), [shards], tmp_path / "one", device="cpu")
    words = ["train", "align", str(shards), "-o", str(tmp_path / "two"), "--recipe", str(tmp_path / "recipe.toml"), "--device", "cpu"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    launch += [str(Path(sysconfig.get_path("scripts")) / "avsep"), *words]
    done = subprocess.run(launch, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("done:") == 1
    assert_alike(one, tmp_path / "two" / "model.safetensors")
    assert run_folder.read(tmp_path / "two").starts[0].processes == 2


@pytest.mark.slow
def test_a_process_that_fails_ends_all_with_its_sentence() -> None:
    with pytest.raises(DataError, match=r"^rank 1 has no data$"):
        processes.start(2, fail_in_the_second, None, lambda _: None)
    with pytest.raises(WorkerError, match=r"^Process 2 of 2 of this run has ended by SIGKILL"):
        processes.start(2, die_in_the_second, None, lambda _: None)


def test_shares_of_a_batch_are_the_batch(shards: Path) -> None:
    for task in ("separate", "align"):
        given = plan(task=task)
        given = replace(given, data=replace(given.data, partners=0.5 if task == "separate" else 0.0))
        batches = Batches([Shards(shards)], given)
        whole = batches.batch(5, 6)
        for parts in ([3, 3], [1, 4, 1], [2, 2, 2]):
            drawn = [batches.batch(5, size, first) for size, first in zip(parts, np.cumsum([0, *parts]), strict=False)]
            for name, tensor in vars(whole).items():
                assert torch.equal(torch.cat([getattr(part, name) for part in drawn]), tensor)


@pytest.mark.slow
def test_workers_draw_what_a_thread_draws(shards: Path) -> None:
    share = Share(Batches([Shards(shards)], plan()), 4)
    plain = list(drawn_ahead(share, range(3, 8), 0, pin=False))
    worked = list(drawn_ahead(share, range(3, 8), 2, pin=False))
    assert [number for number, _ in plain] == [number for number, _ in worked] == [3, 4, 5, 6, 7]
    for (_, left), (_, right) in zip(plain, worked, strict=True):
        assert all(torch.equal(getattr(left, name), getattr(right, name)) for name in vars(left))


@pytest.mark.slow
def test_what_a_worker_cannot_draw_is_one_sentence(shards: Path) -> None:
    batches = Batches([Shards(shards)], replace(plan(), data=replace(plan().data, corpora={"talk": 1.0}, interferers={"hum": 1.0})))
    batches.pools.corpora["hum"] = batches.pools.seen["talk"][:1]
    batches.pools.seen["talk"] = batches.pools.seen["talk"][:1]
    with pytest.raises(DataError, match=r"^Corpus 'talk' has nothing to mix with[^\n]*$"):
        list(drawn_ahead(Share(batches, 4), range(2), 1, pin=False))


class Square(nn.Module):
    """A loss without batch statistics, which is the mean over its clips."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, batch: MixBatch) -> tuple[Tensor, dict[str, Tensor]]:
        loss = (self.weight * batch.on.square().mean(dim=(1, 2)) - 1).square().mean()
        return loss, {"twice": 2 * loss}


def test_the_gradients_of_micro_batches_add_up(shards: Path, tmp_path: Path) -> None:
    batch, ends = Batches([Shards(shards)], plan()).mix(0, 4), []
    for parts in (1, 2, 4):
        job = Job(plan(), (shards,), tmp_path, micro_batches=parts)
        fabric = processes.fabric("cpu", "32-true")
        square = Square()
        objective, optimizer = fabric.setup(square, torch.optim.SGD(square.parameters(), lr=1.0))
        figures = trainer._step(fabric, objective, optimizer, job, 1, batch)
        ends.append([square.weight.item(), float(figures["loss"]), float(figures["twice"]), float(figures["gradient_norm"])])
    assert ends[0][0] != 2.0
    assert ends[1] == pytest.approx(ends[0], rel=1e-5)
    assert ends[2] == pytest.approx(ends[0], rel=1e-5)


def test_a_run_keeps_its_micro_batches(shards: Path, tmp_path: Path) -> None:
    train(plan(2), [shards], tmp_path, device="cpu", micro_batches=2, stop_after=1)
    with pytest.raises(ConfigError, match="--micro-batches 2, not 1"):
        train(plan(2), [shards], tmp_path, device="cpu")
    with pytest.raises(ConfigError, match="1 processes x 3 micro-batches"):
        train(plan(2), [shards], tmp_path / "other", device="cpu", micro_batches=3)


def test_bf16_trains(shards: Path, tmp_path: Path) -> None:
    for task in ("separate", "align"):
        half = train(plan(2, task), [shards], tmp_path / task, device="cpu", precision="bf16-mixed")
        assert all(tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in weights(half).values())


@pytest.mark.gpu
def test_a_gpu_trains_as_the_cpu_does(shards: Path, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    on_cpu = train(plan(3), [shards], tmp_path / "cpu", device="cpu")
    on_gpu = train(plan(3), [shards], tmp_path / "cuda", device="cuda", workers=1)
    one, other = weights(on_cpu), weights(on_gpu)
    assert all(torch.allclose(one[name], other[name], rtol=1e-2, atol=1e-3) for name in one)
    train(plan(3), [shards], tmp_path / "bf16", device="cuda", precision="bf16-mixed")


def test_a_repeated_run_gives_the_same_weights(shards: Path, tmp_path: Path) -> None:
    start = train(recipe(1), [shards], tmp_path / "start", device="cpu")
    first = train(recipe(3), [shards], tmp_path / "first", device="cpu", start_from=[start], stop_after=1)
    first = train(recipe(3), [shards], tmp_path / "first", device="cpu", start_from=[start])
    known = run_folder.read(tmp_path / "first")
    assert [begun.step for begun in known.starts] == [0, 1]
    assert known.starts[0].versions["torch"] == torch.__version__
    command = known.repeat.split()
    assert command[:3] == ["avsep", "train", "repeat"]
    assert run(command[1:]) == 0
    left, right = weights(first), weights(Path(command[-1]) / "model.safetensors")
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_what_a_run_was_made_of_must_be_there_to_repeat_it(shards: Path, tmp_path: Path) -> None:
    start = train(recipe(1), [shards], tmp_path / "start", device="cpu")
    train(recipe(1), [shards], tmp_path / "run", device="cpu", start_from=[start])
    train(recipe(1), [shards], tmp_path / "start2", device="cpu")
    start.write_bytes(start.read_bytes()[:-1])
    with pytest.raises(DataError, match="from which this run started"):
        run_folder.job_to_repeat(tmp_path / "run", tmp_path / "again")
    with (shards / "manifest.jsonl").open("a") as file:
        file.write('{"source": "talk/new", "skipped": "too short", "segments": []}\n')
    with pytest.raises(DataError, match="no longer holds"):
        run_folder.job_to_repeat(tmp_path / "start2", tmp_path / "again")
    with pytest.raises(DataError, match=r"run\.json"):
        run_folder.job_to_repeat(tmp_path, tmp_path / "again")


def test_a_run_does_not_go_on_with_other_shards_weights_or_precision(shards: Path, tmp_path: Path) -> None:
    other = write_shards(tmp_path / "other", seed=1)
    start = train(recipe(1), [shards], tmp_path / "start", device="cpu")
    folder = tmp_path / "run"
    train(recipe(), [shards], folder, device="cpu", stop_after=1)
    before = sorted(path.name for path in folder.rglob("*"))
    with pytest.raises(ConfigError, match="other shards"):
        train(recipe(), [shards, other], folder, device="cpu")
    with pytest.raises(ConfigError, match="other shards"):
        train(recipe(), [other], folder, device="cpu")
    with pytest.raises(ConfigError, match="did not start from"):
        train(recipe(), [shards], folder, device="cpu", start_from=[start])
    with pytest.raises(ConfigError, match="32-true, not in bf16-mixed"):
        train(recipe(), [shards], folder, device="cpu", precision="bf16-mixed")
    assert sorted(path.name for path in folder.rglob("*")) == before


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_written_whole(name: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(run_folder.recipe_toml(load_recipe(name)))
    assert load_recipe(str(path)) == load_recipe(name)


def test_curves_and_log_have_every_step_once_after_a_crash(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "LOG_EVERY", 1)
    folder = tmp_path / "run"

    def crash(step: int, *_: object) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe(4), [shards], folder, device="cpu", validation=[shards], progress=crash, save_every=2)
    with (folder / "log.jsonl").open("a") as log:
        log.write('{"step": 3, "lo')
    train(recipe(4), [shards], folder, device="cpu", validation=[shards], save_every=2)
    steps = [line["step"] for line in lines(folder) if "loss" in line]
    assert steps == [1, 2, 3, 4]
    curves = EventAccumulator(str(folder / "tensorboard")).Reload()
    tags = curves.Tags()["scalars"]
    assert {"train/loss", "train/learning_rate", "train/clips_per_second", "train/right_voice", "held_out/right_voice"} <= set(tags)
    events = curves.Scalars("train/loss")
    assert [event.step for event in events] == [1, 2, 3, 4]
    assert [event.value for event in events] == pytest.approx([line["loss"] for line in lines(folder) if "loss" in line], rel=1e-4)
    assert [event.step for event in curves.Scalars("held_out/loss")] == [2, 4]


def test_a_batch_must_divide(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="4 clips a step cannot be shared out equally to 3 processes"):
        train(plan(), [shards], tmp_path / "run", device="cpu", devices=3)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", [{"RANK": "x"}, {"RANK": "2", "WORLD_SIZE": "2"}, {"WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "2"}])
def test_an_environment_that_makes_no_sense_is_said(wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="environment"):
        processes.place()


def test_torchrun_and_devices_are_not_mixed(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="leave out --devices"):
        Job(plan(), (shards,), tmp_path / "run", devices=2).check()
