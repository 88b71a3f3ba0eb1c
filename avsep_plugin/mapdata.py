"""The heat map as data: the grid itself, the track of its peak, and boxes for every second. docs/localize.md shows the form."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from avsep_plugin.atomic import write_text
from avsep_plugin.clip import Float32, HeatMap
from avsep_plugin.draw.grid import Area, Canvas
from avsep_plugin.draw.levels import Levels
from avsep_plugin.pipeline import Localisation

FORMAT = "avsep.heatmap/1"
_FIELDS = 128
"""Rows and columns of the grid on which boxes are measured."""
_DIGITS = 4


class Peak(NamedTuple):
    """Where a step of the map has its strongest evidence: shares of the displayed picture from its top left corner."""

    x: float
    y: float
    value: float


class Box(NamedTuple):
    """A connected region above the threshold, in shares of the displayed picture; value: its strongest evidence."""

    left: float
    top: float
    width: float
    height: float
    value: float


@dataclass(frozen=True)
class MapData:
    """All that is written of a map."""

    clip: str
    """Name of the clip's file."""
    sound: str | None
    """Name of the file whose sound was looked for, where it is not the clip's own."""
    found: Localisation
    """As the network said it: the map on the clip's clock."""
    levels: Levels
    probabilities: Float32
    """[windows] that sound and picture belong together."""

    def peaks(self) -> list[Peak | None]:
        """For each step; None where no positive evidence is believed."""
        area = self.found.heat_map.area
        return [_peak(values, area) for values in self.levels.shown.values]

    def seconds(self) -> list[tuple[float, list[Box]]]:
        """For every second of the map: its beginning on the clip's clock, and the boxes of its mean, the strongest first.

        A second in which a new shot begins makes two of them, the other one from the cut on.
        """
        shown = self.levels.shown
        canvas = Canvas(_FIELDS, _FIELDS, shown.values.shape[1:], shown.area, 1)
        return [
            (float(shown.start_seconds + start), self._boxes(shown.values[steps].mean(axis=0), canvas) if steps.size else [])
            for start, steps in _pieces(shown)
        ]

    def _boxes(self, values: Float32, canvas: Canvas) -> list[Box]:
        evidence = canvas.spread(values, outside=-np.inf)
        drawn = evidence > self.levels.threshold * self.levels.strong
        drawn &= evidence > 0
        regions, count = ndimage.label(drawn)
        boxes = []
        for number, (rows, columns) in enumerate(ndimage.find_objects(regions, count), start=1):
            strongest = float(evidence[rows, columns][regions[rows, columns] == number].max())
            left, top, width, height = columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
            boxes.append(Box(left / _FIELDS, top / _FIELDS, width / _FIELDS, height / _FIELDS, strongest))
        return sorted(boxes, key=lambda box: -box.value)


def _pieces(heat_map: HeatMap) -> Iterator[tuple[Fraction, npt.NDArray[np.intp]]]:
    """Seconds of the map, divided at its cuts: when each begins after the map does, and its steps."""
    middles, shots = (np.arange(heat_map.values.shape[0]) + 0.5) * float(heat_map.step_seconds), heat_map.shots
    begins = (Fraction(0), *(cut.seconds for cut in heat_map.cuts))
    for second in range(int(middles[-1]) + 1 if middles.size else 0):
        inside = np.flatnonzero((middles >= second) & (middles < second + 1))
        if not inside.size:
            yield Fraction(second), inside
        for shot in np.unique(shots[inside]).tolist():
            yield max(Fraction(second), begins[shot]), inside[shots[inside] == shot]


def write_npz(data: MapData, path: Path) -> None:
    """Arrays, by the names of docs/localize.md; read it with `numpy.load`, nothing in it is pickled."""
    heat_map = data.found.heat_map
    nowhere = Peak(*[float("nan")] * 3)
    boxes = [(start, *box) for start, found in data.seconds() for box in found]
    np.savez_compressed(
        path, values=heat_map.values, step_seconds=float(heat_map.step_seconds), start_seconds=float(heat_map.start_seconds),
        area=np.array(heat_map.area), cuts=np.array(_cuts(heat_map)), windows=np.array(_windows(data)).reshape(-1, 2),
        logits=data.found.logits, probabilities=data.probabilities, strong=data.levels.strong, threshold=data.levels.threshold,
        shown=data.levels.shown.values.any(axis=(1, 2)),
        peaks=np.array([peak or nowhere for peak in data.peaks()], np.float32).reshape(-1, 3),
        boxes=np.array(boxes, np.float32).reshape(-1, 6),
    )  # fmt: skip


