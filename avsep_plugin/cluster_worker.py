"""The inside of a worker of a cluster (cluster.py is the outside), and the board on which workers say how far they are.

Plain classes: cluster.py makes Ray actors of them.
"""

import logging
import time
import uuid
from typing import Any

from avsep_plugin.batch import Orders
from avsep_plugin.discover import Job
from avsep_plugin.errors import FolderBusyError, ModelError
from avsep_plugin.work import Task
from avsep_plugin.worker import Outcome, attend

_SAY_SECONDS = 0.1


class Board:
    """What the workers said last: for each one which turn, in which life of the worker, seconds that are done and in all."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[int, str, float, float | None]] = {}

    def say(self, seat: int, turn: int, life: str, seconds: float, total: float | None) -> None:
        self._said[seat] = (turn, life, seconds, total)

    def said(self) -> dict[int, tuple[int, str, float, float | None]]:
        return self._said


class Hand:
    """A worker. Ray makes it again after its death, with the same arguments."""

    def __init__(self, task: Task, orders: Orders, threads: int, level: int, board: Any, seat: int) -> None:
        self._task, self._orders, self._threads, self._level = task, orders, threads, level
        self._board, self._seat, self._life, self._ready = board, seat, uuid.uuid4().hex, False

    def begin(self) -> None:
        """Load libraries, once; not in __init__, which Ray would try again without end where it kills the process."""
        if not self._ready:
            logging.getLogger("avsep_plugin").setLevel(self._level)
            self._task.prepare(self._threads)
            self._ready = True

    def do(self, job: Job, turn: int, wait: bool) -> Outcome | ModelError | FolderBusyError:
        """One job. Errors that are not the clip's fault are given back: raised, they would come out wrapped in one of Ray's."""
        self.begin()
        said = -_SAY_SECONDS

        def tell(seconds: float, total: float | None) -> None:
            nonlocal said
            if time.monotonic() - said >= _SAY_SECONDS:
                said = time.monotonic()
                self._board.say.remote(self._seat, turn, self._life, seconds, total)

        try:
            return attend(job, self._task, self._orders, tell, wait=wait)
        except (ModelError, FolderBusyError) as exc:
            return exc
