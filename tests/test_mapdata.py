"""The map as data: the grid as the network said it; peaks and boxes of what is believed, in shares of the displayed picture."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avsep_plugin.clip import Cut, Evidence, HeatMap
from avsep_plugin.draw.levels import Levels
from avsep_plugin.mapdata import FORMAT, Box, MapData, Peak, write_json, write_npz
from avsep_plugin.pipeline import Localisation

STEP = Fraction(1, 4)
WHOLE = (0.0, 0.0, 1.0, 1.0)


def data(
    values: np.ndarray, area: tuple[float, float, float, float] = WHOLE, believed: list[bool] | None = None, cuts: tuple[Cut, ...] = ()
) -> MapData:
    heat_map = HeatMap(values.astype(np.float32), STEP, Fraction(10), area, cuts)
    found = Localisation(heat_map, (Evidence(Fraction(0), Fraction(2), 0, 1.5),))
    levels = Levels(heat_map, np.array(believed or [True] * len(values)), 0.5, 1.0)
    return MapData("clip.mov", None, found, levels, np.array([0.8], np.float32))


def spot(row: int, column: int, value: float = 8.0, shape: tuple[int, int] = (4, 8)) -> np.ndarray:
    values = np.full((1, *shape), -1.0)
    values[0, row, column] = value
    return values


@pytest.mark.parametrize("area", [WHOLE, (0.25, 0.5, 0.5, 0.25)])
def test_a_peak_is_the_centre_of_its_cell(area: tuple[float, float, float, float]) -> None:
    left, top, width, height = area
    (peak,) = data(spot(1, 6), area).peaks()
    assert peak == pytest.approx((left + width * 6.5 / 8, top + height * 1.5 / 4, 8.0))


def test_a_peak_lies_between_cells_that_share_it() -> None:
    values = spot(1, 3)
    values[0, 1, 4] = 8.0
    (peak,) = data(values).peaks()
    assert peak is not None
    assert peak.x == pytest.approx(4 / 8, abs=0.01)


def test_no_positive_evidence_is_no_peak() -> None:
    values = np.concatenate([spot(0, 0, -0.5), spot(1, 1), spot(2, 2)])
    assert [peak is None for peak in data(values, believed=[True, False, True]).peaks()] == [True, True, False]


def test_cells_beside_the_picture_have_no_peak() -> None:
    values = spot(1, 0, 9.0)
    values[0, 2, 4] = 3.0
    (peak,) = data(values, (-0.5, 0.0, 2.0, 1.0)).peaks()
    assert peak is not None
    assert peak.value == 3.0


def test_boxes_hold_the_regions_above_the_threshold() -> None:
    values = np.repeat(spot(1, 1) + spot(3, 6, 7.0) + 1, 4, axis=0)
    ((start, boxes),) = data(values).seconds()
    assert start == 10
    assert [box.value for box in boxes] == pytest.approx([8.0, 7.0], abs=0.1)
    assert boxes[0].left < 1.5 / 8 < boxes[0].left + boxes[0].width
    assert boxes[0].top < 1.5 / 4 < boxes[0].top + boxes[0].height
    assert boxes[0].width < 2 / 8
    assert boxes[1].top + boxes[1].height == 1.0


def test_there_is_an_entry_for_every_second() -> None:
    values = np.concatenate([spot(1, 1)] * 4 + [spot(1, 1, -3.0)] * 4 + [spot(1, 1)] * 2)
    assert [(start, len(boxes)) for start, boxes in data(values).seconds()] == [(10, 1), (11, 0), (12, 1)]


def test_a_cut_divides_a_second() -> None:
    """Steps 0 and 1 are of one shot, 2 to 6 of another, which lie elsewhere: no box is of both."""
    values = np.concatenate([spot(1, 1)] * 2 + [spot(2, 6)] * 5)
    found = data(values, cuts=(Cut(Fraction(11, 20), 2),)).seconds()
    assert [(start, len(boxes)) for start, boxes in found] == [(10, 1), (10.55, 1), (11, 1)]
    assert [boxes[0].left < 0.5 for _, boxes in found] == [True, False, False]
    assert [boxes[0].value for _, boxes in found] == pytest.approx([8.0] * 3, abs=0.1)


def test_cuts_are_told_on_the_clock_of_the_clip(tmp_path: Path) -> None:
    one = data(np.concatenate([spot(1, 1)] * 4), cuts=(Cut(Fraction(1, 2), 2),))
    write_json(one, tmp_path / "a.json")
    write_npz(one, tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert found["cuts"].tolist() == json.loads((tmp_path / "a.json").read_text())["cuts_seconds"] == [10.5]


def test_npz_needs_no_pickle(tmp_path: Path) -> None:
    values = np.concatenate([spot(1, 1), spot(2, 2, -1.0)])
    write_npz(data(values), tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert np.array_equal(found["values"], values.astype(np.float32))
        assert (float(found["step_seconds"]), float(found["start_seconds"]), found["area"].tolist()) == (0.25, 10, list(WHOLE))
        assert (found["logits"].tolist(), found["windows"].tolist(), found["shown"].tolist()) == ([1.5], [[10, 12]], [True, True])
        assert found["cuts"].shape == (0,)
        assert np.isnan(found["peaks"]).tolist() == [[False] * 3, [True] * 3]
        assert found["boxes"].shape == (1, 6)


def test_json_says_the_same(tmp_path: Path) -> None:
    one = data(np.concatenate([spot(1, 1), spot(2, 2, -1.0)]), (0.25, 0.5, 0.5, 0.25))
    write_json(one, tmp_path / "a.json")
    said = json.loads((tmp_path / "a.json").read_text())
    assert (said["format"], said["clip"], said["sound"], said["rows"], said["columns"]) == (FORMAT, "clip.mov", None, 4, 8)
    assert np.array_equal(np.array(said["values"], np.float32), one.found.heat_map.values)
    assert said["windows"] == [{"start_seconds": 10.0, "end_seconds": 12.0, "logit": 1.5, "probability": 0.8}]
    assert said["cuts_seconds"] == []
    assert [peak["time_seconds"] for peak in said["peaks"]] == [10.125, 10.375]
    assert Peak(**{name: said["peaks"][0][name] for name in Peak._fields}) == pytest.approx(one.peaks()[0], abs=1e-4)
    assert said["peaks"][1]["x"] is None
    assert Box(**said["boxes"][0]["boxes"][0]) == pytest.approx(one.seconds()[0][1][0], abs=1e-4)
