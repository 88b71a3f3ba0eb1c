"""The separator as an effect: the pipeline's own result, in any pieces, at the right pictures, with nothing left lying about."""

import copy
import gc
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avsep_plugin import OnScreenSeparator
from avsep_plugin.clip import Float32
from avsep_plugin.convention import Effect
from avsep_plugin.errors import MediaNotFoundError, ModelError, NoAudioError
from avsep_plugin.files import separate_arrays
from avsep_plugin.footage import SlidingPictures
from avsep_plugin.media.read import AudioReader, FrameReader
from avsep_plugin.models import zoo

RATE = 16000
MakeEffect = Callable[..., OnScreenSeparator]
tried = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def clip(make_clip: Callable[..., Path], tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mkv", 3.0)


@pytest.fixture
def make_effect(clip: Path, tiny_models: dict[str, Path]) -> MakeEffect:
    """make_effect(**parameters): over the clip, with the tiny model."""

    def make(video: Path = clip, **parameters: object) -> OnScreenSeparator:
        return OnScreenSeparator(video, **{"model": tiny_models["separate"], "device": "cpu"} | parameters)

    return make


def noise(samples: int, channels: int = 2) -> Float32:
    return np.random.default_rng(samples).normal(scale=0.1, size=(channels, samples)).astype(np.float32)


def streamed(effect: Effect, sound: Float32, cuts: list[int], rate: int = RATE) -> Float32:
    """The sound [C, n] through the effect in pieces."""
    pieces = np.split(sound, sorted(cuts), axis=1)
    return np.concatenate([*(effect.process(piece, rate, reset=False) for piece in pieces), effect.flush()], axis=1)


def expected(clip: Path, model: Path, sound: Float32, start: Fraction = Fraction(0)) -> Float32:
    """What the pipeline makes of a sound and the pictures from `start` on."""
    separator = zoo.load_separator(str(model), "cpu")
    picture = separator.config.picture
    with FrameReader(clip, picture.frame_rate, start, picture) as frames:
        return separate_arrays(separator, sound, RATE, SlidingPictures(frames)).on


def pushing() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "avsep-push"]


def test_one_call_is_the_pipelines_result(clip: Path, make_effect: MakeEffect, tiny_models: dict[str, Path]) -> None:
    with AudioReader(clip) as reader:
        sound = reader.read(10 * RATE)
    assert np.array_equal(make_effect()(sound, RATE), expected(clip, tiny_models["separate"], sound))


@tried
@given(samples=st.integers(0, 3 * RATE), shares=st.lists(st.floats(0, 1), max_size=8))
def test_any_pieces_and_the_flush_are_the_one_call(make_effect: MakeEffect, samples: int, shares: list[float]) -> None:
    effect, sound = make_effect(), noise(samples)
    cuts = [round(share * samples) for share in shares]
    assert np.array_equal(streamed(effect, sound, cuts), effect(sound, RATE))


def test_pieces_may_be_shorter_than_they_have_channels(make_effect: MakeEffect) -> None:
    effect, sound = make_effect(), noise(1500, channels=3)
    assert np.array_equal(streamed(effect, sound, list(range(5, 1500, 2))), effect(sound, RATE))


@pytest.mark.parametrize("buffer_size", [1, 500, 10**6])
def test_the_buffer_size_changes_nothing(make_effect: MakeEffect, buffer_size: int) -> None:
    sound = noise(RATE)
    assert np.array_equal(make_effect().process(sound, RATE, buffer_size), make_effect()(sound, RATE))


