"""Calibration: the logistic curve that made the answers is found again, and its probabilities are those of people left out."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avsep_plugin.cli.main import run
from avsep_plugin.config import CalibrationConfig
from avsep_plugin.errors import DataError, ModelError
from avsep_plugin.models import checkpoint, zoo
from avsep_plugin.training.align_table import THRESHOLDS, AlignResults, Kind, Stretch, Trial, Verdict, markdown
from avsep_plugin.training.calibration import brier, cross_fitted, fit, reliability


def answers(calibration: CalibrationConfig, logits: np.ndarray, seed: int = 0) -> list[bool]:
    """Together with just the probability that the calibration says."""
    drawn = np.random.default_rng(seed).uniform(size=len(logits))
    return [bool(u < calibration.probability(x)) for u, x in zip(drawn, logits, strict=True)]


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.4, -0.7), (3.0, 1.5), (-1.0, 0.2)])
def test_the_curve_that_made_the_answers_is_found(slope: float, offset: float) -> None:
    logits = np.random.default_rng(1).normal(scale=2.0, size=20000)
    found = fit(logits, answers(CalibrationConfig(slope, offset), logits))
    assert (found.slope, found.offset) == pytest.approx((slope, offset), abs=0.12)


def test_kinds_that_a_threshold_separates_get_no_endless_slope() -> None:
    found = fit([-1.0] * 50 + [1.0] * 50, [False] * 50 + [True] * 50)
    assert found.probability(1.0) == pytest.approx(51 / 52, abs=1e-6)  # Platt's target
    assert found.probability(-1.0) == pytest.approx(1 / 52, abs=1e-6)


def test_logits_that_tell_nothing_get_the_share_of_both() -> None:
    found = fit([0.3] * 10, [True] * 4 + [False] * 6)
    assert found.probability(0.3) == pytest.approx((4 * 5 / 6 + 6 * 1 / 8) / 10)


def test_one_kind_alone_cannot_be_calibrated() -> None:
    with pytest.raises(DataError, match="belong together and windows that do not"):
        fit([0.1, 0.2], [True, True])


def test_nobodys_own_windows_are_in_the_fit_of_his_probabilities() -> None:
    """A person whose answers are all turned round drags nobody but the others."""
    logits = [-1.0, 1.0] * 40
    groups = ["a"] * 40 + ["b"] * 40
    together = [False, True] * 20 + [True, False] * 20
    found = cross_fitted(logits, together, groups)
    assert found[1] < 0.1  # of a, by what b does
    assert found[41] > 0.9
    with pytest.raises(DataError, match="two people"):
        cross_fitted(logits, together, ["a"] * 80)


def test_the_reliability_curve_counts_what_was_observed() -> None:
    curve = reliability([0.05, 0.09, 0.55, 1.0], [False, True, True, True])
    assert [(b.low, b.high, b.n) for b in curve] == [(0.0, 0.1, 2), (0.5, 0.6, 1), (0.9, 1.0, 1)]
    assert [b.predicted for b in curve] == pytest.approx([0.07, 0.55, 1.0])
    assert [b.observed for b in curve] == [0.5, 1.0, 1.0]


def test_brier_of_saying_one_half_is_a_quarter() -> None:
    assert brier([0.5, 0.5], [True, False]) == 0.25
    assert brier([1.0, 0.0], [True, False]) == 0.0


def results(speakers: str = "AB") -> AlignResults:
    def trial(speaker: str) -> Trial:
        return Trial("c", "other", speaker, Stretch("x", 0.0), Stretch("y", 0.0), 1.0)

    logits = np.random.default_rng(0).normal(size=60)
    return AlignResults([Verdict(trial(s), (1 + x, 0.5 - x), (-1.0 + x,)) for s in speakers for x in logits])


def test_the_evaluation_shows_the_calibration_and_its_curve() -> None:
    found = results().calibrated()
    assert found is not None
    assert found.calibration.slope > 0
    assert sum(b.n for b in found.curve) == 2 * 60 * 3
    text = markdown(results(), 0.4)
    assert "| predicted | mean predicted | observed share | n |" in text
    assert f"sigmoid({found.calibration.slope:.4g} * logit" in text


def test_of_one_person_nothing_can_be_calibrated() -> None:
    assert results("A").calibrated() is None
    assert "Calibration" not in markdown(results("A"), 0.4)


def test_a_clip_is_left_alone_where_no_window_reaches() -> None:
    """Probabilities by the plain sigmoid: 0.5 at a logit of 0, 0.27 at -1, 0.12 at -2."""

    def verdict(kind: Kind, own: tuple[float, ...], other: tuple[float, ...]) -> Verdict:
        return Verdict(Trial("c", kind, "A", Stretch("x", 0.0), Stretch("y", 0.0), 1.0), own, other)

    found = AlignResults(
        [
            verdict("other", (-2.0, 1.0), (-2.0, -1.0)),
            verdict("other", (-1.0,), (-2.0,)),
            verdict("shift", (2.0,), (-9.0,)),  # the sound of the same clip is none that abstaining is for
            verdict("far", (-9.0,), (-9.0,)),
        ]
    ).left_alone(CalibrationConfig())
    assert [(row.below, row.own, row.other) for row in found] == [
        (0.2, 0.0, 50.0),
        (0.3, pytest.approx(100 / 3), 100.0),
        (0.4, pytest.approx(100 / 3), 100.0),
        (0.5, pytest.approx(100 / 3), 100.0),
    ]


def test_what_abstaining_costs_stands_in_the_table() -> None:
    calibrated = results().calibrated()
    assert calibrated is not None
    row = results().left_alone(calibrated.calibration)[THRESHOLDS.index(0.3)]
    assert f"| 0.3 | {row.own:.0f} % | {row.other:.0f} % |" in markdown(results(), 0.4)


def test_the_papers_task_has_no_part_in_the_calibration() -> None:
    far = [replace(v, trial=replace(v.trial, kind="far"), own_logits=(-5.0,)) for v in results().verdicts]
    assert AlignResults([*results().verdicts, *far]).calibrated() == results().calibrated()


def test_the_calibration_is_kept_in_the_weights(tmp_path: Path, tiny_models: dict[str, Path]) -> None:
    figures, output = tmp_path / "align.json", tmp_path / "calibrated.safetensors"
    figures.write_text(json.dumps({"calibrated": {"calibration": {"slope": 0.5, "offset": -0.25}}}))
    assert run(["models", "calibrate", str(tiny_models["align"]), "--from", str(figures), "-o", str(output)]) == 0
    assert zoo.load_aligner(str(output), "cpu").config.calibration == CalibrationConfig(0.5, -0.25)
    before, after = checkpoint.read(tiny_models["align"]), checkpoint.read(output)
    assert all(np.array_equal(before[1][name], after[1][name]) for name in before[1])
    checkpoint.verify(output)


def test_figures_without_a_calibration_are_one_line(
    tmp_path: Path, tiny_models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "align.json").write_text(json.dumps({"calibrated": None}))
    line = ["models", "calibrate", str(tiny_models["align"]), "--from", str(tmp_path / "align.json"), "-o", str(tmp_path / "o.safetensors")]
    assert run(line) == 1
    assert "holds no calibration" in capsys.readouterr().err
    assert not (tmp_path / "o.safetensors").exists()


def test_a_separator_cannot_be_calibrated(tmp_path: Path, tiny_models: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="holds no aligner"):
        checkpoint.calibrate(tiny_models["separate"], tmp_path / "o.safetensors", CalibrationConfig())


def test_weights_from_before_are_uncalibrated(tiny_models: dict[str, Path]) -> None:
    calibration = checkpoint.describe(tiny_models["align"])[0].calibration
    assert (calibration.slope, calibration.offset, calibration.probability(0.0)) == (1.0, 0.0, 0.5)
    assert calibration.probability(1.0) == pytest.approx(1 / (1 + math.exp(-1)))
