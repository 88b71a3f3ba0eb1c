"""Native plugins and ours in one list: one sound, in step, whatever the pieces."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pedalboard_native._internal import AddLatency

from avsep_plugin import Chain, OnScreenSeparator
from avsep_plugin.clip import Float32
from avsep_plugin.convention import Effect
from avsep_plugin.native import STEP_SAMPLES, NativeStream

RATE = 16000
tried = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def separator(make_clip: Callable[..., Path], tmp_path: Path, tiny_models: dict[str, Path]) -> OnScreenSeparator:
    return OnScreenSeparator(make_clip(tmp_path / "clip.mkv", 2.0), model=tiny_models["separate"], device="cpu")


def noise(samples: int, channels: int = 2) -> Float32:
    return np.random.default_rng(samples).normal(scale=0.3, size=(channels, samples)).astype(np.float32)


def streamed(effect: Effect, sound: Float32, cuts: list[int]) -> Float32:
    pieces = np.split(sound, sorted(cuts), axis=1)
    return np.concatenate([*(effect.process(piece, RATE, reset=False) for piece in pieces), effect.flush()], axis=1)


NATIVE: dict[str, Callable[[], Any]] = {
    "high-pass": lambda: pedalboard.HighpassFilter(200),
    "gate": lambda: pedalboard.NoiseGate(threshold_db=-12, ratio=2, attack_ms=5, release_ms=50),
    "compressor": lambda: pedalboard.Compressor(threshold_db=-20, ratio=3),
    "delay": lambda: pedalboard.Delay(delay_seconds=0.05),
    "chorus": lambda: pedalboard.Chorus(),
    "limiter with lookahead": lambda: pedalboard.BrickwallLimiter(ceiling_db=-6),
    "latency": lambda: AddLatency(1000),
    "resampled, with latency": lambda: pedalboard.Resample(8000),
    "container": lambda: pedalboard.Chain([pedalboard.Gain(3), AddLatency(77)]),
}


@pytest.mark.parametrize("plugin", NATIVE)
@pytest.mark.parametrize("samples", [1, 511, 5000])
def test_a_native_plugin_sounds_as_it_does_by_itself(plugin: str, samples: int) -> None:
    sound = noise(samples)
    assert np.array_equal(Chain([NATIVE[plugin]()])(sound, RATE), NATIVE[plugin]()(sound, RATE))


@pytest.mark.parametrize("plugin", [*NATIVE, "pitch"])
@tried
@given(samples=st.integers(0, 9000), shares=st.lists(st.floats(0, 1), max_size=12))
def test_any_pieces_and_the_flush_are_the_one_call(plugin: str, samples: int, shares: list[float]) -> None:
    """Of native plugins too, which by themselves lose their state when a piece is longer than the ones before it."""
    chain = Chain([pedalboard.PitchShift(2) if plugin == "pitch" else NATIVE[plugin]()])
    sound = noise(samples)
    whole = chain(sound, RATE)
    assert np.array_equal(streamed(chain, sound, [round(share * samples) for share in shares]), whole)


def test_native_plugins_alone_do_lose_their_state() -> None:
    """The reason for steps of one length; if this fails, pedalboard has mended it."""
    plugin, sound = pedalboard.HighpassFilter(200), noise(2000)
    whole = plugin(sound, RATE)
    plugin = pedalboard.HighpassFilter(200)
    pieces = [plugin.process(sound[:, :100], RATE, reset=False), plugin.process(sound[:, 100:], RATE, reset=False)]
    assert not np.allclose(np.concatenate(pieces, axis=1), whole)


@tried
@given(samples=st.integers(0, 2 * RATE), shares=st.lists(st.floats(0, 1), max_size=8))
def test_native_plugins_and_ours_stream_together(separator: OnScreenSeparator, samples: int, shares: list[float]) -> None:
    chain = Chain([AddLatency(300), separator, pedalboard.Gain(-6), separator.__reduce__()[0](*separator.__reduce__()[1]), AddLatency(9)])
    sound = noise(samples)
    whole = chain(sound, RATE)
    assert whole.shape == sound.shape
    assert np.array_equal(streamed(chain, sound, [round(share * samples) for share in shares]), whole)


def test_a_chain_is_one_effect_after_the_other(separator: OnScreenSeparator) -> None:
    before, after = pedalboard.HighpassFilter(100), pedalboard.BrickwallLimiter(-12)
    sound = noise(RATE)
    assert np.array_equal(Chain([before, separator, after])(sound, RATE), after(separator(before(sound, RATE), RATE), RATE))


def test_latency_before_the_separator_does_not_move_its_pictures(separator: OnScreenSeparator) -> None:
    sound = noise(RATE)
    assert np.array_equal(Chain([AddLatency(4000), separator])(sound, RATE), separator(sound, RATE))


def test_chains_in_chains(separator: OnScreenSeparator) -> None:
    sound = noise(RATE)
    nested = Chain([pedalboard.Gain(-3), Chain([separator, pedalboard.Gain(3)]), Chain()])
    assert np.array_equal(nested(sound, RATE), Chain([pedalboard.Gain(-3), separator, pedalboard.Gain(3)])(sound, RATE))


def test_an_empty_chain_gives_back_what_it_gets() -> None:
    sound = noise(700)
    assert np.array_equal(Chain()(sound, RATE), sound)
    assert np.array_equal(streamed(Chain(), sound, [3, 500]), sound)


def test_parameters_are_live(separator: OnScreenSeparator) -> None:
    gain, sound = pedalboard.Gain(0), noise(4 * STEP_SAMPLES)
    separator.amount = 1
    chain = Chain([gain, separator])
    separator.amount = 0
    first = chain.process(sound[:, :1024], RATE, reset=False)
    gain.gain_db = 20 * np.log10(0.5)
    rest = np.concatenate([chain.process(sound[:, 1024:], RATE, reset=False), chain.flush()], axis=1)
    assert np.array_equal(np.concatenate([first, rest], axis=1)[:, :1024], sound[:, :1024])
    assert np.allclose(rest[:, -100:], sound[:, -100:] / 2, atol=1e-5)


def test_an_effect_that_streams_by_itself_is_not_disturbed_by_its_chain(separator: OnScreenSeparator) -> None:
    sound = noise(RATE)
    first = separator.process(sound[:, :5000], RATE, reset=False)
    Chain([separator])(noise(RATE), RATE)
    rest = separator.process(sound[:, 5000:], RATE, reset=False)
    assert np.array_equal(np.concatenate([first, rest, separator.flush()], axis=1), separator(sound, RATE))


def test_it_is_a_list() -> None:
    gains = [pedalboard.Gain(number) for number in range(5)]
    chain = Chain(gains[:2])
    chain.append(gains[3])
    chain.insert(2, gains[2])
    chain.extend([gains[4]])
    assert (len(chain), list(chain), chain[-1], chain[1:3]) == (5, gains, gains[4], gains[1:3])
    assert gains[2] in chain
    assert chain.index(gains[3]) == 3
    chain.remove(gains[0])
    assert chain.pop() is gains[4]
    del chain[0]
    chain[0] = gains[0]
    assert list(chain) == [gains[0], gains[3]]
    chain.reverse()
    assert list(chain) == [gains[3], gains[0]]
    chain.clear()
    assert list(chain) == []
    with pytest.raises(IndexError):
        chain[0]


@pytest.mark.parametrize("change", [lambda c, p: c.append(p), lambda c, p: c.__setitem__(0, p), lambda c, _: c.pop()])
def test_the_list_stays_as_it_is_while_a_stream_goes_on(change: Callable[[Chain, Any], object]) -> None:
    chain = Chain([pedalboard.Gain(), pedalboard.Gain()])
    chain.process(noise(600), RATE, reset=False)
    with pytest.raises(RuntimeError, match="middle of a stream"):
        change(chain, pedalboard.Gain())
    chain.flush()
    change(chain, pedalboard.Gain())


@pytest.mark.parametrize("foreign", [None, 5, "Gain", pedalboard.Gain, object()], ids=repr)
def test_what_is_no_effect_is_refused(foreign: Any) -> None:
    chain = Chain([pedalboard.Gain()])
    with pytest.raises(TypeError, match="A chain takes effects"):
        chain.append(foreign)
    assert len(chain) == 1


def test_one_instance_twice_is_refused(separator: OnScreenSeparator) -> None:
    gain = pedalboard.Gain()
    for twice in ([gain, gain], [gain, separator, gain], [separator, separator], [gain, Chain([gain])], [gain, pedalboard.Chain([gain])]):
        with pytest.raises(RuntimeError, match="same plugin instance"):
            Chain(twice)
    inner = Chain()
    chain = Chain([gain, inner])
    inner.append(gain)
    with pytest.raises(RuntimeError, match="same plugin instance"):
        chain(noise(600), RATE)


def test_what_rings_on_after_the_sound_is_cut_off_as_there() -> None:
    sound = noise(3000)
    assert np.array_equal(Chain([pedalboard.Reverb()])(sound, RATE), pedalboard.Reverb()(sound, RATE))


def test_reset_forgets(separator: OnScreenSeparator) -> None:
    chain, sound = Chain([pedalboard.Delay(0.01), separator]), noise(RATE)
    whole = chain(sound, RATE)
    chain.process(noise(RATE), RATE, reset=False)
    separator.seek(1)
    chain.reset()
    assert chain.flush().size == 0
    assert np.array_equal(streamed(chain, sound, [100]), whole)


def test_a_failure_inside_ends_the_stream_cleanly(separator: OnScreenSeparator) -> None:
    separator.model = "no-such-model"
    chain = Chain([separator, pedalboard.Gain()])
    with pytest.raises(ValueError, match="no-such-model"):
        chain.process(noise(600), RATE, reset=False)
    del chain[0]
    assert np.array_equal(streamed(chain, noise(600), []), pedalboard.Gain()(noise(600), RATE))


def test_a_chain_of_ours_can_be_copied(separator: OnScreenSeparator) -> None:
    chain = Chain([separator, Chain()])
    twin = copy.deepcopy(chain)
    assert twin[0] is not separator
    assert np.array_equal(twin(noise(RATE), RATE), chain(noise(RATE), RATE))


def test_a_plugin_that_keeps_its_sound_does_not_hang(caplog: pytest.LogCaptureFixture) -> None:
    """More latency than the silence that a stream's end is fed: silence stands for the sound, and it is said."""
    stream = NativeStream([AddLatency(11 * RATE)], RATE, 1)
    assert stream.push(noise(600, 1)).shape == (1, 0)
    assert np.array_equal(stream.flush(), np.zeros((1, 600), np.float32))
    assert "kept 600 samples to itself" in caplog.text


def test_too_many_channels_for_native_plugins() -> None:
    with pytest.raises(ValueError, match="fewer than 512 channels"):
        Chain([pedalboard.Gain()])(np.zeros((600, 700), np.float32), RATE)
