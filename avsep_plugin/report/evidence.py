"""Reads what avsep found out about a clip: confidence, heat map, sync. Each reader gives plain finite values, or None for a file that
makes no sense; times stay on the clock of the clip's file."""

import csv
import io
import json
import math
import zipfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from avsep_plugin.clip import HeatMap

_LARGEST = 2**27
"""Bytes of a file that is read: a week of windows."""
SYNC_FORMAT = "avsep.sync/1"


@dataclass(frozen=True)
class Window:
    """How probable it is that sound and picture belong together, in [0, 1], and whether the window's shot was left untouched."""

    start_seconds: float
    end_seconds: float
    probability: float
    shot: int = 0
    abstained: bool = False


@dataclass(frozen=True)
class Evidence:
    """What `avsep localize` saw: the map, and the aligner's logit of every window."""

    heat_map: HeatMap
    windows: list[Window]
    """Their probability is the logistic function of the logit, without the model's calibration."""


@dataclass(frozen=True)
class Sync:
    """How late the sound is; None where that was not to be told."""

    offset_seconds: float | None
    confidence: float
    curve: list[tuple[float, float]]
    """(offset in seconds, score)."""


def read_confidence(path: Path) -> list[Window] | None:
    """The windows in a confidence.csv or confidence.json, in order of time."""
    try:
        text = _text(path)
        rows: Any = json.loads(text) if path.suffix == ".json" else list(csv.DictReader(io.StringIO(text)))
        windows = [
            Window(_number(row["start_seconds"]), _number(row["end_seconds"]), min(max(_number(row["probability"]), 0.0), 1.0),
                   int(row.get("shot") or 0), str(row.get("abstained")).lower() == "true")
            for row in rows
        ]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, csv.Error):
        return None
    return sorted((window for window in windows if window.end_seconds > window.start_seconds), key=lambda window: window.start_seconds)


def read_heat_map(path: Path) -> Evidence | None:
    """The heat map in a heatmap.npz."""
    try:
        if path.stat().st_size > _LARGEST:
            return None
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            values = np.asarray(file["values"], np.float32)
            start, step = (Fraction(_number(file[name])) for name in ("start_seconds", "step_seconds"))
            left, top, width, height = (_number(value) for value in file["area"])
            logits = np.asarray(file["logits"], np.float64).reshape(-1) if "logits" in file else np.zeros(0)
            window = _number(file["window_seconds"]) if "window_seconds" in file else 0.0
        if not values.size or not np.isfinite(values).all() or not np.isfinite(logits).all():
            return None
        heat_map = HeatMap(values, step, start, (left, top, width, height))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    end = float(start + step * values.shape[0])
    spans = ((float(start) + window * number, logit) for number, logit in enumerate(logits.tolist()))
    windows = [Window(at, min(at + window, end), _logistic(logit)) for at, logit in spans if window > 0 and at < end]
    return Evidence(heat_map, windows)


def read_sync(path: Path) -> Sync | None:
    """The finding in a sync.json."""
    try:
        values = json.loads(_text(path))
        if values["format"] != SYNC_FORMAT:
            return None
        curve = [(_number(point["offset_seconds"]), _number(point["score"])) for point in values["curve"]]
        offset = None if values["abstained"] or values["offset_seconds"] is None else _number(values["offset_seconds"])
        return Sync(offset, min(max(_number(values["confidence"]), 0.0), 1.0), sorted(curve))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST:
        raise ValueError("too large")
    return path.read_text(encoding="utf-8")


def _number(value: Any) -> float:
    """A finite number. Raises ValueError or TypeError for anything else."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _logistic(logit: float) -> float:
    return 0.5 + 0.5 * math.tanh(logit / 2)