def write_json(data: MapData, path: Path) -> None:
    """One JSON object, by the names of docs/localize.md. Raises OutputError."""
    heat_map = data.found.heat_map
    start, step = heat_map.start_seconds, heat_map.step_seconds
    left, top, width, height = heat_map.area
    text = {
        "format": FORMAT, "clip": data.clip, "sound": data.sound, "start_seconds": _number(start), "step_seconds": _number(step),
        "rows": heat_map.values.shape[1], "columns": heat_map.values.shape[2],
        "area": {"left": _number(left), "top": _number(top), "width": _number(width), "height": _number(height)},
        "strong": _number(data.levels.strong), "threshold": data.levels.threshold,
        "cuts_seconds": _cuts(heat_map),
        "windows": [
            {"start_seconds": begin, "end_seconds": end, "logit": _number(window.logit), "probability": _number(probability)}
            for (begin, end), window, probability in zip(_windows(data), data.found.windows, data.probabilities, strict=True)
        ],
        "peaks": [
            {"time_seconds": _number(start + (number + Fraction(1, 2)) * step), **_named(peak)} for number, peak in enumerate(data.peaks())
        ],
        "boxes": [{"start_seconds": _number(at), "boxes": [_named(box) for box in found]} for at, found in data.seconds()],
        "values": [[[_number(value) for value in row] for row in rows] for rows in heat_map.values],
    }  # fmt: skip
    write_text(json.dumps(text) + "\n", path)


def _windows(data: MapData) -> list[tuple[float, float]]:
    """Begin and end of each on the clip's clock."""
    start = data.found.heat_map.start_seconds
    return [(_number(start + window.start_seconds), _number(start + window.end_seconds)) for window in data.found.windows]


def _cuts(heat_map: HeatMap) -> list[float]:
    """When each shot but the first begins, on the clip's clock."""
    return [_number(heat_map.start_seconds + cut.seconds) for cut in heat_map.cuts]


def _named(place: Peak | Box | None) -> dict[str, float | None]:
    return dict.fromkeys(Peak._fields) if place is None else {name: _number(value) for name, value in place._asdict().items()}


def _number(value: float | Fraction | np.floating) -> float:
    return round(float(value), 6 if isinstance(value, Fraction) else _DIGITS)


def _peak(values: Float32, area: Area) -> Peak | None:
    """The cell with the most evidence, and between its neighbours where a parabola through the three has its top."""
    left, top, width, height = area
    rows, columns = values.shape
    inside = np.where(_in_picture(rows, top, height)[:, None] & _in_picture(columns, left, width)[None, :], values, -np.inf)
    row, column = (int(place) for place in np.unravel_index(int(inside.argmax()), inside.shape))
    value = float(inside[row, column])
    if not value > 0:
        return None
    x, y = column + 0.5 + _between(values[row], column), row + 0.5 + _between(values[:, column], row)
    return Peak(float(np.clip(left + x / columns * width, 0, 1)), float(np.clip(top + y / rows * height, 0, 1)), value)


def _in_picture(cells: int, start: float, length: float) -> npt.NDArray[np.bool_]:
    """Which cells of an axis have their centre in the picture."""
    centre = start + (np.arange(cells) + 0.5) / cells * length
    return (centre >= 0) & (centre < 1)


def _between(line: Float32, at: int) -> float:
    """Where the parabola through three neighbours has its top, in cells from the middle one, in [-1/2, 1/2]; 0 at an edge."""
    if not 0 < at < line.size - 1:
        return 0.0
    before, here, after = (float(value) for value in line[at - 1 : at + 2])
    bend = 2 * here - before - after
    return float(np.clip((after - before) / (2 * bend), -0.5, 0.5)) if bend > 0 else 0.0
