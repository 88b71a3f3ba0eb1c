"""sync.json: how late the sound of a clip is; `avsep sync` writes it, timelines and the review page read it."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_plugin.errors import SidecarError

FORMAT = "avsep.sync/1"
_DIGITS = 6
_LARGEST_BYTES = 2**24


@dataclass(frozen=True)
class SyncFinding:
    """What was found out about a clip."""

    offset_seconds: float | None
    """Positive = the sound is late; None where no offset can be given."""
    confidence: float
    """In [0, 1]."""
    abstained: bool
    curve: tuple[tuple[float, float], ...] = ()
    """(offset in seconds, score) of every shift that was tried, in order."""


def as_text(found: SyncFinding) -> str:
    """The text of sync.json."""
    values: dict[str, Any] = {
        "format": FORMAT,
        "offset_seconds": found.offset_seconds,
        "confidence": found.confidence,
        "abstained": found.abstained,
        "curve": [{"offset_seconds": round(offset, _DIGITS), "score": round(score, _DIGITS)} for offset, score in found.curve],
    }
    return json.dumps(values, indent=1) + "\n"


def read(path: Path) -> SyncFinding:
    """What `as_text` made. Raises SidecarError where it is not whole; FileNotFoundError."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError("it is too large")
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']}, not {FORMAT}")
        abstained = bool(values["abstained"])
        offset = None if abstained or values["offset_seconds"] is None else _number(values["offset_seconds"])
        curve = sorted((_number(point["offset_seconds"]), _number(point["score"])) for point in values["curve"])
        return SyncFinding(offset, min(max(_number(values["confidence"]), 0.0), 1.0), abstained, tuple(curve))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as exc:
        raise SidecarError(f"{path} is no offset as avsep writes it: {' '.join(str(exc).split())}.") from exc


def _number(value: Any) -> float:
    """A finite number. Raises ValueError or TypeError for anything else."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("its numbers are not finite")
    return number
