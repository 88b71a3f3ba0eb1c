"""What was measured of each trial, one JSON line each as it comes: an evaluation that was stopped goes on from there."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from avsep_plugin.sync_curve import SyncCurve

from .sync_trials import Found, Trial


class SyncJournal:
    """Trials by key; a line cut short by a crash is dropped.

    fingerprint: of what measures. What another model has measured is kept in the file and not taken over.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        self._found: dict[str, Found] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            try:
                entry: dict[str, Any] = json.loads(line)
                key = entry.pop("key")
                self._found[key] = _found(entry)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
        self._file = path.open("a", encoding="utf-8")
        if self._file.tell() and not path.read_bytes().endswith(b"\n"):
            self._file.write("\n")

    def find(self, trial: Trial, guess_seconds: float) -> Found | None:
        """What was measured of that trial, beside that guess; None where it was not."""
        found = self._found.get(self._key(trial))
        return None if found is None else dataclasses.replace(found, guess_seconds=guess_seconds)

    def add(self, found: Found) -> None:
        """Keep it and write it out."""
        key = self._key(found.trial)
        self._found[key] = found
        self._file.write(json.dumps({"key": key, **dataclasses.asdict(found)}) + "\n")
        self._file.flush()

    def _key(self, trial: Trial) -> str:
        text = json.dumps([self._fingerprint, *dataclasses.astuple(trial)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __enter__(self) -> "SyncJournal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _found(entry: dict[str, Any]) -> Found:
    curve = entry.pop("curve")
    if curve is not None:
        curve = SyncCurve(tuple(curve["offsets_seconds"]), tuple(curve["scores"]), curve["seconds"])
    return Found(Trial(**entry.pop("trial")), curve=curve, **entry)
