"""Outputs that appear whole or not at all: written beside the target under a temporary name, synced, renamed.

(`click.open_file(atomic=True)` is no help: it publishes the partial file when the block raises.)
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from avsep_plugin.errors import OutputError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path in the same folder; when the block ends well it becomes `path`, else it is removed.

    Raises OutputError where the result cannot be put into place. Whatever the block raises, Ctrl-C included, goes on.
    """
    with atomic_all([path]) as (temporary,):
        yield temporary


@contextmanager
def atomic_all(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """`atomic` for files that belong together: none is renamed before all of them are complete and on disk."""
    pairs = [(_temporary(path), path) for path in paths]
    try:
        yield [temporary for temporary, _ in pairs]
        for temporary, path in pairs:
            _sync(temporary, path)
        for temporary, path in pairs:
            _rename(temporary, path)
    finally:
        for temporary, _ in pairs:
            temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """A hidden name that no folder walk takes for footage; the suffix stays last, where FFmpeg looks for it."""
    return path.with_name(f".avsep-{secrets.token_hex(6)}.part{path.suffix}")


def _sync(temporary: Path, path: Path) -> None:
    try:
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
    except OSError as exc:
        raise OutputError(f"{path} cannot be written: {exc.strerror}.") from exc


def _rename(temporary: Path, path: Path) -> None:
    try:
        temporary.replace(path)
    except OSError as exc:
        raise OutputError(f"{path} cannot be written: {exc.strerror}.") from exc


def write_text(text: str, path: Path) -> None:
    """Write a text file in one step: the file is the old one or the new one, never a part. Raises OutputError."""
    try:
        with atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as exc:
        reason = exc.strerror or getattr(exc.__cause__, "strerror", None) or exc
        raise OutputError(f"{path}: this file cannot be written ({reason}).") from exc
