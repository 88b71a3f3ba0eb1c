"""What happens, as lines of JSON for other programs, written while it happens.

{"event": "started", "input": "a.mp4", "seconds": 0.0, "total": null}
{"event": "progress", "input": "a.mp4", "seconds": 12.4, "total": 60.0}         of the footage; total: null where it is not known
{"event": "waiting", "input": "a.mp4", ...}                                     another avsep is working on this clip
{"event": "done", "input": "a.mp4", "status": "done", "outputs": {...}, ...}    or skipped, error: the row of the report
{"event": "finished", "done": 1, "skipped": 0, "error": 0}
"""

import dataclasses
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from avsep_plugin.batch import Row
from avsep_plugin.errors import OutputError


class Events:
    """A stream of events; every line is there as soon as it is written."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, event: dict[str, Any]) -> None:
        """One line."""
        if self._stream is not None:
            self._stream.write(json.dumps(event) + "\n")
            self._stream.flush()

    def write_row(self, row: Row) -> None:
        """What became of an input."""
        self.write({"event": row.status, **dataclasses.asdict(row)})


@contextmanager
def events_to(path: Path | None) -> Iterator[Events]:
    """Events into a file, to standard output (-), or nowhere (None). Raises OutputError."""
    if path is None or path == Path("-"):
        yield Events(None if path is None else sys.stdout)
        return
    try:
        stream = path.open("w", encoding="utf-8")
    except OSError as exc:
        raise OutputError(f"{path}: this file cannot be written ({exc.strerror}).") from exc
    with stream:
        yield Events(stream)
