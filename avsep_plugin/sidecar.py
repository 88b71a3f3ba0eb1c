"""What is known of finished work: a small JSON file beside the outputs of a clip, one for each task.

    talk/on-screen.wav  talk/off-screen.wav  talk/talk.mov
    talk/separate.avsep.json      of which input, by which model, with which options these were made, and their checksums
    talk/.separate.avsep.json     the same while the outputs are being put into place: where it is left over, that was broken off

The first field, "schema", is the version of the form; a program that does not know it does not guess.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

from avsep_plugin.atomic import write_text
from avsep_plugin.errors import ConfigError, MediaError, NotMediaError, SidecarError
from avsep_plugin.plain import from_dict

SCHEMA = 1
SUFFIX = ".avsep.json"
_ENDS_BYTES = 2**20


@dataclass(frozen=True)
class Input:
    """A clip as it was when it was read."""

    path: str
    """Absolute; bytes that are no UTF-8 stand as lone surrogates, in JSON as \\udcXX."""
    size: int
    mtime_ns: int
    head_sha256: str
    """Of its first MiB."""
    tail_sha256: str
    """Of its last MiB."""

    def is_same_file_as(self, other: "Input") -> bool:
        """Whether size, time and both ends agree; where the file lies does not matter."""
        return dataclasses.replace(self, path="") == dataclasses.replace(other, path="")


@dataclass(frozen=True)
class Model:
    """The model by its name, and the sha256 of its weights file; of other files that the result depends on too, joined by +."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Written:
    """One output, a file or a folder of files: its name below the clip's folder, bytes, and checksum."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Sidecar:
    """Everything that is kept about one task on one clip."""

    task: str
    program: str
    input: Input
    model: Model
    outputs: dict[str, Written]
    """By kind."""
    left: tuple[Written, ...] = ()
    """What earlier runs with other options wrote, and which is still there."""
    warnings: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    """Plain JSON values."""


def path_of(folder: Path, task: str) -> Path:
    """Where the sidecar of a task lies."""
    return folder / f"{task}{SUFFIX}"


def pending_path_of(folder: Path, task: str) -> Path:
    """Where it lies while the outputs are being put into place."""
    return folder / f".{task}{SUFFIX}"


def below(folder: Path) -> Iterator[Path]:
    """All sidecars below a folder in alphabetical order, also those that a killed run has left unfinished."""
    for here, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith(".avsep-"))
        yield from (Path(here) / name for name in sorted(names) if name.endswith(SUFFIX))


def read(path: Path) -> Sidecar | None:
    """The sidecar in a file, or None where there is no such file. Raises SidecarError where it is damaged or of another version."""
    try:
        values = json.loads(path.read_bytes())
        schema = values.pop("schema")
        if schema != SCHEMA:
            raise SidecarError(f"{path} is a sidecar of version {schema}; this avsep knows version {SCHEMA}.")
        options = values.pop("options")
        return dataclasses.replace(from_dict(Sidecar, values), options=dict(options))
    except FileNotFoundError:
        return None
    except SidecarError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError) as exc:
        raise SidecarError(f"{path} is no whole sidecar of avsep: {' '.join(str(exc).split())}") from exc


def write(sidecar: Sidecar, path: Path) -> None:
    """Write a sidecar in one step. Raises OutputError."""
    write_text(json.dumps({"schema": SCHEMA, **dataclasses.asdict(sidecar)}, indent=2) + "\n", path)


def plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they come back from JSON, so that they can be compared: tuples are lists, paths and fractions are strings."""
    values: dict[str, Any] = json.loads(json.dumps(dict(options), default=str))
    return values


def program() -> str:
    """Name and version of this program."""
    return f"avsep {metadata.version('avsep-plugin')}"


def look_at(source: Path) -> Input:
    """Size, time and both ends of a clip. Raises MediaError where it cannot be read."""
    if source.exists() and not source.is_file():
        raise NotMediaError(f"{source} is not a regular file.")  # reading a pipe would wait for ever
    try:
        with source.open("rb") as file:
            state = os.fstat(file.fileno())
            head = hashlib.sha256(file.read(_ENDS_BYTES)).hexdigest()
            file.seek(max(0, state.st_size - _ENDS_BYTES))
            tail = hashlib.sha256(file.read(_ENDS_BYTES)).hexdigest()
    except OSError as exc:
        raise MediaError(f"{source} cannot be read: {exc.strerror}.") from exc
    return Input(str(source.absolute()), state.st_size, state.st_mtime_ns, head, tail)


def describe(folder: Path, name: str) -> Written:
    """Size and checksum of an output."""
    path = folder / name
    return Written(name, size_of(path), sha256_of(path))


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder together."""
    return sum(file.stat().st_size for file in _files(path)) if path.is_dir() else path.stat().st_size


def sha256_of(path: Path) -> str:
    """Checksum of a whole file, or of the names and the checksums of a folder's files."""
    if path.is_dir():
        lines = (f"{file.name} {sha256_of(file)}\n" for file in _files(path))
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    file: BinaryIO
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> list[Path]:
    """In the order of their names."""
    return sorted(folder.iterdir())
