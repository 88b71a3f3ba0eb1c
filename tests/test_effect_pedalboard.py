"""The calling convention, held against pedalboard itself: the same calls on a native plugin and on ours."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
import pytest

from avsep_plugin import Chain, OnScreenSeparator

RATE = 44100
Make = Callable[[], Any]


@pytest.fixture(params=["separator", "chain"])
def ours(request: pytest.FixtureRequest, make_clip: Callable[..., Path], tmp_path: Path, tiny_models: dict[str, Path]) -> Make:
    """Makes an effect of ours that gives the samples back as they are."""
    if request.param == "chain":
        return Chain
    video = make_clip(tmp_path / "clip.mkv", 0.2)
    return lambda: OnScreenSeparator(video, amount=0, model=tiny_models["separate"], device="cpu")


def native() -> Any:
    """A native plugin that gives the samples back as they are."""
    return pedalboard.Gain(gain_db=0)


def outcome(call: Callable[[], Any]) -> Any:
    """What a call does, in a form that compares."""
    try:
        result = call()
    except Exception as exc:
        return type(exc)
    assert isinstance(result, np.ndarray)
    return result.shape, result.dtype, result.flags.writeable, result.tolist()


def ramp(*shape: int) -> Any:
    return np.linspace(-0.5, 0.5, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def parameters_said(doc: str) -> dict[str, Any]:
    """Name -> default from pedalboard's own signature, which stands in the first line of its docstring."""
    inside = re.fullmatch(r"\w+\(self: [\w.]+, (.*)\) -> numpy.ndarray\[numpy.float32\]", doc.splitlines()[0])
    assert inside
    pairs = (part.partition(" = ") for part in inside[1].split(", "))
    return {name.partition(":")[0]: eval(default) if default else inspect.Parameter.empty for name, _, default in pairs}


@pytest.mark.parametrize("name", ["process", "__call__"])
@pytest.mark.parametrize("kind", [OnScreenSeparator, Chain])
def test_signature(kind: type, name: str) -> None:
    own = list(inspect.signature(getattr(kind, name)).parameters.values())[1:]
    assert {p.name: p.default for p in own} == parameters_said(getattr(pedalboard.Plugin, name).__doc__)


@pytest.mark.parametrize("kind", [OnScreenSeparator, Chain])
def test_all_that_a_plugin_has_ours_have(kind: type) -> None:
    assert {name for name in dir(pedalboard.Plugin) if not name.startswith("_")} <= set(dir(kind))


def test_the_chain_has_all_that_a_pedalboard_has() -> None:
    assert set(dir(pedalboard.Pedalboard)) - set(dir(Chain)) <= {"__annotations__", "__dict__", "__weakref__"}


def test_kind_of_plugin(ours: Make) -> None:
    for effect in (native(), ours()):
        assert (effect.is_effect, effect.is_instrument) == (True, False)
        with pytest.raises(AttributeError):
            effect.is_effect = False


def test_reset_returns_nothing(ours: Make) -> None:
    assert native().reset() is ours().reset() is None


SHAPES = [(5,), (1,), (0,), (1, 5), (5, 1), (1, 1), (2, 5), (5, 2), (3, 5), (1, 2), (2, 1), (6, 100), (100, 6), (33, 100), (2, 0), (0, 2),
          (1, 0), (0, 1), (2, 2), (3, 3), (0, 0), (2, 3, 4), (2, 10, 1), ()]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("reset", [True, False])
def test_layouts(ours: Make, shape: tuple[int, ...], reset: bool) -> None:
    effect = ours()

    def call() -> Any:
        first = effect.process(ramp(*shape), RATE, reset=reset)
        rest = effect.flush()
        return first if first.size else rest  # so short a sound comes out as a whole, now or then

    assert outcome(call) == outcome(lambda: native().process(ramp(*shape), RATE, reset=reset))


@pytest.mark.parametrize("shape", [(2, 50), (50, 2), (50,), (1, 50), (50, 1), (3, 50), (50, 3)], ids=str)
def test_the_smaller_dimension_is_the_channels(shape: tuple[int, ...]) -> None:
    """A filter rings along the time axis only."""
    sound = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert np.array_equal(Chain([pedalboard.HighpassFilter(500)])(sound, RATE), pedalboard.HighpassFilter(500)(sound, RATE))


