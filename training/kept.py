"""What has been found out so far, one JSON line [key, value] each as it comes: work that was stopped goes on from there."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by key in a file that is appended to; a line cut short by a crash is dropped, and of two lines the later one holds.

    read: makes a value of what JSON has of it (a dataclass has become a dict of its fields).
    """

    def __init__(self, path: Path, read: Callable[[Any], Value]) -> None:
        self._values: dict[str, Value] = {}
        whole = path.read_bytes() if path.is_file() else b""
        for line in whole.splitlines():
            try:
                key, value = json.loads(line)
                self._values[key] = read(value)
            except (ValueError, KeyError, TypeError):
                continue
        self._file = path.open("a", encoding="utf-8")
        if whole and not whole.endswith(b"\n"):
            self._file.write("\n")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __getitem__(self, key: str) -> Value:
        return self._values[key]

    def add(self, key: str, value: Value) -> Value:
        """Keep a value and write it out."""
        self._values[key] = value
        self._file.write(json.dumps([key, value], default=dataclasses.asdict) + "\n")
        self._file.flush()
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def key_of(*things: Any) -> str:
    """Sixteen hexadecimal digits that stand for some things that JSON can write, or dataclasses of such."""
    return hashlib.sha256(json.dumps(things, default=dataclasses.astuple).encode()).hexdigest()[:16]
