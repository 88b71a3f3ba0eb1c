"""The inside of a worker of a cluster (cluster.py is the outside), and the board on which workers say how far they are.

Plain classes: cluster.py makes Ray actors of them.
"""

import contextlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_plugin.batch import Orders
from avsep_plugin.discover import Job
from avsep_plugin.errors import FolderBusyError, ModelError
from avsep_plugin.work import Task
from avsep_plugin.worker import Outcome, attend

_SAY_SECONDS = 0.1


class Board:
    """What the workers said last: for each one which turn, seconds that are done and in all."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[int, float, float | None]] = {}

    def say(self, seat: int, turn: int, seconds: float, total: float | None) -> None:
        self._said[seat] = (turn, seconds, total)

    def said(self) -> dict[int, tuple[int, float, float | None]]:
        return self._said


@dataclass(frozen=True)
class Site:
    """What holds for all workers."""

    task: Task
    orders: Orders
    threads: int
    level: int
    """Of our logger."""
    folder: Path
    """Where relative paths begin."""
    board: Any
    """Handle of the Board actor."""


class Hand:
    """A worker."""

    def begin(self, site: Site) -> None:
        """Load libraries. A method and not __init__, so that what goes wrong comes back as an answer."""
        self._site = site
        with contextlib.suppress(OSError):  # a machine that has not got this folder can still do what has absolute paths
            os.chdir(site.folder)
        logging.getLogger("avsep_plugin").setLevel(site.level)
        if not site.orders.dry_run:
            site.task.prepare(site.threads)

    def do(self, job: Job, seat: int, turn: int, wait: bool) -> Outcome | ModelError | FolderBusyError:
        """One job. Errors that are not the clip's fault are given back: raised, they would come out wrapped in one of Ray's."""
        site, said = self._site, -_SAY_SECONDS

        def tell(seconds: float, total: float | None) -> None:
            nonlocal said
            if time.monotonic() - said >= _SAY_SECONDS:
                said = time.monotonic()
                site.board.say.remote(seat, turn, seconds, total)

        try:
            return attend(job, site.task, site.orders, tell, wait=wait)
        except (ModelError, FolderBusyError) as exc:
            return exc
