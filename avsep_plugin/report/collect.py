"""What is in a processed folder: the sidecars, put together clip by clip, and what failed.

    stems/talk/separate.avsep.json  \\
    maps/talk/localize.avsep.json    > one Entry, because all are of the same clip
    stems/report.json                  rows of a batch (--json): those that failed, which leave no sidecar

Nothing that a file says is believed: a name that leads out of the clip's folder is left out, and a file that makes no sense is one note.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from avsep_plugin import sidecar
from avsep_plugin.errors import NothingToDoError, SidecarError
from avsep_plugin.sidecar import Sidecar

_LARGEST_ROWS = 2**26
"""Bytes of a JSON file that may be a batch's report."""


@dataclass(frozen=True)
class Made:
    """One task that was done on a clip, and its sidecar."""

    folder: Path
    record: Sidecar

    def path(self, kind: str) -> Path | None:
        """An output that is a file and there, by kind."""
        path = self.files.get(kind)
        return path if path is not None and path.is_file() else None

    @property
    def files(self) -> dict[str, Path]:
        """All outputs that are there, by kind; one may be a folder of files."""
        paths = {kind: self.folder / written.name for kind, written in self.record.outputs.items() if is_inside(written.name)}
        return {kind: path for kind, path in paths.items() if path.is_file() or path.is_dir()}

    @property
    def missing(self) -> list[str]:
        """Names of outputs that are gone."""
        return [written.name for kind, written in self.record.outputs.items() if kind not in self.files]

    @property
    def changed(self) -> list[str]:
        """Names of outputs that have another size than they were written with."""
        there = ((path, self.record.outputs[kind]) for kind, path in self.files.items())
        return [written.name for path, written in there if sidecar.size_of(path) != written.size]


@dataclass
class Entry:
    """One clip and what was made of it, by task."""

    made: dict[str, Made] = field(default_factory=dict)
    broken_off: list[Path] = field(default_factory=list)
    """Folders in which a run was killed while it put its outputs into place."""

    @property
    def input(self) -> sidecar.Input:
        """The clip as it was when it was read."""
        return next(iter(self.made.values())).record.input

    @property
    def folder(self) -> Path:
        """Where the first of its outputs are."""
        return next(iter(self.made.values())).folder


@dataclass(frozen=True)
class Failure:
    """An input of which nothing was made, as a batch reported it."""

    input: str
    message: str


@dataclass(frozen=True)
class Collection:
    """All clips of a folder in the order of their folders, the inputs that failed, and what could not be read."""

    entries: list[Entry]
    failures: list[Failure]
    notes: list[str]


def collect(folder: Path, rows: Iterable[Path] = ()) -> Collection:
    """Look through a folder. rows: reports of batches beside those that lie at its top.

    Raises NothingToDoError where nothing in it was processed by avsep.
    """
    entries: list[Entry] = []
    notes: list[str] = []
    pending: list[tuple[Path, Sidecar | None]] = []
    for path in sidecar.below(folder):
        try:
            record = sidecar.read(path)
        except SidecarError as exc:
            notes.append(str(exc))
            continue
        if path.name.startswith("."):
            pending.append((path.parent, record))
        elif record is not None:
            _add(entries, Made(path.parent, record))
    for where, record in pending:
        _break_off(entries, where, record)
    done = {entry.input.path for entry in entries}
    failures = {failure.input: failure for path in (*_candidates(folder), *rows) for failure in _failures(path)}
    failed = [failure for name, failure in failures.items() if str(Path(name).absolute()) not in done]
    if not entries and not failed:
        beside = f" ({notes[0]})" if notes else ""
        raise NothingToDoError(f"{folder}: nothing in this folder was processed by avsep{beside}.")
    return Collection(entries, failed, notes)


def is_inside(name: str) -> bool:
    """Whether a name out of a sidecar stays below the folder of its clip, on any system."""
    kinds = PurePosixPath(name), PureWindowsPath(name)
    return (
        bool(name) and "\0" not in name and not any(path.is_absolute() or path.drive or path.root or ".." in path.parts for path in kinds)
    )


def _add(entries: list[Entry], made: Made) -> None:
    """Put a task to the others of the same clip, in the same folder first; a second one of its kind makes another entry."""
    same = [entry for entry in entries if entry.input == made.record.input and made.record.task not in entry.made]
    for entry in (*(entry for entry in same if entry.folder == made.folder), *same):
        entry.made[made.record.task] = made
        return
    entries.append(Entry({made.record.task: made}))


def _break_off(entries: list[Entry], folder: Path, record: Sidecar | None) -> None:
    """Note a run that was killed; where nothing else is known of the clip, it becomes an entry all the same."""
    for entry in entries:
        if any(made.folder == folder for made in entry.made.values()):
            entry.broken_off.append(folder)
            return
    if record is not None:
        entries.append(Entry({record.task: Made(folder, record)}, [folder]))


def _candidates(folder: Path) -> list[Path]:
    """JSON files at the top of a folder that may be reports of batches."""
    return sorted(path for path in folder.glob("*.json") if path.is_file() and not path.name.endswith(sidecar.SUFFIX))


def _failures(path: Path) -> Iterator[Failure]:
    """The failed rows of a batch's report; none where the file is something else."""
    try:
        values: Any = json.loads(path.read_bytes()) if path.stat().st_size <= _LARGEST_ROWS else None
    except (OSError, ValueError, RecursionError):
        return
    for row in values if isinstance(values, list) else ():
        if isinstance(row, dict) and row.get("status") == "error" and isinstance(row.get("input"), str):
            yield Failure(row["input"], str(row.get("message") or "no reason was given"))
