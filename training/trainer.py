"""The loop: batches in, checkpoint out. A run that was stopped goes on exactly where it stood, on however many devices.

With several processes each draws its share of every batch, batch statistics are taken over all shares and gradients are averaged, so that
the run is that of one process but for the order of floating-point sums. Only the first process writes.
"""

import fnmatch
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor, nn

from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.models import checkpoint
from avsep_plugin.models.layers import share_statistics

from . import processes, run_folder
from .dataset import Batch, Batches
from .job import SAVE_EVERY, Job
from .journal import HELD_OUT, Clock, Journal
from .loader import Share, drawn_ahead, micro_batch, on_device, usual_workers, worker_deaths
from .losses import Objective
from .optimizing import learning_rate, make_optimizer
from .processes import Precision
from .recipe import Recipe
from .shards import Shards
from .state import load_state, save_state

log = logging.getLogger(__name__)

LOG_EVERY = 10
VALIDATION_BATCHES = 4
Progress = Callable[[int, int, dict[str, float]], None]


def train(
    recipe: Recipe,
    shards: Iterable[Path],
    output: Path,
    *,
    start_from: Iterable[Path] = (),
    validation: Iterable[Path] = (),
    device: str = "auto",
    devices: int | None = None,
    precision: Precision = "32-true",
    micro_batches: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
    stop_after: int | None = None,
    save_every: int = SAVE_EVERY,
    command: Sequence[str] = (),
) -> Path:
    """Train a recipe and return the path of the finished weights, `output`/model.safetensors; see `Job` for the arguments.

    `output` also holds the state from which the run resumes and all that is needed to repeat it (run_folder.py).
    stop_after: leave at that step as if interrupted; the state's path is returned then.
    Raises DataError, ModelError, ConfigError, WorkerError.
    """
    return run_job(
        Job(
            recipe, tuple(shards), output, tuple(start_from), tuple(validation), device, devices, precision, micro_batches, workers,
            stop_after, save_every, tuple(command),
        ),
        progress,
    )  # fmt: skip


def run_job(job: Job, progress: Progress | None = None) -> Path:
    """Do a job in this process, in several that are started here, or as one of those that torchrun has started; see `train`."""
    job.check()
    job.recipe.check_start(job.start_from)
    run_folder.check_same(job)

    def tell(news: tuple[int, dict[str, float]]) -> None:
        if progress:
            progress(news[0], job.recipe.optimizer.steps, news[1])

    if job.devices is not None and job.devices > 1:
        processes.start(job.devices, _run, job, tell)
    else:
        _run(job, tell)
    return job.output / ("model.safetensors" if job.last_step == job.recipe.optimizer.steps else "state.safetensors")


def _run(job: Job, tell: Callable[[tuple[int, dict[str, float]]], None]) -> None:
    """The whole of a job, in each of its processes; figures are told by the first one."""
    recipe, last, state = job.recipe, job.last_step, job.output / "state.safetensors"
    fabric = processes.fabric(job.device, job.precision)
    fabric.seed_everything(recipe.seed, verbose=False)
    model, optimizer, step = _begin(job, state)
    drawn = _share(fabric, Batches([Shards(folder) for folder in job.shards], recipe))
    whole = Objective(model, recipe.loss, recipe.loss_weights)
    if fabric.world_size > 1:
        processes.leave_out_idle(whole, drawn.batches.batch(0, 1))
        share_statistics(model)
    objective, optimizer = fabric.setup(whole, optimizer)
    held_out = _held_out(fabric, [Shards(folder) for folder in job.validation], recipe)
    workers = usual_workers(fabric.device, processes.place().local) if job.workers is None else job.workers
    fabric.barrier()  # nobody writes before all have read
    with _without_denormals(), worker_deaths(), processes.others_there(), _opened(fabric, job, step, workers) as journal:
        clock = Clock(step, recipe.optimizer.batch_clips)
        for number, batch in drawn_ahead(drawn, range(step, last), workers, pin=fabric.device.type == "cuda"):
            done, figures = number + 1, _step(fabric, objective, optimizer, job, number, batch)
            saving = done % job.save_every == 0 or done == last
            if done % LOG_EVERY == 0 or saving:
                values = _values(fabric, figures)
                if not math.isfinite(values["loss"] + values["gradient_norm"]):
                    raise DataError(f"The loss is no number any more at step {done}; lower the learning rate or look at the data.")
                if journal is not None and done % LOG_EVERY == 0:
                    values |= {"learning_rate": learning_rate(recipe.optimizer, number), **clock.read(done)}
                    journal.write(done, values)
                    tell((done, values))
            if saving:
                judged = {} if held_out is None else validate(fabric, objective, held_out)
                if journal is not None:
                    save_state(state, model, optimizer, recipe, done)
                    journal.write(done, judged)
                clock.go_on(done)
    if fabric.is_global_zero and last == recipe.optimizer.steps:
        about = {"recipe": recipe.model.name, "steps": recipe.optimizer.steps, "seed": recipe.seed}
        checkpoint.save(job.output / "model.safetensors", recipe.model, model.state_dict(), about)


