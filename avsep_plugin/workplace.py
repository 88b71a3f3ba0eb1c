"""The folder of one clip while it is worked on: locked, so that two runs do not harm each other, and with a hidden place for drafts.

    talk/.avsep.lock         held by the operating system for as long as the process lives: what a dead run leaves does not block
    talk/.avsep-x1y2z3/      drafts; they are moved into place together at the end, or go away

A run that is killed leaves both behind; the next one that gets the lock sweeps up.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from filelock import FileLock, Timeout

from avsep_plugin import sidecar
from avsep_plugin.errors import FolderBusyError, OutputError
from avsep_plugin.sidecar import Sidecar

_LOCK = ".avsep.lock"
_DRAFTS = ".avsep-"


@contextmanager
def working_in(folder: Path, *, wait: bool) -> Iterator[Path]:
    """Make and lock a clip's folder and give a hidden folder in it for drafts, which goes away at the end.

    When the body raises, those of the new folders that are empty are taken away. Raises FolderBusyError where another run has the
    folder (not with `wait`), OutputError where it cannot be made.
    """
    new = missing(folder)
    try:
        with _locked(folder, wait):
            _sweep(folder)
            with tempfile.TemporaryDirectory(dir=folder, prefix=_DRAFTS) as drafts:
                yield Path(drafts)
    except BaseException:
        remove_empty(new)
        raise


def publish(record: Sidecar, drafts: Path, folder: Path) -> None:
    """Move the outputs that a sidecar names from the drafts into the folder, and let the sidecar appear last. Raises OutputError."""
    names = [written.name for written in record.outputs.values()]
    for name in names:
        if (folder / name).is_dir() != (drafts / name).is_dir() and (folder / name).exists():
            raise OutputError(f"{folder / name} cannot be written: it is {'a folder' if (folder / name).is_dir() else 'a file'}.")
    pending = sidecar.pending_path_of(folder, record.task)
    sidecar.write(record, pending)
    try:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if (folder / name).is_dir():  # a folder gives way only to an empty one
                (folder / name).replace(drafts / f"{name}.old")
            (drafts / name).replace(folder / name)
        pending.replace(sidecar.path_of(folder, record.task))
    except OSError as exc:
        raise OutputError(f"{folder} cannot be written ({exc.strerror}).") from exc


def tidy(folder: Path) -> bool:
    """Sweep up after a process that was killed while it worked in a folder.

    False where somebody works there, perhaps the process that is about to die.
    """
    try:
        if folder.is_dir():
            with _locked(folder, wait=False):
                _sweep(folder)
    except FolderBusyError:
        return False
    except OSError:  # what cannot be removed stays
        pass
    return True


def missing(folder: Path) -> list[Path]:
    """A folder and those above it, as far as they do not exist or may not be looked for, the innermost first."""
    return list(takewhile(lambda path: not os.path.exists(path), (folder, *folder.parents)))  # noqa: PTH110  Path.exists raises PermissionError


def remove_empty(folders: list[Path]) -> None:
    """Remove folders, the innermost first, up to the first one that is not empty."""
    for path in folders:
        try:
            path.rmdir()
        except OSError:
            break


@contextmanager
def _locked(folder: Path, wait: bool) -> Iterator[None]:
    lock = _lock(folder, wait)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # only while it is held: whoever waits for it sees that the name is gone, and starts over
            (folder / _LOCK).unlink(missing_ok=True)
        lock.release()


def _lock(folder: Path, wait: bool) -> FileLock:
    """Get the lock; makes the folder again where another run has just removed it because it was empty."""
    tries = 0
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / _LOCK)
            lock.acquire(timeout=-1 if wait else 0)
            return lock
        except Timeout as exc:
            raise FolderBusyError(f"another avsep is working in {folder}.") from exc
        except FileNotFoundError as exc:
            tries += 1
            if tries > 10:
                raise OutputError(f"{folder}: this folder cannot be made ({exc.strerror}).") from exc
        except OSError as exc:
            raise OutputError(f"{folder}: this folder cannot be made ({exc.strerror}).") from exc


def _sweep(folder: Path) -> None:
    """Remove the drafts of runs that were killed; the lock has to be held."""
    for path in folder.glob(f"{_DRAFTS}*"):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
