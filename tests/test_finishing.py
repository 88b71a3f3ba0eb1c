"""The finishing chain: pedalboard's own effects, checked before they are built, in step with the sound."""

import re
from typing import Any

import numpy as np
import pedalboard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsep_plugin import preset
from avsep_plugin.clip import Float32
from avsep_plugin.errors import ConfigError
from avsep_plugin.finish_steps import PLUGINS, FinishStep, Range, grouped
from avsep_plugin.finishing import Finishing, build

RATE = 48000
STEPS = (
    FinishStep("HighpassFilter", {"cutoff_frequency_hz": 80}),
    FinishStep("NoiseGate", {"threshold_db": -30, "ratio": 1.5, "attack_ms": 5, "release_ms": 200}),
    FinishStep("BrickwallLimiter", {"ceiling_db": -6, "true_peak": True}),
)
LISTED = [(plugin, name) for plugin, parameters in PLUGINS.items() for name in parameters]


def noise(samples: int, channels: int = 2) -> Float32:
    return np.random.default_rng(samples).normal(scale=0.3, size=(channels, samples)).astype(np.float32)


def finished(steps: tuple[FinishStep, ...], sound: Float32, cuts: list[int], rate: int = RATE) -> Float32:
    finishing = Finishing(steps, rate)
    return np.concatenate([*(finishing.process(piece) for piece in np.split(sound, sorted(cuts), axis=1)), finishing.flush()], axis=1)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_listed_parameters_are_pedalboards_own(plugin: str) -> None:
    doc = getattr(pedalboard, plugin).__init__.__doc__
    assert set(re.findall(r"(\w+): (?:float|bool)", doc)) == set(PLUGINS[plugin])
    assert {name for name, kind in re.findall(r"(\w+): (float|bool)", doc) if kind == "bool"} == {
        name for name, span in PLUGINS[plugin].items() if span is None
    }


@pytest.mark.parametrize(("plugin", "name"), LISTED, ids="-".join)
def test_both_ends_of_every_range_are_possible_and_stay_finite(plugin: str, name: str) -> None:
    span = PLUGINS[plugin][name]
    for value in (False, True) if span is None else span:
        result = build(FinishStep(plugin, {name: value}), RATE)(noise(RATE), RATE)
        assert np.isfinite(result).all()
        assert np.abs(result).max() < 100


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"plugin": "HighpasFilter"}, r"'HighpasFilter'; did you mean 'HighpassFilter'\?"),
        ({"plugin": "Limiter"}, r"'Limiter'; did you mean 'BrickwallLimiter'\?"),
        ({"plugin": "Zzz"}, "known are HighpassFilter, "),
        ({"plugin": "NoiseGate", "parameters": {"treshold_db": -40}}, r"'finish.NoiseGate.treshold_db'; did you mean 'threshold_db'\?"),
        ({"plugin": "NoiseGate", "parameters": {"ratio": 0.5}}, "'finish.NoiseGate.ratio' must be a number from 1 to 20, got 0.5"),
        ({"plugin": "NoiseGate", "parameters": {"ratio": "2"}}, "'finish.NoiseGate.ratio' must be a number"),
        ({"plugin": "NoiseGate", "parameters": {"ratio": True}}, "must be a number"),
        ({"plugin": "NoiseGate", "parameters": {"ratio": float("nan")}}, "must be a number"),
        ({"plugin": "BrickwallLimiter", "parameters": {"true_peak": 1}}, "must be true or false, got 1"),
        ({}, "names its plugin, one of HighpassFilter"),
    ],
)
def test_a_step_that_cannot_be(step: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FinishStep(**step)


def test_steps_in_toml_have_their_parameters_beside_the_plugin() -> None:
    table = {"plugin": "Gain", "gain_db": 3}
    assert grouped([table, {"gain_db": 3}, 5]) == [
        {"plugin": "Gain", "parameters": {"gain_db": 3}}, {"plugin": "", "parameters": {"gain_db": 3}}, 5,
    ]  # fmt: skip
    assert table == {"plugin": "Gain", "gain_db": 3}


def test_the_sound_is_that_of_the_plugins() -> None:
    board = pedalboard.Pedalboard(
        [pedalboard.HighpassFilter(80), pedalboard.NoiseGate(-30, 1.5, 5, 200), pedalboard.BrickwallLimiter(-6, true_peak=True)]
    )
    sound = noise(RATE)
    assert np.array_equal(finished(STEPS, sound, []), board(sound, RATE))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(samples=st.integers(0, 9000), channels=st.sampled_from([1, 2, 6]), shares=st.lists(st.floats(0, 1), max_size=10))
def test_any_pieces_give_the_same_sound_of_the_same_length(samples: int, channels: int, shares: list[float]) -> None:
    sound = noise(samples, channels)
    whole = finished(STEPS, sound, [])
    assert whole.shape == sound.shape
    assert np.array_equal(finished(STEPS, sound, [round(share * samples) for share in shares]), whole)


def test_a_limiters_lookahead_does_not_shift_the_sound() -> None:
    sound = 0.5 * noise(RATE).clip(-1, 1)  # below the ceiling: it comes out untouched, at its place
    assert np.array_equal(finished((FinishStep("BrickwallLimiter", {"ceiling_db": 0}),), sound, [700, 7000]), sound)


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 96000, 192000])
def test_the_limiter_holds_its_ceiling_at_any_rate(rate: int) -> None:
    loud = 3 * noise(rate // 4)
    assert np.abs(finished(STEPS, loud, [rate // 8], rate)).max() <= 10 ** (-6 / 20) * 1.0001


def test_the_expander_is_gentle() -> None:
    """20 dB below the threshold, ratio 1.5: half of that, 10 dB, is taken off."""
    time = np.arange(2 * RATE) / RATE
    sound = (10 ** (-50 / 20) * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None]
    result = finished((STEPS[1],), sound, [])[:, RATE:]
    assert 20 * np.log10(result.std() / sound.std()) == pytest.approx(-10, abs=0.5)


def test_no_steps_change_nothing_and_hold_nothing() -> None:
    finishing, sound = Finishing((), RATE), noise(100)
    assert finishing.process(sound) is sound
    assert finishing.flush().shape == (2, 0)


def test_after_a_flush_comes_another_sound() -> None:
    finishing, sound = Finishing(STEPS, RATE), noise(3000)
    first, second = (np.concatenate([finishing.process(sound), finishing.flush()], axis=1) for _ in range(2))
    assert np.array_equal(first, second)
    assert finishing.flush().shape == (2, 0)


def test_a_filter_above_what_the_rate_can_hold_is_refused() -> None:
    """pedalboard's own would give infinite samples without a word."""
    with pytest.raises(ConfigError, match=r"LowpassFilter at 9000 Hz cannot be done at a sample rate of 16000 Hz"):
        Finishing((FinishStep("LowpassFilter", {"cutoff_frequency_hz": 9000}),), 16000)


def test_what_pedalboard_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLUGINS["Compressor"], "ratio", Range(0, 20))
    with pytest.raises(ConfigError, match=r"^pedalboard refuses Compressor with .*ratio must be.*$"):
        build(FinishStep("Compressor", {"ratio": 0.5}), RATE)


@pytest.mark.parametrize("name", ["interview", "documentary", "vlog", "two-shot"])
@pytest.mark.parametrize("rate", [8000, 48000])
def test_the_presets_can_be_built(name: str, rate: int) -> None:
    steps = preset.load(name).finish
    assert finished(steps, noise(rate), [100], rate).shape == (2, rate)
