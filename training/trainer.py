"""The loop: batches in, checkpoint out. A run that was stopped goes on exactly where it stood."""

import fnmatch
import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.models import checkpoint
from avsep_plugin.models.separator import Separator

from .dataset import Batch, Batches
from .losses import Objective
from .recipe import OptimizerConfig, Recipe
from .shards import Shards
from .state import load_state, save_state

log = logging.getLogger(__name__)

CHECKPOINT_EVERY = 200
LOG_EVERY = 10
Progress = Callable[[int, int, dict[str, float]], None]


def train(
    recipe: Recipe,
    shards: Iterable[Path],
    output: Path,
    *,
    start_from: Path | None = None,
    validation: Iterable[Path] = (),
    device: str = "auto",
    precision: Literal["32-true", "bf16-mixed"] = "32-true",
    progress: Progress | None = None,
    stop_after: int | None = None,
) -> Path:
    """Train a recipe and return the path of the finished weights, `output`/model.safetensors.

    start_from: weights whose tensors of the same name and shape are taken over (an aligner under a separator, a model to fine-tune).
    `output` also holds state.safetensors (weights, optimiser, random state, step), from which the run resumes, and log.jsonl.
    stop_after: leave at that step as if interrupted. Raises DataError, ModelError, ConfigError.
    """
    recipe.check_start(start_from)
    output.mkdir(parents=True, exist_ok=True)
    kind, _, index = device.partition(":")
    fabric = Fabric(accelerator=kind, devices=[int(index)] if index else 1, precision=precision)
    fabric.seed_everything(recipe.seed, verbose=False)
    model = checkpoint.build(recipe.model)
    if start_from is not None:
        fresh = checkpoint.load_shared(model, _taken_over(start_from, recipe))
        log.info("%d tensors start fresh, the rest come from %s", len(fresh), start_from)
    optimizer = make_optimizer(model, recipe.optimizer)
    step = load_state(output / "state.safetensors", model, optimizer, recipe) if (output / "state.safetensors").is_file() else 0
    objective, optimizer = fabric.setup(Objective(model, recipe.loss, recipe.loss_weights), optimizer)
    batches = Batches([Shards(folder) for folder in shards], recipe)
    held_out = _held_out([Shards(folder) for folder in validation], recipe)
    last = recipe.optimizer.steps if stop_after is None else min(stop_after, recipe.optimizer.steps)
    started = time.monotonic()
    with _without_denormals():
        for number, batch in _prefetch(batches, recipe, range(step, last)):
            figures = _step(fabric, objective, optimizer, recipe, number, batch)
            if (number + 1) % LOG_EVERY == 0:
                figures |= {"seconds": time.monotonic() - started}
                _write_log(output, number + 1, figures)
                if progress:
                    progress(number + 1, recipe.optimizer.steps, figures)
            if (number + 1) % CHECKPOINT_EVERY == 0 or number + 1 == last:
                save_state(output / "state.safetensors", model, optimizer, recipe, number + 1)
                if held_out is not None:
                    _write_log(output, number + 1, validate(objective, held_out, recipe))
    if last < recipe.optimizer.steps:
        return output / "state.safetensors"
    about = {"recipe": recipe.model.name, "steps": recipe.optimizer.steps, "seed": recipe.seed}
    checkpoint.save(output / "model.safetensors", recipe.model, model.state_dict(), about)
    return output / "model.safetensors"


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Flush them to zero: weights that nothing reaches decay to them, and a CPU takes many times as long for each.

    The switch belongs to the whole process, whose own arithmetic needs them again afterwards.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _step(
    fabric: Fabric, objective: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, number: int, batch: Batch
) -> dict[str, float]:
    """One update -> figures."""
    objective.train()
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(recipe.optimizer, number)
    torch.manual_seed(recipe.seed * 1_000_003 + number)
    loss, figures = objective(_to_device(batch, fabric.device))
    if not math.isfinite(loss.item()):
        raise DataError(f"The loss is {loss.item()} at step {number}; lower the learning rate or look at the data.")
    optimizer.zero_grad()
    fabric.backward(loss)
    norm = nn.utils.clip_grad_norm_(objective.parameters(), recipe.optimizer.clip_norm)
    optimizer.step()
    return {"loss": loss.item(), "gradient_norm": float(norm), **{name: float(value) for name, value in figures.items()}}


