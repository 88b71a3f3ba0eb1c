"""The inside of a worker process (workers.py is the outside): begins once, then does one job after another."""

import ctypes
import logging
import multiprocessing
import os
import signal
import threading
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
    """The beginning of a worker process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.getLogger("avsep_plugin").setLevel(level)
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
    site, kept = _SITE.get(), _Keeper()

    def progress(seconds: float) -> None:
        site.seats[2 * seat] = seconds

    def stop(*_: Any) -> None:
        raise _Stopped

    former = signal.signal(signal.SIGTERM, stop)
    logger = logging.getLogger("avsep_plugin")
    logger.addHandler(kept)
    try:
        total = site.task.seconds(job)
        site.seats[2 * seat + 1] = UNKNOWN if total is None else total
        row = handle(job, site.task, site.orders, progress, wait=wait)
    except _Stopped:
        os._exit(1)
    finally:
        signal.signal(signal.SIGTERM, former)
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
