"""The engine that brings every clip through a worker of a Ray cluster: the same `handle`, sidecars and rows as in workers.py.

    this process   decides what is finished already, gives every ready worker one job, watches the clock
    worker actors  as many as Ray finds room for, up to `jobs`; each loads the model once, then does one clip after another
    board actor    where workers say how far they are; nothing is lost when it dies

Where a worker runs and whether it still lives is Ray's business. One that dies is replaced, wherever Ray finds room, and its clip goes to
another; a clip that loses that one too is given up. All machines have to see the clips and the outputs under the same paths.
"""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_plugin import batch, workplace
from avsep_plugin.batch import Event, Orders, Row, Tell
from avsep_plugin.cluster_connection import connected, library
from avsep_plugin.cluster_worker import Board, Hand, Site
from avsep_plugin.discover import Job
from avsep_plugin.errors import FolderBusyError, WorkerError
from avsep_plugin.work import THREADS, Task
from avsep_plugin.worker import Outcome

_POLL_SECONDS = 0.2
_TRIES = 2
_DYING_SECONDS = 5.0
"""Ray says that a worker is dead a moment before its process is."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cluster:
    """An engine for `batch.run`: up to so many workers, threads (and CPUs) and GPUs of each, seconds after which a clip is given up.

    address: of a running cluster, as Ray writes it; None: a Ray of its own on this machine, for as long as the batch lasts. Where this
    process has begun Ray already, that is used. Raises ConfigError where Ray is not installed, ModelError, and WorkerError where the
    cluster cannot be reached or no worker comes to life.
    """

    jobs: int = 1
    threads: int = THREADS
    timeout_seconds: float | None = None
    gpus_per_worker: float = 0.0
    address: str | None = None

    def __call__(self, jobs: Sequence[Job], task: Task, orders: Orders, tell: Tell) -> Generator[Row]:
        """Bring all jobs through; see `batch.Engine`."""
        ray = library()
        left = []
        for job in jobs:
            row = batch.settled(job, task, orders)
            if row is None:
                left.append(job)
            else:
                yield row
        if left:
            cpus = self.threads * min(self.jobs, len(left))  # as with local workers, the user says how many fit
            with connected(ray, self.address, cpus), contextlib.closing(_Shift(ray, self, left, task, orders, tell).rows()) as rows:
                yield from rows


@dataclass
class _Turn:
    """One job on its way: who has it, and since when."""

    job: Job
    wait: bool = False
    number: int = 0
    seat: int = 0
    tries: int = 0
    begun: float | None = None
    """When the worker was first heard of it."""
    shown: float = 0.0
    given_up: bool = False


class _Shift:
    """The work on one batch."""

    def __init__(self, ray: Any, crew: Cluster, jobs: Sequence[Job], task: Task, orders: Orders, tell: Tell) -> None:
        self._ray, self._crew, self._task, self._orders, self._tell = ray, crew, task, orders, tell
        self._waiting = deque(_Turn(job) for job in jobs)
        self._count, self._numbers = min(crew.jobs, len(jobs)), 0
        self._workers: dict[int, Any] = {}
        self._beginning: dict[Any, int] = {}
        self._free: list[int] = []
        self._running: dict[Any, _Turn] = {}

    def rows(self) -> Generator[Row]:
        self._board = self._ray.remote(num_cpus=0, max_restarts=-1)(Board).remote()
        level = logging.getLogger("avsep_plugin").getEffectiveLevel()
        self._site = self._ray.put(Site(self._task, self._orders, self._crew.threads, level, Path.cwd(), self._board))
        try:
            self._look_for_room()
            for seat in range(self._count):
                self._engage(seat)
            while self._waiting or self._running:
                self._hand_out()
                done, _ = self._ray.wait([*self._running, *self._beginning], timeout=_POLL_SECONDS)
                self._read_board()
                self._watch_the_clock()
                for reference in done:
                    yield from self._take_back(reference)
        finally:
            self._stop()

    def _look_for_room(self) -> None:
        """Say it where workers will wait for a machine that is not there yet (some clusters grow by themselves)."""
        needed = {"CPU": self._crew.threads, "GPU": self._crew.gpus_per_worker}
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if not any(all(has.get(kind, 0) >= number for kind, number in needed.items()) for has in machines):
            problem = f"no machine of this Ray has {needed['CPU']} CPUs and {needed['GPU']:g} GPUs for a worker"
            if self._crew.address is None:
                raise WorkerError(f"There is {problem}; --threads and --gpus-per-worker ask for less.")
            log.warning("There is %s; waiting for one.", problem)

    def _engage(self, seat: int) -> None:
        options = {"num_cpus": self._crew.threads, "num_gpus": self._crew.gpus_per_worker}
        kind = self._ray.remote(**options)(Hand)
        self._workers[seat] = kind.remote()
        self._beginning[self._workers[seat].begin.remote(self._site)] = seat

    def _hand_out(self) -> None:
        while self._waiting and self._free:
            turn, self._numbers = self._waiting.popleft(), self._numbers + 1
            turn.number, turn.seat = self._numbers, self._free.pop(0)
            turn.tries, turn.begun, turn.shown = turn.tries + 1, None, 0.0
            self._tell(Event("waiting" if turn.wait else "started", turn.job))
            worker = self._workers[turn.seat]
            self._running[worker.do.remote(turn.job, turn.seat, turn.number, turn.wait)] = turn

    def _read_board(self) -> None:
        try:
            said = self._ray.get(self._board.said.remote(), timeout=_DYING_SECONDS)
        except self._ray.exceptions.RayError:  # it is being begun again
            return
        for turn in self._running.values():
            number, seconds, total = said.get(turn.seat, (0, 0.0, None))
            if number != turn.number:
                continue
            turn.begun = turn.begun or time.monotonic()
            if seconds != turn.shown:
                turn.shown = seconds
                self._tell(Event("progress", turn.job, seconds, total))

    def _watch_the_clock(self) -> None:
        """End the workers of clips that take too long; their turns come back as failed."""
        seconds = self._crew.timeout_seconds
        for turn in self._running.values():
            if seconds is not None and turn.begun and not turn.given_up and time.monotonic() - turn.begun > seconds:
                turn.given_up = True
                self._ray.kill(self._workers[turn.seat])

    def _take_back(self, reference: Any) -> Iterator[Row]:
        if reference in self._beginning:
            self._welcome(reference)
            return
        turn = self._running.pop(reference)
        try:
            outcome = self._ray.get(reference)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.OutOfMemoryError):
            yield from self._without_worker(turn)
            return
        if turn.given_up:  # it came in at the last moment
            self._engage(turn.seat)
        else:
            self._free.append(turn.seat)
        if isinstance(outcome, FolderBusyError):
            turn.wait, turn.given_up, turn.tries = True, False, 0
            self._waiting.append(turn)
        elif isinstance(outcome, Outcome):
            for record in outcome.log:
                logging.getLogger(record.name).handle(record)
            yield outcome.row
        else:
            raise outcome

    def _welcome(self, reference: Any) -> None:
        """A worker has begun, or could not. Raises WorkerError where none is left."""
        seat = self._beginning.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayError as exc:
            log.debug("a worker could not begin", exc_info=exc)
            self._ray.kill(self._workers.pop(seat))
            if not self._workers:
                raise WorkerError("The workers end before they have begun; `avsep doctor` on the cluster's machines may say why.") from exc
            return
        self._free.append(seat)

    def _without_worker(self, turn: _Turn) -> Iterator[Row]:
        """Replace the worker that a clip has lost; another one gets the clip."""
        self._ray.kill(self._workers[turn.seat])  # where it only cannot be reached any more
        _tidy(turn)
        self._engage(turn.seat)
        if turn.given_up:
            yield batch.lost(turn.job, self._task, f"given up: it took longer than {self._crew.timeout_seconds:g} seconds.")
        elif turn.tries < _TRIES:
            log.info("%s: the worker that had it died; another one gets it.", turn.job.source)
            self._waiting.appendleft(turn)
        else:
            cause = f"{_TRIES} workers that worked on it died one after the other; perhaps there was too little memory."
            yield batch.lost(turn.job, self._task, cause)

    def _stop(self) -> None:
        for worker in [*self._workers.values(), self._board]:
            self._ray.kill(worker)
        if self._running:
            self._ray.wait([*self._running], num_returns=len(self._running), timeout=_DYING_SECONDS)
        for turn in self._running.values():
            _tidy(turn)


def _tidy(turn: _Turn) -> None:
    until = time.monotonic() + _DYING_SECONDS
    while not workplace.tidy(turn.job.out_dir) and time.monotonic() < until:
        time.sleep(0.05)
