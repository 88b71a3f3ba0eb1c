"""The inside of a worker process (workers.py is the outside): begins once, then does one job after another.

`attend` is what the workers of a cluster do with a job, too.
"""

import ctypes
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias

from avsep_plugin.batch import Orders, Row, handle
from avsep_plugin.discover import Job
from avsep_plugin.work import Task

Seats: TypeAlias = "ctypes.Array[ctypes.c_double]"
"""Shared with the process outside: seconds that are done and seconds in all, for each worker."""
UNKNOWN, NOT_BEGUN = -1.0, -2.0
"""In place of the seconds in all."""


@dataclass(frozen=True)
class Outcome:
    """What comes back for one job: its row, and what the library logged meanwhile."""

    row: Row
    log: list[logging.LogRecord]


@dataclass(frozen=True)
class _Site:
    """What a worker process knows from its beginning."""

    task: Task
    orders: Orders
    seats: Seats


_SITE: ContextVar[_Site] = ContextVar("_SITE")


def begin(task: Task, orders: Orders, seats: Seats, threads: int, level: int) -> None:
    """The beginning of a worker process; one that only looks what there is to do loads no model and no PyTorch."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.getLogger("avsep_plugin").setLevel(level)
    if not orders.dry_run:
        task.prepare(threads)
    _SITE.set(_Site(task, orders, seats))


def _end_with_parent() -> None:
    """Stop working when the batch itself was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(5)
        os._exit(1)


class _Stopped(BaseException):
    """SIGTERM while a clip was worked on."""


def do(job: Job, seat: int, wait: bool) -> Outcome:
    """One job in a worker process. SIGTERM unwinds it, so that drafts and ffmpeg go away, and ends the process."""
    site = _SITE.get()

    def tell(seconds: float, total: float | None) -> None:
        site.seats[2 * seat : 2 * seat + 2] = [seconds, UNKNOWN if total is None else total]

    def stop(*_: Any) -> None:
        raise _Stopped

    former = signal.signal(signal.SIGTERM, stop)
    try:
        return attend(job, site.task, site.orders, tell, wait=wait)
    except _Stopped:
        os._exit(1)
    finally:
        signal.signal(signal.SIGTERM, former)


def attend(job: Job, task: Task, orders: Orders, tell: Callable[[float, float | None], None], *, wait: bool) -> Outcome:
    """One job in this process, see `batch.handle`. tell: takes the seconds that are done, 0 at the beginning, and those in all."""
    kept = _Keeper()
    logger = logging.getLogger("avsep_plugin")
    logger.addHandler(kept)
    try:
        total = task.seconds(job)
        tell(0.0, total)
        row = handle(job, task, orders, lambda seconds: tell(seconds, total), wait=wait)
    finally:
        logger.removeHandler(kept)
    return Outcome(row, kept.records)


class _Keeper(logging.Handler):
    """Keeps log records until they are handed to the process that can show them; tracebacks become text on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args = record.getMessage(), None
        if record.exc_info:
            record.exc_text, record.exc_info = logging.Formatter().formatException(record.exc_info), None
        self.records.append(record)
