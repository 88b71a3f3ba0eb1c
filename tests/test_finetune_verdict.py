"""Intervals over recordings, and when a tuned model is refused."""

import numpy as np
import pytest
from scipy.stats import norm, t

from avsep_plugin.training.finetune_measure import Estimate, Figures
from avsep_plugin.training.finetune_mixtures import HeldOut, Kind
from avsep_plugin.training.finetune_verdict import judge, recording_mean


def mixture(target: str, other: str, kind: Kind = "voices", number: int = 0) -> HeldOut:
    return HeldOut(kind, f"{target}#{number}", f"{other}#{number}", f"{other}#{number}", 50, target, other, target)


def everybody(recordings: int, kind: Kind = "voices") -> list[HeldOut]:
    names = [f"r{n}" for n in range(recordings)]
    return [mixture(a, b if kind == "voices" else f"hum {b}", kind) for a in names for b in names if a != b]


def test_what_is_the_same_everywhere_is_certain() -> None:
    mean = recording_mean([1.5] * 12, everybody(4))
    assert (mean.value, mean.low, mean.high, mean.n) == (1.5, 1.5, 1.5, 12)


def test_many_mixtures_of_few_recordings_tell_no_more_than_the_recordings_do() -> None:
    """Every recording has a gain of its own: copying its mixtures a hundred times must not narrow the interval."""
    few = everybody(5)
    values = [float(one.target_recording[1:]) for one in few]
    once, often = recording_mean(values, few), recording_mean(values * 100, few * 100)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert once.high - once.low > 1.0


def test_more_recordings_narrow_the_interval() -> None:
    def width(recordings: int) -> float:
        drawn = np.random.default_rng(0).standard_normal(recordings)
        mixtures = everybody(recordings)
        mean = recording_mean([float(drawn[int(one.target_recording[1:])]) for one in mixtures], mixtures)
        return mean.high - mean.low

    assert width(40) < 0.6 * width(8)


def test_the_other_sound_is_drawn_as_well() -> None:
    voices = everybody(6)
    noise = [mixture(f"r{n}", f"hum {k}", "noise") for n in range(6) for k in range(6)]
    for mixtures in (voices, noise):
        mean = recording_mean([float(one.other_recording[-1]) for one in mixtures], mixtures)
        assert mean.low < mean.value - 0.5 < mean.value + 0.5 < mean.high


def test_the_interval_of_a_plain_mean_is_students() -> None:
    """Every target with every noise, and the value the target's alone: the mean over k targets."""
    drawn = np.random.default_rng(1).standard_normal(12)
    mixtures = [mixture(f"r{n:02}", "hum", "noise", n) for n in range(12)]
    mean = recording_mean([float(value) for value in drawn], mixtures)
    half = t.ppf(0.975, 11) * drawn.std(ddof=1) / np.sqrt(12)
    assert mean.high - mean.low == pytest.approx(2 * half, rel=0.12)
    assert norm.ppf(0.975) < t.ppf(0.975, 11)


def test_one_recording_has_no_interval() -> None:
    with pytest.raises(ValueError, match="two recordings"):
        recording_mean([1.0], [mixture("a", "b")])


def figures(own: float, wrong: float, mixtures: list[HeldOut]) -> list[Figures]:
    return [Figures(one, Estimate(0, 0), Estimate(10, -10), Estimate(own, 0), Estimate(wrong, 0)) for one in mixtures]


def test_a_model_that_is_better_and_goes_by_the_picture_is_handed_over() -> None:
    mixtures = everybody(4)
    verdict = judge(figures(2, -2, mixtures), figures(4, -3, mixtures))
    assert verdict.accepted
    assert (verdict.gain.value, verdict.gap_change.value) == (2, 3)


@pytest.mark.parametrize(("own", "wrong", "reason"), [(2, -2, "not surely above 0"), (1, -3, "not surely"), (4, 1, "worth less")])
def test_no_gain_or_a_smaller_gap_is_refused(own: float, wrong: float, reason: str) -> None:
    mixtures = everybody(4)
    verdict = judge(figures(2, -2, mixtures), figures(own, wrong, mixtures))
    assert not verdict.accepted
    assert reason in verdict.reasons[0]


def test_a_gain_that_might_be_chance_is_refused() -> None:
    mixtures = everybody(4)
    before = figures(0, -2, mixtures)
    gains = {"r0": 3.0, "r1": 1.0, "r2": -0.5, "r3": -0.5}
    after = [Figures(one, Estimate(0, 0), Estimate(9, 0), Estimate(gains[one.target_recording], 0), Estimate(-9, 0)) for one in mixtures]
    assert judge(before, after).gain.value > 0
    assert not judge(before, after).accepted


def test_a_gain_against_noise_does_not_pay_for_a_loss_against_voices() -> None:
    voices, noise = everybody(4), everybody(4, "noise")
    verdict = judge(figures(2, -2, voices + noise), figures(1, -9, voices) + figures(9, -9, noise))
    assert verdict.gain.low > 0
    assert [reason.split(",")[0] for reason in verdict.reasons] == ["it is worse against voices"]