@pytest.mark.parametrize("before", [(2, 50), (50, 2), (50,), (50, 1)], ids=str)
def test_a_square_array_has_the_layout_of_the_one_before(before: tuple[int, ...]) -> None:
    sound = ramp(3, 3)
    filters = pedalboard.HighpassFilter(500), Chain([pedalboard.HighpassFilter(500)])
    for effect in filters:
        effect(np.zeros(before, np.float32), RATE)
    native_result, result = (effect(sound, RATE) for effect in filters)
    assert np.array_equal(result, native_result)
    for effect in filters:
        effect.reset()
        with pytest.raises(RuntimeError, match=r"Unable to determine channel layout from shape: \(3, 3\)"):
            effect(sound, RATE)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("before", [(2, 50), (50, 2), (3, 50), (50, 3), (1, 50), (50, 1), (50,)], ids=str)
@pytest.mark.parametrize("shape", [(2, 1), (1, 2), (3, 2), (2, 3), (1, 3), (4, 3), (50, 3), (3, 50), (50, 2), (2, 50), (1, 50)], ids=str)
def test_the_number_of_channels_before_decides_until_a_reset(before: tuple[int, ...], shape: tuple[int, int], reset: bool) -> None:
    filters = pedalboard.HighpassFilter(500), Chain([pedalboard.HighpassFilter(500)])
    for effect in filters:
        effect(np.zeros(before, np.float32), RATE)
        if reset:
            effect.reset()
    native_result, result = (effect(ramp(*shape), RATE) for effect in filters)
    assert np.array_equal(result, native_result)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4", ">f8", np.float16, np.longdouble, np.int16, np.int32, np.uint8, np.bool_,
                                   np.complex64, object, "S3"], ids=str)  # fmt: skip
def test_types_of_samples(ours: Make, dtype: Any) -> None:
    sound = np.zeros((2, 5)).astype(dtype)
    assert outcome(lambda: ours()(sound, RATE)) == outcome(lambda: native()(sound, RATE))


def said(call: Callable[[], Any]) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    return str(caught.value)


@pytest.mark.parametrize("array", [np.zeros((2, 5), np.int16), np.zeros((2, 3, 4), np.float32)], ids=["integers", "three dimensions"])
def test_errors_have_the_same_words(ours: Make, array: Any) -> None:
    """The first sentence: pedalboard goes on about arrays that are not square, whatever the matter is."""
    own, theirs = said(lambda: ours()(array, RATE)), said(lambda: native()(array, RATE))
    assert own == theirs.partition(" Provide a non-square")[0]


@pytest.mark.parametrize("value", [[0.1, 0.2], None, "x", 3, (0.1,)], ids=str)
def test_what_is_no_array(ours: Make, value: Any) -> None:
    assert outcome(lambda: ours()(value, RATE)) == outcome(lambda: native()(value, RATE))
    with pytest.raises(TypeError):
        ours()(value, RATE)


MEMORY = {
    "transposed": lambda: ramp(50, 2).T,
    "every other": lambda: ramp(2, 100)[:, ::2],
    "backwards": lambda: ramp(2, 50)[:, ::-1],
    "fortran": lambda: np.asfortranarray(ramp(2, 50)),
}


@pytest.mark.parametrize("memory", MEMORY)
def test_memory_order(ours: Make, memory: str) -> None:
    assert outcome(lambda: ours()(MEMORY[memory](), RATE)) == outcome(lambda: native()(MEMORY[memory](), RATE))


def test_the_result_is_always_a_new_array(ours: Make) -> None:
    for effect in (native(), ours()):
        for shape in ((50,), (2, 50), (50, 2)):
            sound = ramp(*shape)
            sound.flags.writeable = False
            result = effect(sound, RATE)
            result[:] = 7
            assert sound.max() == np.float32(0.5)


@pytest.mark.parametrize("rate", [44100.0, np.float32(8000), np.int64(96000), "44100", None], ids=repr)
def test_sample_rates_that_both_take_or_refuse(ours: Make, rate: Any) -> None:
    assert outcome(lambda: ours()(ramp(2, 50), rate)) == outcome(lambda: native()(ramp(2, 50), rate))


