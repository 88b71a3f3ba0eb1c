"""The file that says of every window of a clip how sure the aligner is of it; `separate --confidence` writes it."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from avsep_plugin.errors import SidecarError

ConfidenceFormat = Literal["csv", "json"]
_TRUTH = {"true": True, "false": False, True: True, False: False}


@dataclass(frozen=True)
class Confidence:
    """One window of a clip: seconds on the file's clock, number of its shot (from 0), and whether that was left untouched."""

    start_seconds: float
    end_seconds: float
    shot: int
    logit: float
    probability: float
    """That sound and picture belong together, in [0, 1]."""
    abstained: bool


def as_text(windows: Sequence[Confidence], form: ConfidenceFormat) -> str:
    """A table with one line per window, or a JSON list of the same."""
    if form == "json":
        return json.dumps([dataclasses.asdict(window) for window in windows], indent=1) + "\n"
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(field.name for field in dataclasses.fields(Confidence))
    table.writerows((str(value).lower() if isinstance(value, bool) else value for value in dataclasses.astuple(w)) for w in windows)
    return text.getvalue()


def read(path: Path) -> list[Confidence]:
    """What `as_text` made, from a file in either form (its suffix says which). Raises SidecarError where it is not whole."""
    try:
        text = path.read_text(encoding="utf-8")
        rows = json.loads(text) if path.suffix.lower() == ".json" else list(csv.DictReader(io.StringIO(text)))
        return [_window(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, csv.Error) as exc:
        raise SidecarError(f"{path} is no whole list of windows as avsep writes it: {' '.join(str(exc).split())}.") from exc


def _window(row: Mapping[str, Any]) -> Confidence:
    start, end, logit, probability = (float(row[name]) for name in ("start_seconds", "end_seconds", "logit", "probability"))
    if not (math.isfinite(start) and math.isfinite(end) and start <= end and 0 <= probability <= 1):
        raise ValueError(f"a window from {start} to {end} with probability {probability}")
    return Confidence(start, end, int(row["shot"]), logit, probability, _TRUTH[row["abstained"]])
