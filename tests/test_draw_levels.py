"""From evidence to levels: one scale for the clip, steady across windows, nothing where nothing is believed."""

from fractions import Fraction

import numpy as np
import pytest

from avsep_plugin.clip import Cut, HeatMap
from avsep_plugin.draw.levels import Levels, at_time

STEP = Fraction(1, 2)


def levels(values: list[float], believed: list[bool] | None = None, **options: float) -> Levels:
    """Of a map of one cell that begins at 10 s."""
    heat_map = HeatMap(np.array(values, np.float32).reshape(-1, 1, 1), STEP, Fraction(10))
    return Levels(heat_map, np.array(believed or [True] * len(values)), **options)


def drawn(of: Levels, *steps: float) -> list[float]:
    """The level so many steps after the map's beginning; 0 where nothing is drawn."""
    found = [of.at(10 + Fraction(step) * STEP) for step in steps]
    return [0.0 if one is None else max(0.0, one.item()) for one in found]


def test_map_is_interpolated_between_the_centres_of_its_steps() -> None:
    heat_map = HeatMap(np.array([0, 1, 2], np.float32).reshape(3, 1, 1), STEP, start_seconds=Fraction(10))
    places = [Fraction(9), Fraction(41, 4), Fraction(21, 2), Fraction(43, 4), Fraction(20)]
    assert [at_time(heat_map, place).item() for place in places] == [0, 0, 0.5, 1, 2]


def test_levels_run_from_the_threshold_to_the_strong_evidence() -> None:
    of = levels([0, 2, 4, 5, 6, 8], threshold=0.5)
    of.strong = 8.0
    assert drawn(of, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5) == [0, 0, 0, 0.25, 0.5, 1]


def test_the_scale_is_that_of_the_whole_clip() -> None:
    values = np.linspace(0, 100, 101).tolist()
    assert levels(values).strong == pytest.approx(97)


def test_constant_evidence_is_constant_all_the_time() -> None:
    of = levels([5.0] * 40)
    assert drawn(of, *np.linspace(0, 40, 333).tolist()) == pytest.approx([1.0] * 333, abs=1e-6)


def test_what_is_against_counts_for_nothing() -> None:
    assert drawn(levels([-5, -6, -7]), 0.5, 1.5, 2.5) == [0, 0, 0]


def test_weak_evidence_stays_weak() -> None:
    assert drawn(levels([0.5, 1.0], floor=4.0), 0.5, 1.5) == [0, 0]
    assert levels([0.5, 1.0], floor=4.0).strong == 4.0


def test_what_is_not_believed_fades_within_a_step_and_does_not_count_for_the_scale() -> None:
    of = levels([4, 4, 400, 400, 4], [True, True, False, False, True], threshold=0.0)
    assert of.strong == 4
    assert drawn(of, 1.5, 1.75, 2.0, 2.5, 3.5, 4.25, 4.5) == [1, 0.75, 0.5, 0, 0, 0.75, 1]


def test_outside_of_the_map_it_fades_within_a_step() -> None:
    assert drawn(levels([4, 4], threshold=0.0), -1, -0.5, 0, 2, 2.25, 3) == [0, 0.5, 1, 1, 0.75, 0]


def test_nothing_fades_over_a_cut() -> None:
    """The new shot is shown from 1.25 steps on; the second step, whose middle lies behind that, is its first."""
    cuts = (Cut(Fraction(5, 4) * STEP, 1),)
    heat_map = HeatMap(np.array([4, 0, 2], np.float32).reshape(3, 1, 1), STEP, Fraction(10), cuts=cuts)
    of = Levels(heat_map, np.ones(3, bool), 0.0, 4.0)
    assert drawn(of, 0.5, 1.0, 1.2, 1.25, 1.5, 2.0, 2.5) == pytest.approx([1, 1, 1, 0, 0, 0.25, 0.5])


def test_a_shot_without_a_step_has_no_map() -> None:
    cuts = (Cut(Fraction(1, 10) * STEP, 0), Cut(Fraction(7, 5) * STEP, 1), Cut(Fraction(9, 5) * STEP, 2))
    heat_map = HeatMap(np.full((2, 1, 1), 4, np.float32), STEP, Fraction(10), cuts=cuts)
    of = Levels(heat_map, np.ones(2, bool), 0.0)
    assert [of.at(10 + Fraction(steps) * STEP) is None for steps in (0.05, 0.1, 1.3, 1.5, 1.9)] == [True, False, False, False, True]


@pytest.mark.parametrize("cuts", [[(1, 1), (0, 1)], [(1, 2), (2, 1)], [(1, 3)], [(-1, 0)]])
def test_cuts_that_make_no_shots(cuts: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="cuts"):
        HeatMap(np.zeros((2, 1, 1), np.float32), STEP, cuts=tuple(Cut(Fraction(seconds), step) for seconds, step in cuts))


def test_a_map_of_which_nothing_is_believed() -> None:
    assert drawn(levels([9, 9], [False, False]), 0.5, 1.5) == [0, 0]


@pytest.mark.parametrize("wrong", [{"threshold": 1.0}, {"floor": 0.0}])
def test_options_that_make_no_scale(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must lie"):
        levels([1.0], **wrong)
