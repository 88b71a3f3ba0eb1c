"""The inside of a worker of a cluster (cluster.py is the outside), and the board on which workers say how far they are.

Plain classes: cluster.py makes Ray actors of them.
"""

import logging
import time
import uuid
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Site:
    """What holds for all workers; it lies in Ray's object store, because what a worker is made with has to outlive its death."""

    task: Task
    orders: Orders
    threads: int
    level: int
    """Of our logger."""
    board: Any
    """Handle of the Board actor."""


class Hand:
    """A worker. Ray makes it again after its death."""

    def __init__(self) -> None:
        self._life, self._ready = uuid.uuid4().hex, False

    def begin(self, site: Site) -> None:
        """Load libraries, once; not in __init__, which Ray would try again without end where it kills the process."""
        if not self._ready:
            logging.getLogger("avsep_plugin").setLevel(site.level)
            site.task.prepare(site.threads)
            self._ready = True

    def do(self, site: Site, job: Job, seat: int, turn: int, wait: bool) -> Outcome | ModelError | FolderBusyError:
        """One job. Errors that are not the clip's fault are given back: raised, they would come out wrapped in one of Ray's."""
        self.begin(site)
        said = -_SAY_SECONDS

        def tell(seconds: float, total: float | None) -> None:
            nonlocal said
            if time.monotonic() - said >= _SAY_SECONDS:
                said = time.monotonic()
                site.board.say.remote(seat, turn, self._life, seconds, total)

        try:
            return attend(job, site.task, site.orders, tell, wait=wait)
        except (ModelError, FolderBusyError) as exc:
            return exc
