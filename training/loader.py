"""Batches drawn ahead of the step: by worker processes (torch's DataLoader), or on a thread of this one; then pinned for a GPU.

    workers   0 .. N-1 draw batches number, number + 1, ...    (DataLoader hands them out in order, whoever drew them)
    a thread  takes the next one and pins its memory, while the last one is trained on

A batch is a function of its number, so how many workers there are changes nothing but the time.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from avsep_plugin.errors import AvsepError, WorkerError

from .dataset import Batch, Batches

_AHEAD = 2
_MOST_WORKERS = 8


@dataclass(frozen=True)
class Share(Dataset[Batch | AvsepError]):
    """Items [first, first + size) of every batch. As DataLoader's data set: errors come back as values, to be raised in our own words."""

    batches: Batches
    size: int
    first: int = 0

    def draw(self, number: int) -> Batch:
        """This share of a batch."""
        return self.batches.batch(number, self.size, self.first)

    def __getitem__(self, number: int) -> Batch | AvsepError:
        try:
            return self.draw(number)
        except AvsepError as exc:
            return exc


def drawn_ahead(share: Share, numbers: range, workers: int, pin: bool) -> Iterator[tuple[int, Batch]]:
    """(number, batch) for all numbers. Raises what drawing raises when it is that batch's turn, WorkerError where a worker dies."""
    drawn = _by_workers(share, numbers, workers) if workers and numbers else map(share.__getitem__, numbers)

    def take() -> Batch | AvsepError:
        batch = next(drawn)
        return batch if isinstance(batch, AvsepError) or not pin else pinned(batch)

    with ThreadPoolExecutor(1) as thread:
        ahead = thread.submit(take) if numbers else None
        for number in numbers:
            assert ahead is not None
            batch = ahead.result()
            ahead = thread.submit(take) if number != numbers[-1] else None
            if isinstance(batch, AvsepError):
                raise batch
            yield number, batch


def _by_workers(share: Share, numbers: range, workers: int) -> Iterator[Batch | AvsepError]:
    # Spawned, not forked: a copy of a process that runs threads, PyTorch's among them, may stop for ever in a lock that one of them held.
    loader = DataLoader(
        share, batch_size=None, sampler=numbers, num_workers=workers, prefetch_factor=_AHEAD, multiprocessing_context="spawn"
    )  # fmt: skip
    return iter(loader)


@contextmanager
def worker_deaths() -> Iterator[None]:
    """DataLoader tells by a RuntimeError, at any place of the main thread, that one of its processes was killed: a WorkerError."""
    try:
        yield
    except RuntimeError as exc:
        if "DataLoader worker" not in str(exc):
            raise
        raise WorkerError("A process that draws batches was killed; memory may be short: try fewer --workers.") from exc


def usual_workers(device: torch.device, processes: int = 1) -> int:
    """How many workers each of so many processes on a machine has where nobody says: none on a CPU, whose cores the step needs itself."""
    if device.type == "cpu":
        return 0
    return max(1, min(_MOST_WORKERS, (os.cpu_count() or 1) // processes - 1))


def pinned(batch: Batch) -> Batch:
    """The batch in memory from which a GPU copies by itself."""
    return type(batch)(*(tensor.pin_memory() for tensor in vars(batch).values()))


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device; from pinned memory it is copied while the program goes on."""
    return type(batch)(*(tensor.to(device, non_blocking=True) for tensor in vars(batch).values()))


def micro_batch(batch: Batch, index: int, of: int) -> Batch:
    """Part number `index` of a batch that is cut into equal parts."""
    return type(batch)(*(tensor.chunk(of)[index] for tensor in vars(batch).values()))