def _begin(job: Job, state: Path) -> tuple[checkpoint.Network, torch.optim.Optimizer, int]:
    """Model and optimiser as they stood when the run was left, or fresh ones, and the updates done so far."""
    model = checkpoint.build(job.recipe.model)
    if job.start_from:
        fresh = checkpoint.load_shared(model, _taken_over(job.start_from, job.recipe))
        log.info("%d tensors start fresh, the rest come from %s", len(fresh), ", ".join(map(str, job.start_from)))
    optimizer = make_optimizer(model, job.recipe.optimizer)
    return model, optimizer, load_state(state, model, optimizer, job.recipe) if state.is_file() else 0


@contextmanager
def _opened(fabric: Fabric, job: Job, step: int, workers: int) -> Iterator[Journal | None]:
    """The run's folder with this start noted in it, and its journal; None in all processes but the first."""
    if not fabric.is_global_zero:
        yield None
        return
    job.output.mkdir(parents=True, exist_ok=True)
    run_folder.note_start(job, step, str(fabric.device), workers)
    with closing(Journal(job.output, step)) as journal:
        yield journal


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
    fabric: Fabric, objective: _FabricModule, optimizer: torch.optim.Optimizer, job: Job, number: int, batch: Batch
) -> dict[str, Tensor]:  # fmt: skip
    """One update -> figures of this process's share, which nobody has waited for yet."""
    objective.train()
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(job.recipe.optimizer, number)
    torch.manual_seed(job.recipe.seed * 1_000_003 + number)
    optimizer.zero_grad()
    batch, parts, sums = on_device(batch, fabric.device), job.micro_batches, dict[str, Tensor]()
    for index in range(parts):
        with fabric.no_backward_sync(objective, enabled=index + 1 < parts):
            loss, figures = objective(micro_batch(batch, index, parts))
            fabric.backward(loss / parts)
        for name, value in {"loss": loss, **figures}.items():
            sums[name] = sums.get(name, 0) + value.detach() / parts
    sums["gradient_norm"] = nn.utils.clip_grad_norm_(objective.parameters(), job.recipe.optimizer.clip_norm)
    optimizer.step()
    return sums


@torch.no_grad()
def validate(fabric: Fabric, objective: nn.Module, share: Share) -> dict[str, float]:
    """Mean figures over a few fixed batches of held-out clips, in evaluation mode; names begin with `held_out_`."""
    objective.eval()
    sums: dict[str, Tensor] = {}
    for number in range(VALIDATION_BATCHES):
        loss, figures = objective(on_device(share.draw(number), fabric.device))
        for name, value in {"loss": loss, **figures}.items():
            sums[HELD_OUT + name] = sums.get(HELD_OUT + name, 0) + value / VALIDATION_BATCHES
    return _values(fabric, sums)


def _values(fabric: Fabric, figures: dict[str, Tensor]) -> dict[str, float]:
    """Figures as numbers, means over the equal shares of all processes."""
    whole = fabric.all_reduce(torch.stack([value.float() for value in figures.values()]), reduce_op="mean")
    assert isinstance(whole, Tensor)
    return dict(zip(figures, whole.tolist(), strict=True))


def _share(fabric: Fabric, batches: Batches) -> Share:
    """This process's part of every batch."""
    size = batches.recipe.optimizer.batch_clips // fabric.world_size
    return Share(batches, size, size * fabric.global_rank)


def _taken_over(start_from: Iterable[Path], recipe: Recipe) -> dict[str, Tensor]:
    """The tensors of the weights a run starts from, without those that the recipe starts fresh. Raises ConfigError for an idle pattern."""
    tensors: dict[str, Tensor] = {}
    for path in start_from:
        tensors |= checkpoint.read(path)[1]
    for pattern in recipe.fresh:
        if not fnmatch.filter(tensors, pattern):
            raise ConfigError(f"the recipe starts '{pattern}' fresh, but the weights it starts from have no such tensor.")
    return {name: tensor for name, tensor in tensors.items() if not any(fnmatch.fnmatchcase(name, pattern) for pattern in recipe.fresh)}


def _held_out(fabric: Fabric, shards: list[Shards], recipe: Recipe) -> Share | None:
    """This process's part of batches of the held-out corpora that the recipe knows, without augmentation of picture and speed.

    Of all their files, whatever portion is learnt from. None without shards.
    """
    if not shards:
        return None
    names = {segment.corpus for home in shards for segment in home.segments}
    corpora = {name: share for name, share in recipe.data.corpora.items() if name in names}
    interferers = {name: share for name, share in recipe.data.interferers.items() if name == "same" or name in names} or {"same": 1.0}
    backgrounds = {name: share for name, share in recipe.data.backgrounds.items() if name in names}
    data = replace(recipe.data, corpora=corpora, interferers=interferers, backgrounds=backgrounds, brightness=0.0, speed=0.0, portion=1.0)
    return _share(fabric, Batches(shards, replace(recipe, data=data if backgrounds else replace(data, background=0.0))))
