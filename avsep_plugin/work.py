"""What a batch asks of the work that it is given (tasks.py has the real ones)."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from avsep_plugin.discover import Job

THREADS = min(4, os.cpu_count() or 1)
"""Threads of a worker, whatever the number of workers: with another number sums are rounded in another order."""


class Result(Protocol):
    """What the task gives back for one clip."""

    @property
    def outputs(self) -> Mapping[str, Path]:
        """Written files by kind."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the user should know about them."""


Progress = Callable[[float], None]
"""Takes the seconds of footage that are done."""


class Task(Protocol):
    """What is to be done with every clip: a small value that can be pickled and sent to a worker process (see tasks.py)."""

    @property
    def name(self) -> str:
        """Of the task; its sidecars are called <name>.avsep.json."""

    @property
    def model(self) -> str:
        """As the user knows it."""

    @property
    def model_sha256(self) -> str:
        """Of the weights file; "" until `identified`."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All options that change the result."""

    def identified(self) -> Self:
        """The same task with the checksum of its weights file. Raises ModelError where there is no such model."""

    def prepare(self, threads: int) -> None:
        """Make a worker process ready: load libraries, set how many threads they use."""

    def expected(self, job: Job) -> Mapping[str, Path]:
        """The outputs that a clip will have, by kind, inside its folder."""

    def seconds(self, job: Job) -> float | None:
        """Length of the clip; None where it is not known."""

    def handle(self, job: Job, progress: Progress) -> Result:
        """Do it: the outputs go into the job's folder. Raises AvsepError where the clip does not allow it."""
