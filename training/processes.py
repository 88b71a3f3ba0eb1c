"""The processes of one run: who this one is among them, and how others are started on this machine.

    torchrun --nproc-per-node 4 ...   starts them on one machine or many and says in the environment who each one is: RANK of WORLD_SIZE
    start(4, ...)                     starts them here, with the same environment, and watches over them

Either way each has a device of its own and draws its share of every batch; gradients are averaged by DistributedDataParallel.
"""

import logging
import multiprocessing
import os
import signal
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import distributed, nn
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

from avsep_plugin.errors import AvsepError, ConfigError, WorkerError

Precision = Literal["32-true", "bf16-mixed"]
Tell = Callable[[Any], None]
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 30
_GRACE_SECONDS = 10
_LIBRARY_LOG = logging.getLogger("lightning_fabric")
"""Tells at length that processes found each other, which goes without saying."""
_SPAWN_LOG = logging.getLogger("torch.multiprocessing.spawn")
"""Tells which processes are ended after one has failed; the error says so."""


@dataclass(frozen=True)
class Place:
    """Which process of the run this is: number `rank` of `world` ones, of which `local` run on each machine."""

    rank: int = 0
    world: int = 1
    local: int = 1


def place() -> Place:
    """This process, by its environment; alone where that says nothing. Raises ConfigError for an environment that makes no sense."""
    try:
        world = int(os.environ.get("WORLD_SIZE", "1"))
        here = Place(int(os.environ.get("RANK", "0")), world, int(os.environ.get("LOCAL_WORLD_SIZE", str(world))))
        whole = here.rank < world and world % here.local == 0 and int(os.environ.get("LOCAL_RANK", "0")) < here.local
    except (ValueError, ZeroDivisionError) as exc:
        raise ConfigError("RANK, WORLD_SIZE and their like in the environment must be numbers, as torchrun sets them.") from exc
    if not whole:
        raise ConfigError("RANK, LOCAL_RANK, WORLD_SIZE and LOCAL_WORLD_SIZE in the environment do not go together.")
    return here


def fabric(device: str, precision: Precision) -> Fabric:
    """Fabric for this process, with the others of the run where there are any."""
    here, (kind, _, index) = place(), device.partition(":")
    if here.world == 1:
        return Fabric(accelerator=kind, devices=[int(index)] if index else 1, precision=precision)
    if index:
        raise ConfigError(f"several processes cannot share {device}; say '{kind}', and each takes one of its own.")
    strategy = DDPStrategy(cluster_environment=TorchElasticEnvironment())
    _LIBRARY_LOG.setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # of axes of length 1
    made = Fabric(
        accelerator=kind, devices=here.local, num_nodes=here.world // here.local, strategy=strategy, precision=precision
    )  # fmt: skip
    made.launch()
    return made


class LostError(WorkerError):
    """Another process of the run is gone, which has an error of its own to tell."""


@contextmanager
def others_there() -> Iterator[None]:
    """What the libraries raise in the body where another process does not answer any more becomes a LostError."""
    try:
        yield
    except RuntimeError as exc:
        if not isinstance(exc, distributed.DistError) and "gloo" not in str(exc):
            raise
        raise LostError("Another process of this run has ended; its own line says why.") from exc


def leave_out_idle(objective: nn.Module, batch: object) -> None:
    """Parameters that this loss never reaches, those of a separator's logit for example, ask for no gradient from here on.

    An optimiser passes them over anyway, but data parallelism would wait for their gradients. One pass in evaluation mode finds them.
    """
    objective.eval()
    objective(batch)[0].backward()
    for parameter in objective.parameters():
        parameter.requires_grad_(parameter.grad is not None)
        parameter.grad = None


def start(count: int, work: Callable[[Any, Tell], None], job: Any, tell: Tell) -> None:
    """Run `work(job, tell)` in `count` processes of one run on this machine; what the first of them tells is told here.

    Raises the AvsepError that ended one of them, WorkerError where one dies of something else; the others are ended then, as they are
    whatever is raised here (Ctrl-C).
    """
    _SPAWN_LOG.setLevel(logging.ERROR)
    mail = multiprocessing.get_context("spawn").SimpleQueue()
    crew = start_processes(_member, (count, _free_port(), mail, work, job), count, join=False, start_method="spawn")  # type: ignore[no-untyped-call]
    try:
        while not crew.join(timeout=_POLL_SECONDS):
            _deliver(mail, tell)
        _deliver(mail, tell)
    except (ProcessRaisedException, ProcessExitedException) as exc:
        _deliver(mail, tell)
        raise WorkerError(_obituary(exc, count)) from exc
    finally:
        for process in crew.processes:
            process.terminate()
        for process in crew.processes:
            process.join(_GRACE_SECONDS)
            process.kill()
            process.join()


def _member(rank: int, count: int, port: int, mail: Any, work: Callable[[Any, Tell], None], job: Any) -> None:
    """One of the processes, from its first line on."""
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0", "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    signal.signal(signal.SIGTERM, _leave)
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    try:
        work(job, mail.put if rank == 0 else lambda _: None)
    except LostError:
        time.sleep(_PATIENCE_SECONDS)  # `start` finds out what happened to the other one, and ends this one too
        raise
    except AvsepError as exc:
        mail.put(exc)
        raise SystemExit(1) from exc


def _leave(*_: object) -> None:
    """SIGTERM unwinds, so that this process lets go of its own workers first."""
    raise SystemExit(143)


def _deliver(mail: Any, tell: Tell) -> None:
    """Pass on what has come; the first error that has come is raised."""
    while not mail.empty():
        item = mail.get()
        if isinstance(item, AvsepError):
            raise item
        tell(item)


def _obituary(exc: ProcessRaisedException | ProcessExitedException, count: int) -> str:
    """One line about a process that died of something that nobody foresaw."""
    if isinstance(exc, ProcessRaisedException):
        reason = exc.msg.strip().splitlines()[-1]
    else:
        reason = exc.signal_name or f"exit code {exc.exit_code}"
    return f"Process {exc.error_index + 1} of {count} of this run has ended by {reason}; the others were stopped, what was saved stays."


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