def test_pieces_come_out_while_the_stream_goes_on(make_effect: MakeEffect) -> None:
    effect = make_effect()
    lengths = [effect.process(noise(RATE // 2), RATE, reset=False).shape[1] for _ in range(6)]
    assert lengths[0] == 0
    assert 2 * RATE < sum(lengths) < 3 * RATE
    assert sum(lengths) + effect.flush().shape[1] == 3 * RATE


def test_what_comes_out_of_a_call_belongs_to_the_caller(make_effect: MakeEffect) -> None:
    effect, sound = make_effect(), noise(2 * RATE)
    whole, before = effect(sound, RATE), sound.copy()
    buffer, parts = np.empty((2, 100), np.float32), []
    for start in range(0, 2 * RATE, 100):
        buffer[:] = sound[:, start : start + 100]
        parts.append(effect.process(buffer, RATE, reset=False))
        buffer[:] = np.nan  # a caller uses its buffer again
    assert np.array_equal(np.concatenate([*parts, effect.flush()], axis=1), whole)
    assert np.array_equal(sound, before)


def test_amount_mixes(make_effect: MakeEffect) -> None:
    sound = noise(RATE)
    on, half, none = (make_effect(amount=amount)(sound, RATE) for amount in (1, 0.5, 0))
    assert np.array_equal(none, sound)
    assert np.abs(on - sound).max() > 0.01
    assert np.allclose(half, (on + sound) / 2, atol=1e-6)


def test_amount_is_heard_at_once_in_a_stream(make_effect: MakeEffect) -> None:
    effect, sound = make_effect(), noise(3 * RATE)
    first = effect.process(sound[:, : 2 * RATE], RATE, reset=False)
    effect.amount = 0
    rest = np.concatenate([effect.process(sound[:, 2 * RATE :], RATE, reset=False), effect.flush()], axis=1)
    assert np.abs(first - sound[:, : first.shape[1]]).max() > 0.01
    assert np.array_equal(rest, sound[:, first.shape[1] :])


def test_start_says_which_pictures_go_with_the_first_sample(clip: Path, make_effect: MakeEffect, tiny_models: dict[str, Path]) -> None:
    sound = noise(RATE)
    there = expected(clip, tiny_models["separate"], sound, Fraction(3, 2))
    assert np.array_equal(make_effect(start=1.5)(sound, RATE), there)
    assert not np.array_equal(make_effect()(sound, RATE), there)


def test_the_pictures_go_on_with_the_samples(make_effect: MakeEffect, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    class Watched(SlidingPictures):
        def __call__(self, start: int, count: int) -> object:
            seen.append(start + count)
            return super().__call__(start, count)

    monkeypatch.setattr("avsep_plugin.effect.SlidingPictures", Watched)
    effect = make_effect()
    for _ in range(3):
        effect.process(noise(RATE), RATE, reset=False)
    effect.flush()
    assert seen[-1] == 3 * 25


def test_seek_holds_for_one_stream(make_effect: MakeEffect) -> None:
    sound = noise(RATE)
    at_zero, at_one = make_effect()(sound, RATE), make_effect(start=1)(sound, RATE)
    effect = make_effect()
    effect.process(sound, RATE, reset=False)
    effect.seek(1)
    assert np.array_equal(streamed(effect, sound, [500]), at_one)
    assert np.array_equal(streamed(effect, sound, [500]), at_zero)
    effect.seek(Fraction(1))
    assert np.array_equal(effect(sound, RATE), at_one)
    assert np.array_equal(effect(sound, RATE), at_zero)


def test_reset_goes_back_to_the_start(make_effect: MakeEffect) -> None:
    effect, sound = make_effect(), noise(RATE)
    effect.seek(1)
    effect.process(noise(700), RATE, reset=False)
    effect.seek(1)
    effect.reset()
    assert np.array_equal(streamed(effect, sound, []), effect(sound, RATE))


def test_a_sound_of_its_own_that_begins_late_moves_the_pictures(
    clip: Path, make_effect: MakeEffect, tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(AudioReader):
        def __init__(self, path: Path, track: int) -> None:
            super().__init__(path, track)
            self.start_seconds += Fraction(1, 2)

    monkeypatch.setattr("avsep_plugin.effect.AudioReader", Late)
    sound = noise(RATE)
    assert np.array_equal(make_effect(start=1)(sound, RATE), expected(clip, tiny_models["separate"], sound, Fraction(3, 2)))


def test_a_video_without_sound_counts_from_its_own_clock(
    make_clip: Callable[..., Path], tmp_path: Path, make_effect: MakeEffect, tiny_models: dict[str, Path]
) -> None:
    silent, sound = make_clip(tmp_path / "silent.mkv", 2.0, sound=False), noise(RATE)
    assert np.array_equal(make_effect(silent)(sound, RATE), expected(silent, tiny_models["separate"], sound))
    with pytest.raises(NoAudioError, match="no sound"):
        make_effect(silent, track=1)(sound, RATE)


@pytest.mark.parametrize("samples", [1, 2, 511])
def test_a_sound_too_short_for_the_model_comes_out_as_it_went_in(make_effect: MakeEffect, samples: int) -> None:
    effect, sound = make_effect(), noise(samples, channels=1)
    assert np.array_equal(effect(sound, RATE), sound)
    assert np.array_equal(streamed(effect, sound, [1]), sound)


def test_numbers_that_are_not_finite(make_effect: MakeEffect, caplog: pytest.LogCaptureFixture) -> None:
    effect, sound = make_effect(), noise(RATE)
    broken, mended = sound.copy(), sound.copy()
    broken[0, 40:42], mended[0, 40:42] = (np.nan, np.inf), 0
    with pytest.raises(ValueError, match="not finite"):
        effect(broken, RATE)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(streamed(effect, broken, [100]), effect(mended, RATE))
    assert "2 samples are not finite" in caplog.text


@pytest.mark.parametrize(("channels", "rate"), [(1, RATE), (2, 48000)])
def test_another_format_in_a_stream_is_refused_and_the_stream_goes_on(make_effect: MakeEffect, channels: int, rate: int) -> None:
    effect, sound = make_effect(), noise(RATE)
    first = effect.process(sound[:, :9000], RATE, reset=False)
    with pytest.raises(ValueError, match="The stream has 2 channels at 16000 Hz"):
        effect.process(noise(300, channels).squeeze(), rate, reset=False)
    rest = effect.process(sound[:, 9000:], RATE, reset=False)
    assert np.array_equal(np.concatenate([first, rest, effect.flush()], axis=1), effect(sound, RATE))


def test_a_video_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match=r"nothing\.mp4: no such file"):
        OnScreenSeparator(tmp_path / "nothing.mp4")


def test_the_model_is_loaded_with_the_first_samples(make_effect: MakeEffect, tiny_models: dict[str, Path]) -> None:
    effect, sound = make_effect(model="no-such-model"), noise(RATE)
    with pytest.raises(ModelError, match="no-such-model"):
        effect.process(sound, RATE, reset=False)
    effect.model = tiny_models["separate"]
    assert np.array_equal(streamed(effect, sound, [100]), make_effect()(sound, RATE))


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("amount", -0.1, ValueError), ("amount", 1.1, ValueError), ("amount", float("nan"), ValueError), ("amount", "1", TypeError),
     ("start", -1, ValueError), ("start", float("inf"), ValueError), ("start", None, TypeError), ("track", -1, ValueError),
     ("track", 0.5, TypeError), ("highs", "loud", ValueError), ("video", "nowhere.mp4", MediaNotFoundError)],
)  # fmt: skip
def test_parameters_are_checked_when_made_and_when_set(make_effect: MakeEffect, name: str, value: object, error: type[Exception]) -> None:
    effect = make_effect()
    with pytest.raises(error):
        make_effect(**{name: value})
    before = getattr(effect, name)
    with pytest.raises(error):
        setattr(effect, name, value)
    assert getattr(effect, name) == before


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda effect: pickle.loads(pickle.dumps(effect))])
def test_a_copy_has_the_parameters_and_a_stream_of_its_own(
    make_effect: MakeEffect, duplicate: Callable[[OnScreenSeparator], OnScreenSeparator]
) -> None:
    effect, sound = make_effect(start=Fraction(1, 3), amount=0.25, highs="keep"), noise(RATE)
    effect.process(noise(700), RATE, reset=False)
    twin = duplicate(effect)
    assert repr(twin).partition(" at 0x")[0] == repr(effect).partition(" at 0x")[0]
    assert twin.start == Fraction(1, 3)
    assert np.array_equal(streamed(twin, sound, [300]), effect(sound, RATE))