@pytest.mark.parametrize("rate", [0, -1, 44100.5, float("nan"), float("inf")], ids=repr)
def test_sample_rates_that_only_ours_refuse(ours: Make, rate: float) -> None:
    assert outcome(lambda: native()(ramp(2, 50), rate)) == outcome(lambda: ramp(2, 50))
    with pytest.raises(ValueError, match="sample rate must be a positive whole number"):
        ours()(ramp(2, 50), rate)


@pytest.mark.parametrize("buffer_size", [1, 7, 10**6, np.int64(5), True, 1.5, "a", None], ids=repr)
def test_buffer_sizes_that_both_take_or_refuse(ours: Make, buffer_size: Any) -> None:
    assert outcome(lambda: ours()(ramp(2, 50), RATE, buffer_size)) == outcome(lambda: native()(ramp(2, 50), RATE, buffer_size))


@pytest.mark.parametrize("buffer_size", [0, -1])
def test_buffer_sizes_that_ours_refuse(ours: Make, buffer_size: int) -> None:
    """Zero hangs pedalboard for ever, so it is not tried there; a negative one is a TypeError there."""
    with pytest.raises(ValueError, match="buffer size must be positive"):
        ours()(ramp(2, 50), RATE, buffer_size)


@pytest.mark.parametrize("reset", [True, 1, 0, None, np.True_, "x", [1]], ids=repr)
def test_values_of_reset(ours: Make, reset: Any) -> None:
    assert isinstance(outcome(lambda: ours()(ramp(2, 50), RATE, 8192, reset)), tuple) == isinstance(
        outcome(lambda: native()(ramp(2, 50), RATE, 8192, reset)), tuple
    )


def test_arguments_by_name_and_unknown_ones(ours: Make) -> None:
    for effect in (native(), ours()):
        effect(input_array=ramp(2, 50), sample_rate=RATE, buffer_size=10, reset=True)
        with pytest.raises(TypeError):
            effect(ramp(2, 50), RATE, loudness=3)
        with pytest.raises(TypeError):
            effect(ramp(2, 50))


def test_numbers_that_are_not_finite_pass_there_and_are_refused_here(ours: Make) -> None:
    sound = ramp(2, 50)
    sound[0, 3] = np.nan
    assert np.isnan(native()(sound, RATE)).sum() == 1
    with pytest.raises(ValueError, match="not finite"):
        ours()(sound, RATE)


def test_parameters_behave_like_theirs(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    video = make_clip(tmp_path / "clip.mkv")
    delay, separator = pedalboard.Delay(mix=0.5), OnScreenSeparator(video, amount=0.5)
    for value in (1.5, -0.5):
        theirs, own = said(lambda v=value: setattr(delay, "mix", v)), said(lambda v=value: setattr(separator, "amount", v))
        assert own == theirs.replace("Mix", "Amount") == "Amount must be between 0.0 and 1.0."
    delay.mix = separator.amount = 0.25
    assert delay.mix == separator.amount == 0.25
    for effect, name in ((delay, "mix"), (separator, "amount")):
        with pytest.raises(TypeError):
            setattr(effect, name, "loud")
        with pytest.raises(AttributeError):
            effect.no_such_parameter = 1
    for make in (lambda: pedalboard.Delay(loudness=1), lambda: OnScreenSeparator(video, loudness=1)):
        with pytest.raises(TypeError):
            make()


def test_repr_has_the_same_shape(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    shape = r"<\w+\.\w+( \w+=('.*?'|\S+))+ at 0x[0-9a-f]+>"
    assert re.fullmatch(shape, repr(pedalboard.Delay()))
    assert re.fullmatch(shape, repr(OnScreenSeparator(make_clip(tmp_path / "my clip.mkv"))))
    of_chain = r"<\w+\.Chain with {}: \[.*\] at 0x[0-9a-f]+>"
    for kind in (pedalboard.Chain, Chain):
        assert re.fullmatch(of_chain.format("1 plugin"), repr(kind([native()])))
        assert re.fullmatch(of_chain.format("2 plugins"), repr(kind([native(), native()])))


def test_native_plugins_cannot_be_copied_which_is_why_only_ours_can() -> None:
    import pickle

    with pytest.raises(TypeError):
        pickle.dumps(native())
    with pytest.raises(TypeError):
        pickle.dumps(Chain([native()]))
