"""Impacts: what is seen and what is heard happen at one moment."""

import numpy as np
import pytest

from avsep_plugin.scenes.impacts import DAMPING, Modes, ring
from avsep_plugin.scenes.objects import BouncingBall, StruckObject

RATE_HZ = 16000
KINDS = ["bell", "drum", "bar"]


def _rises(sound, onset_seconds):
    """Whether the energy of the 10 ms after an onset is well above that of the 10 ms before."""
    at, span = round(onset_seconds * RATE_HZ), RATE_HZ // 100
    before, after = sound[max(0, at - span) : at].astype(np.float64), sound[at : at + span].astype(np.float64)
    return np.sum(after**2) > 1.5 * np.sum(before**2) + 1e-6


def _figures(seconds):
    ball = BouncingBall(1001, seconds, 100.0, 200.0, 15.0, 20.0, 120.0, 7)
    return [ball, *(StruckObject(1002, kind, seconds, 100.0, 100.0, 40.0, 8) for kind in KINDS)]


@pytest.mark.parametrize("figure", _figures(3.0), ids=["ball", *KINDS])
def test_energy_rises_at_every_onset(figure):
    sound = figure.sound(3 * RATE_HZ, RATE_HZ)
    onsets = [onset for onset in figure.onsets if 0 <= onset < 2.9]
    assert len(onsets) >= 2
    assert all(_rises(sound, onset) for onset in onsets)


@pytest.mark.parametrize("figure", _figures(3.0), ids=["ball", *KINDS])
def test_silence_before_the_first_onset(figure):
    sound = figure.sound(3 * RATE_HZ, RATE_HZ)
    assert not sound[: round(figure.onsets[0] * RATE_HZ)].any()


def test_ball_lies_on_the_floor_exactly_at_its_onsets():
    ball = BouncingBall(1001, 3.0, 100.0, 200.0, 15.0, 20.0, 120.0, 7)
    for onset in ball.onsets[:-1]:
        assert ball.boxes(onset)["object"][3] == pytest.approx(200.0, abs=1e-6)
        assert ball.boxes(onset - 0.1)["object"][3] < 190.0
        assert ball.boxes(onset + 0.1)["object"][3] < 190.0


@pytest.mark.parametrize("kind", KINDS)
def test_mallet_touches_exactly_at_the_onsets(kind):
    struck = StruckObject(1002, kind, 3.0, 100.0, 100.0, 40.0, 8)
    for onset in struck.onsets:
        assert struck.lift(onset) == pytest.approx(0.0, abs=1e-6)
        assert struck.lift(onset - 0.05) > 0.05


def test_second_strike_damps_the_first():
    strike = Modes.of("bar", 1).strike(RATE_HZ)
    first, second = (ring(strike, [hit], RATE_HZ, RATE_HZ) for hit in ((0.1, 1.0), (0.15, 0.5)))
    both = ring(strike, [(0.1, 1.0), (0.15, 0.5)], RATE_HZ, RATE_HZ)
    before, after = slice(0, round(0.15 * RATE_HZ)), slice(round(0.16 * RATE_HZ), RATE_HZ)
    assert np.array_equal(both[before], first[before])
    assert np.allclose(both[after], DAMPING * first[after] + second[after], atol=1e-6)


def test_identity_tunes_the_object():
    assert Modes.of("bell", 1).frequencies_hz != Modes.of("bell", 2).frequencies_hz
