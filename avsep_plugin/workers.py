"""The engine that brings every clip through a process of its own: a crash of FFmpeg or a hang costs one file, not the batch.

    this process          decides what is finished already, hands out jobs, watches the clock; opens no media and loads no PyTorch
    worker 0 .. jobs - 1  load the model once, then one clip after another; a worker that dies or hangs is replaced

The pool is pebble's. Progress comes back through a shared row of numbers, two for each worker, and not through a queue: a process that
dies while it holds a queue's lock would stop all the others.
"""

import contextlib
import ctypes
import logging
import multiprocessing
import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from pebble import ProcessExpired, ProcessPool

from avsep_plugin import batch, workplace
from avsep_plugin.batch import Event, Orders, Row, Tell
from avsep_plugin.discover import Job
from avsep_plugin.errors import FolderBusyError, WorkerError
from avsep_plugin.work import THREADS, Task
from avsep_plugin.worker import NOT_BEGUN, Outcome, Seats, begin, do

_POLL_SECONDS = 0.2
_TRIES = 2
"""How often a job may see the whole pool break, which is then perhaps not its fault."""


@dataclass(frozen=True)
class Workers:
    """An engine for `batch.run`: so many worker processes, so many threads in each, and seconds after which a clip is given up.

    Raises ModelError, and WorkerError where no worker comes to life.
    """

    jobs: int = 1
    threads: int = THREADS
    timeout_seconds: float | None = None

    def __call__(self, jobs: Sequence[Job], task: Task, orders: Orders, tell: Tell) -> Generator[Row]:
        """Bring all jobs through; see `batch.Engine`."""
        with contextlib.closing(_Shift(self, jobs, task, orders, tell).rows()) as rows:
            yield from rows


@dataclass
class _Turn:
    """One job on its way: where it sits, and how often it was begun."""

    job: Job
    wait: bool = False
    tries: int = 0
    seat: int = 0
    shown: float = 0.0


class _Shift:
    """The work on one batch."""

    def __init__(self, crew: Workers, jobs: Sequence[Job], task: Task, orders: Orders, tell: Tell) -> None:
        self._crew, self._task, self._orders, self._tell = crew, task, orders, tell
        self._waiting = deque(_Turn(job) for job in jobs)
        self._count = max(1, min(crew.jobs, len(jobs)))
        self._free = list(range(self._count))
        self._running: dict[Future[Outcome], _Turn] = {}
        self._context = multiprocessing.get_context("spawn")
        self._seats: Seats = self._context.RawArray(ctypes.c_double, 2 * self._count)
        self._pool = self._new_pool()

    def rows(self) -> Generator[Row]:
        try:
            while self._waiting or self._running:
                yield from self._hand_out()
                done, _ = wait(self._running, _POLL_SECONDS, FIRST_COMPLETED)
                self._tell_progress()
                for future in done:
                    yield from self._take_back(future)
        finally:
            self._stop()
            for turn in self._running.values():
                workplace.tidy(turn.job.out_dir)

    def _hand_out(self) -> Iterator[Row]:
        """Give every free seat a job; a job that is finished already takes no seat."""
        while self._waiting and self._free:
            turn = self._waiting.popleft()
            row = batch.settled(turn.job, self._task, self._orders)
            if row is not None:
                yield row
                continue
            turn.seat = self._free.pop(0)
            self._seats[2 * turn.seat : 2 * turn.seat + 2] = [0.0, NOT_BEGUN]
            self._tell(Event("waiting" if turn.wait else "started", turn.job))
            try:
                future = self._pool.schedule(do, (turn.job, turn.seat, turn.wait), timeout=self._crew.timeout_seconds)
            except RuntimeError:  # the pool broke a moment ago
                yield from self._renew([turn])
                return
            self._running[future] = turn

    def _take_back(self, future: "Future[Outcome]") -> Iterator[Row]:
        if future not in self._running:  # the pool broke, and all jobs were given back at once
            return
        failure = future.exception()
        if isinstance(failure, BrokenProcessPool):
            yield from self._renew([])
            return
        turn = self._running.pop(future)
        self._free.append(turn.seat)
        if failure is None:
            outcome = future.result()
            for record in outcome.log:
                logging.getLogger(record.name).handle(record)
            yield outcome.row
        elif isinstance(failure, FolderBusyError):
            turn.wait = True
            self._waiting.append(turn)
        elif isinstance(failure, TimeoutError | ProcessExpired):
            workplace.tidy(turn.job.out_dir)
            yield batch.lost(turn.job, self._task, self._cause(failure))
        else:
            raise failure

    def _cause(self, failure: TimeoutError | ProcessExpired) -> str:
        if isinstance(failure, TimeoutError):
            return f"given up: it took longer than {self._crew.timeout_seconds:g} seconds."
        code = failure.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        memory = "; perhaps there was too little memory" if code == -signal.SIGKILL else ""
        return f"the process that worked on it died ({how}{memory})."

    def _renew(self, also: list[_Turn]) -> Iterator[Row]:
        """All workers are gone: give their jobs to new ones, once. Raises WorkerError where workers do not even begin."""
        turns = [*self._running.values(), *also]
        self._stop()
        self._running.clear()
        self._free = list(range(self._count))
        self._pool = self._new_pool()
        for turn in reversed(turns):
            workplace.tidy(turn.job.out_dir)
            turn.tries += 1
            if turn.tries < _TRIES:
                self._waiting.appendleft(turn)
            elif self._seats[2 * turn.seat + 1] == NOT_BEGUN:
                raise WorkerError("The worker processes end before they have begun; `avsep doctor` may say why.")
            else:
                yield batch.lost(turn.job, self._task, "the process that worked on it died.")

    def _new_pool(self) -> ProcessPool:
        level = logging.getLogger("avsep_plugin").getEffectiveLevel()
        site = (self._task, self._orders, self._seats, self._crew.threads, level)
        return ProcessPool(self._count, initializer=begin, initargs=site, context=self._context)

    def _stop(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def _tell_progress(self) -> None:
        for turn in self._running.values():
            seconds, total = self._seats[2 * turn.seat : 2 * turn.seat + 2]
            if seconds != turn.shown:
                turn.shown = seconds
                self._tell(Event("progress", turn.job, seconds, total if total >= 0 else None))
