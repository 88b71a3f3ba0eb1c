"""Of which moments a map is worth drawing: sound that is heard, and windows in which it fits the picture."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from avsep_plugin.belief import STEADY_SECONDS, Loudness, believed, least_strong, steadied
from avsep_plugin.clip import Cut, Evidence, HeatMap
from avsep_plugin.config import CalibrationConfig
from avsep_plugin.pipeline import Localisation

RATE = 8000
STEP = Fraction(1, 10)


def steps_of(count: int, cuts: tuple[Cut, ...] = ()) -> HeatMap:
    return HeatMap(np.ones((count, 1, 1), np.float32), STEP, cuts=cuts)


def found(logits: list[float], steps: int, shots: list[int] | None = None) -> Localisation:
    """Windows of one second, steps of a tenth; shots: the number of that of each window."""
    windows = zip(logits, shots or [0] * len(logits), strict=True)
    said = tuple(Evidence(Fraction(at), Fraction(at + 1), shot, logit) for at, (logit, shot) in enumerate(windows))
    return Localisation(steps_of(steps), said)


def heard(*parts: tuple[float, float], block: int = 777, cuts: tuple[Cut, ...] = ()) -> np.ndarray:
    """Steps in which a sound of such parts (seconds, RMS) is heard."""
    sound = torch.cat([torch.full((2, round(seconds * RATE)), level) for seconds, level in parts], dim=1)
    loudness = Loudness(RATE)
    passed = list(loudness.watch(sound.split(block, dim=1)))
    assert torch.equal(torch.cat(passed, dim=1), sound)
    return loudness.heard(steps_of(round(sound.shape[1] / RATE / STEP), cuts))


def test_short_pauses_belong_to_the_sound() -> None:
    assert heard((1, 0.1), (0.8, 0), (1, 0.1)).all()


def test_long_silence_is_nobodys() -> None:
    quiet = ~heard((1, 0.1), (3, 1e-4), (1, 0.1))
    assert np.flatnonzero(quiet).tolist() == list(range(15, 35))


def test_silence_is_not_filled_from_another_shot() -> None:
    cuts = (Cut(Fraction(1), 10), Cut(Fraction(2), 20))
    assert np.flatnonzero(~heard((1, 0.1), (1, 0), (1, 0.1), cuts=cuts)).tolist() == list(range(10, 20))
    assert heard((1, 0.1), (0.9, 0), (1.1, 0.1)).all()


def test_a_quiet_sound_is_a_sound() -> None:
    assert heard((2, 0.002)).all()


@pytest.mark.parametrize("block", [1, 100, 399, 400, 401, 10**6])
def test_silence_does_not_depend_on_the_blocks(block: int) -> None:
    parts = (0.7, 0.1), (2, 0), (0.3, 0.1)
    assert np.array_equal(heard(*parts, block=block), heard(*parts))


def test_a_window_is_judged_with_its_neighbours() -> None:
    chosen = believed(found([2, -1, 2, -3, -3, -3, 1, 1], 80), CalibrationConfig(), 0.5)
    assert chosen.reshape(8, 10).all(axis=1).tolist() == [True, True, False, False, False, False, False, True]
    assert chosen.reshape(8, 10).any(axis=1).tolist() == [True, True, False, False, False, False, False, True]


def test_a_window_of_another_shot_has_no_say() -> None:
    """The second window is believed for the sake of its neighbours, unless they are of other shots."""
    logits, sure = [2.0, -1.0, 2.0], [True] * 10
    assert believed(found(logits, 30), CalibrationConfig(), 0.5).tolist() == sure * 3
    assert believed(found(logits, 30, [0, 1, 2]), CalibrationConfig(), 0.5).tolist() == sure + [False] * 10 + sure
    assert believed(found(logits, 30, [0, 0, 1]), CalibrationConfig(), 0.5).tolist() == sure * 3
    assert believed(found([0.5, -1.0, 2.0], 30, [0, 0, 1]), CalibrationConfig(), 0.5).tolist() == [False] * 20 + sure


def test_a_step_is_of_the_window_in_which_its_middle_lies() -> None:
    windows = (Evidence(Fraction(0), Fraction(1, 4), 0, 9.0), Evidence(Fraction(1, 4), Fraction(1), 1, -9.0))
    assert believed(Localisation(steps_of(10), windows), CalibrationConfig(), 0.5).tolist() == [True] * 2 + [False] * 8


def test_never_abstaining() -> None:
    assert believed(found([-9, -9], 20), CalibrationConfig(), 0.0).all()


def test_the_last_window_speaks_for_what_follows() -> None:
    assert believed(found([-9.0, -9.0, 9.0, 9.0], 45), CalibrationConfig(), 0.5).tolist() == [False] * 20 + [True] * 25


def test_the_calibration_counts() -> None:
    one = found([1.0], 10)
    assert believed(one, CalibrationConfig(1.0, 0.0), 0.7).all()
    assert not believed(one, CalibrationConfig(1.0, -1.0), 0.7).any()


@pytest.mark.parametrize("calibration", [CalibrationConfig(), CalibrationConfig(0.5, 0.3), CalibrationConfig(2.0, -1.0)])
def test_strong_evidence_would_convince_alone(calibration: CalibrationConfig) -> None:
    assert calibration.probability(least_strong(calibration)) == pytest.approx(0.9)


FINE_STEP = Fraction(2, 25)


def steps(values: list[float], *cuts: Cut) -> HeatMap:
    """A map of one cell."""
    return HeatMap(np.array(values, np.float32)[:, None, None], FINE_STEP, cuts=cuts)


def test_what_lasts_begins_and_ends_where_it_did() -> None:
    values = [-3.0] * 20 + [5.0] * 9 + [-3.0] * 20
    assert 9 * FINE_STEP > STEADY_SECONDS / 2
    assert steadied(steps(values)).values.ravel().tolist() == values


def test_a_wild_moment_goes() -> None:
    values = [1.0] * 20 + [30.0] * 4 + [1.0] * 20
    assert steadied(steps(values)).values.ravel().tolist() == [1.0] * 44


def test_nothing_is_carried_over_a_cut() -> None:
    values = [1.0] * 10 + [5.0] * 3 + [2.0] * 10
    cuts = Cut(10 * FINE_STEP, 10), Cut(13 * FINE_STEP, 13), Cut(13 * FINE_STEP, 13)
    assert steadied(steps(values, *cuts)).values.ravel().tolist() == values


def test_each_cell_by_itself_and_an_empty_map_stays_empty() -> None:
    values = np.random.default_rng(0).standard_normal((40, 2, 3)).astype(np.float32)
    found = steadied(HeatMap(values, FINE_STEP)).values
    assert found.dtype == np.float32
    assert np.array_equal(found[20], np.median(values[13:28], axis=0))
    assert steadied(HeatMap(values[:0], FINE_STEP)).values.shape == (0, 2, 3)