@pytest.mark.parametrize("end", ["flush", "reset"])
def test_an_ended_stream_lets_go(make_effect: MakeEffect, end: str) -> None:
    effect = make_effect()
    effect.process(noise(3 * RATE), RATE, reset=False)
    assert len(pushing()) == 1
    getattr(effect, end)()
    assert pushing() == []


def test_a_forgotten_stream_lets_go(make_effect: MakeEffect) -> None:
    effect = make_effect()
    effect.process(noise(3 * RATE), RATE, reset=False)
    (thread,) = pushing()
    del effect
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_an_empty_piece_changes_nothing(make_effect: MakeEffect) -> None:
    effect, sound = make_effect(), noise(600)
    parts = [effect.process(sound, RATE, reset=False)]
    assert effect.process(np.zeros(0, np.float32), RATE, reset=False).shape == (0,)
    assert np.array_equal(np.concatenate([*parts, effect.flush()], axis=1), effect(sound, RATE))


def test_flush_without_a_stream_is_empty(make_effect: MakeEffect) -> None:
    effect = make_effect()
    assert effect.flush().shape == (0,)
    effect(noise(RATE), RATE)
    assert effect.flush().shape == (2, 0)


def test_callers_from_several_threads_wait_for_each_other(make_effect: MakeEffect) -> None:
    effect = make_effect()
    sounds = [noise(RATE + number) for number in range(4)]
    alone = [effect(sound, RATE) for sound in sounds]
    together: list[Float32 | None] = [None] * 4

    def call(number: int) -> None:
        together[number] = effect(sounds[number], RATE)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_importing_the_package_loads_neither_pytorch_nor_pedalboard() -> None:
    code = (
        "import sys, avsep_plugin; assert not {'torch', 'pedalboard', 'numpy'} & set(sys.modules); "
        "assert {'Chain', 'OnScreenSeparator'} <= set(dir(avsep_plugin)); avsep_plugin.Chain; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_the_package_does_not_have() -> None:
    import avsep_plugin

    with pytest.raises(AttributeError, match="no attribute 'OffScreenSeparator'"):
        avsep_plugin.OffScreenSeparator  # noqa: B018