@torch.no_grad()
def validate(objective: nn.Module, batches: Batches, recipe: Recipe, count: int = 4) -> dict[str, float]:
    """Mean figures over a few fixed batches of held-out clips, in evaluation mode; names begin with `held_out_`."""
    objective.eval()
    device = next(objective.parameters()).device
    sums: dict[str, float] = {}
    for number in range(count):
        loss, figures = objective(_to_device(_draw(batches, recipe, number), device))
        for name, value in {"loss": loss, **figures}.items():
            sums[f"held_out_{name}"] = sums.get(f"held_out_{name}", 0.0) + float(value) / count
    return sums


def _taken_over(start_from: Path, recipe: Recipe) -> dict[str, Tensor]:
    """The tensors of the weights a run starts from, without those that the recipe starts fresh. Raises ConfigError for an idle pattern."""
    tensors = checkpoint.read(start_from)[1]
    for pattern in recipe.fresh:
        if not fnmatch.filter(tensors, pattern):
            raise ConfigError(f"the recipe starts '{pattern}' fresh, but the weights it starts from have no such tensor.")
    return {name: tensor for name, tensor in tensors.items() if not any(fnmatch.fnmatchcase(name, pattern) for pattern in recipe.fresh)}


def _held_out(shards: list[Shards], recipe: Recipe) -> Batches | None:
    """Batches of the held-out corpora that the recipe knows, without augmentation of picture and speed; None without shards."""
    if not shards:
        return None
    names = {segment.corpus for home in shards for segment in home.segments}
    corpora = {name: share for name, share in recipe.data.corpora.items() if name in names}
    interferers = {name: share for name, share in recipe.data.interferers.items() if name == "same" or name in names} or {"same": 1.0}
    backgrounds = {name: share for name, share in recipe.data.backgrounds.items() if name in names}
    data = replace(recipe.data, corpora=corpora, interferers=interferers, backgrounds=backgrounds, brightness=0.0, speed=0.0)
    return Batches(shards, replace(recipe, data=data if backgrounds else replace(data, background=0.0)))


def _to_device(batch: Batch, device: torch.device) -> Batch:
    return type(batch)(*(tensor.to(device) for tensor in vars(batch).values()))


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """SGD with momentum 0.9 or Adam; L2 on weights of more than one axis, of a separator only the mask network's (spec 1.4, 2.5)."""
    decays = {name: p.dim() > 1 and (not isinstance(model, Separator) or name.startswith("gen.")) for name, p in model.named_parameters()}
    decayed, rest = ([p for name, p in model.named_parameters() if decays[name] is wanted] for wanted in (True, False))
    groups = [{"params": decayed, "weight_decay": config.l2}, {"params": rest, "weight_decay": 0.0}]
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9)
    return torch.optim.Adam(groups, lr=config.learning_rate)


def learning_rate(config: OptimizerConfig, step: int) -> float:
    """Step size of update number `step`, counted from 0."""
    rate = config.learning_rate * min(1.0, (step + 1) / max(config.warmup_steps, 1))
    if config.schedule == "step":
        return rate * 0.1 ** (step // config.step_size)
    if config.schedule == "cosine":
        return rate * 0.5 * (1 + math.cos(math.pi * step / config.steps))
    return rate


def _draw(batches: Batches, recipe: Recipe, number: int) -> Batch:
    return batches.batch(number, recipe.optimizer.batch_clips)


def _prefetch(batches: Batches, recipe: Recipe, numbers: range) -> Iterator[tuple[int, Batch]]:
    """Draw the next batch on a thread while the last one is used."""
    with ThreadPoolExecutor(1) as pool:
        ahead = None
        for number in numbers:
            current = ahead or pool.submit(_draw, batches, recipe, number)
            ahead = pool.submit(_draw, batches, recipe, number + 1) if number + 1 in numbers else None
            yield number, current.result()


def _write_log(output: Path, step: int, figures: dict[str, float]) -> None:
    with (output / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": step, **{name: round(value, 5) for name, value in figures.items()}}) + "\n")
