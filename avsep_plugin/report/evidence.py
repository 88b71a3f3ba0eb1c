"""Reads what avsep found out about a clip: confidence, heat map, sync. Each reader gives plain finite values, or None for a file that
makes no sense; times stay on the clock of the clip's file."""

import math
import zipfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from avsep_plugin import confidence_file, sync_file
from avsep_plugin.clip import HeatMap
from avsep_plugin.errors import SidecarError
from avsep_plugin.sync_file import SyncFinding

_LARGEST = 2**27
"""Bytes of a file that is read: a week of windows."""


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


def read_confidence(path: Path) -> list[Window] | None:
    """The windows in a confidence.csv or confidence.json, in order of time."""
    try:
        found = confidence_file.read(path)
    except SidecarError:
        return None
    windows = (Window(one.start_seconds, one.end_seconds, one.probability, one.shot, one.abstained) for one in found)
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
            spans = np.asarray(file["windows"], np.float64).reshape(-1, 2) if "windows" in file else np.zeros((0, 2))
        if not values.size or not all(np.isfinite(found).all() for found in (values, logits, spans)):
            return None
        heat_map = HeatMap(values, step, start, (left, top, width, height))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    said = zip(spans.tolist(), logits.tolist(), strict=False)
    return Evidence(heat_map, [Window(begin, end, _logistic(logit)) for (begin, end), logit in said if end > begin])


def read_sync(path: Path) -> SyncFinding | None:
    """The finding in a sync.json."""
    try:
        return sync_file.read(path)
    except (SidecarError, FileNotFoundError):
        return None


def _number(value: Any) -> float:
    """A finite number. Raises ValueError or TypeError for anything else."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _logistic(logit: float) -> float:
    return 0.5 + 0.5 * math.tanh(logit / 2)
