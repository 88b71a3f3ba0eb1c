"""What is said on stderr: failures, warnings, results and progress. Standard output is left to what a command is asked for."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


@dataclass
class Talk:
    """How much is said; made in `main`, set by the options -q, -v, --debug and --progress of every command.

    verbosity: -1 failures only, 0 results, 1 what is going on, 2 tracebacks as well.
    progress: None = where stderr is a terminal.
    """

    verbosity: int = 0
    progress: bool | None = None

    @property
    def debug(self) -> bool:
        """Whether failures come with their traceback."""
        return self.verbosity >= 2

    @cached_property
    def console(self) -> "Console":
        """Rich on stderr: plain where it is no terminal, colourless with NO_COLOR."""
        from rich.console import Console

        return Console(stderr=True, highlight=False)

    def fail(self, message: str) -> None:
        """One line about what failed."""
        self._line("error", "bold red", message)

    def warn(self, message: str) -> None:
        """One line about what the user should know."""
        if self.verbosity >= 0:
            self._line("warning", "yellow", message)

    def say(self, message: str) -> None:
        """One line about what was done."""
        if self.verbosity >= 0:
            self.console.print(encodable(message), markup=False, soft_wrap=True)

    def tell(self, message: str) -> None:
        """One line about what is going on, for those who want to know (-v)."""
        if self.verbosity >= 1:
            self.say(message)

    def _line(self, kind: str, style: str, message: str) -> None:
        from rich.text import Text

        self.console.print(Text.assemble((f"{kind}: ", style), " ".join(encodable(message).split())), soft_wrap=True)

    @contextmanager
    def count(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """One bar for the time of the body; gives the function that takes what is done and the total."""
        with self._progress() as progress:
            task = progress.add_task(what, total=None, count="")
            yield lambda done, total: progress.update(task, completed=done, total=total, count=f"{done}/{total}")

    @contextmanager
    def bars(self, files: int) -> Iterator["Bars"]:
        """Bars for the time of the body: one for the files, and one for the seconds of each file that is being worked on."""
        with self._progress() as progress:
            yield Bars(progress, files)

    def _progress(self) -> "Progress":
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        shown = self.console.is_terminal if self.progress is None else self.progress
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[count]}"), TimeRemainingColumn())
        return Progress(*columns, console=self.console, transient=self.console.is_terminal, disable=not shown or self.verbosity < 0)


def encodable(text: str) -> str:
    """Bytes of a file name that are no UTF-8, which Python keeps as lone surrogates, are shown as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


class Bars:
    """The bars; `start` a file, tell its `seconds`, `finish` it. Files go by a key, and are shown by name."""

    def __init__(self, progress: "Progress", files: int) -> None:
        self._progress = progress
        self._files: TaskID = progress.add_task("files", total=files, count=f"0/{files}")
        self._clips: dict[str, TaskID] = {}
        self._total_files = files
        self._done_files = 0

    def start(self, key: str, name: str) -> None:
        """Begin a file."""
        if key not in self._clips:
            self._clips[key] = self._progress.add_task(encodable(name), total=None, count="")

    def seconds(self, key: str, done: float, total: float | None) -> None:
        """Seconds of a file that are done, of how many there are, where that is known."""
        of_all = f"/{total:.0f}" if total else ""
        self._progress.update(self._clips[key], completed=done, total=total, count=f"{done:.0f}{of_all} s")

    def finish(self, key: str) -> None:
        """One more input is dealt with."""
        self._done_files += 1
        self._progress.update(self._files, completed=self._done_files, count=f"{self._done_files}/{self._total_files}")
        if key in self._clips:
            self._progress.remove_task(self._clips.pop(key))


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """For the time of the body the library's log appears on stderr: warnings and worse, unless `set_log_level` says otherwise."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine())
    logger = logging.getLogger("avsep_plugin")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def set_log_level(verbosity: int) -> None:
    """-1 errors, 0 warnings, 1 information, 2 everything."""
    levels = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}
    logging.getLogger("avsep_plugin").setLevel(levels[max(-1, min(verbosity, 2))])


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """`warning: text`, as the other lines; a traceback follows where there is one."""
        return f"{record.levelname.lower()}: {super().format(record)}"
