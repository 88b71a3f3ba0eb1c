"""Parts of a track: exact samples, clipped handles, fades that begin and end where they should."""

from fractions import Fraction

import numpy as np
import pytest

from avsep_plugin.errors import ConfigError
from avsep_plugin.media.timecode import Clock
from avsep_plugin.part import Part, Wanted

CLOCK = Clock.of("01:00:00:00", Fraction(25))
RATE = 48000


def test_nothing_asked_is_everything() -> None:
    assert Wanted().part(CLOCK, Fraction(0), RATE).is_whole
    assert Part().weights(0, 10) is None


@pytest.mark.parametrize(("start", "end"), [("2", "3.5"), ("01:00:02:00", "3.5"), ("2", "01:00:03:12")])
def test_seconds_and_timecode_name_the_same_places(start: str, end: str) -> None:
    part = Wanted(start, end).part(CLOCK, Fraction(0), RATE)
    assert part.start == 2 * RATE
    assert part.stop in (round(3.5 * RATE), round(Fraction(87, 25) * RATE))


def test_samples_are_counted_from_where_the_sound_starts() -> None:
    part = Wanted("2", "3").part(CLOCK, Fraction(1, 2), RATE)
    assert (part.start, part.stop) == (RATE * 3 // 2, RATE * 5 // 2)


def test_handles_widen_and_stop_at_the_first_sample() -> None:
    part = Wanted("2", "3", Fraction(5)).part(CLOCK, Fraction(0), RATE)
    assert (part.start, part.stop) == (0, 8 * RATE)


def test_exact_samples_at_an_odd_picture_rate() -> None:
    clock = Clock.of("00:00:00:00", Fraction(24000, 1001))
    part = Wanted("00:00:10:01", "").part(clock, Fraction(0), RATE)
    assert part.start == round(Fraction(241 * 1001, 24000) * RATE)


def test_padding_runs_from_the_first_picture_to_the_end_of_the_last() -> None:
    part = Wanted("2", "3").part(CLOCK, Fraction(1, 2), RATE, picture_seconds=Fraction(4))
    assert (part.pad_from, part.stems_start, part.pad_to) == (-RATE // 2, -RATE // 2, RATE * 7 // 2)


def test_sound_before_the_first_picture_is_not_cut_off() -> None:
    part = Wanted().part(CLOCK, Fraction(-1, 10), RATE, picture_seconds=Fraction(4))
    assert part.stems_start == 0


@pytest.mark.parametrize(("start", "end"), [("3", "3"), ("3", "2"), ("", "0")])
def test_a_part_that_ends_before_it_starts(start: str, end: str) -> None:
    with pytest.raises(ConfigError, match="the part ends"):
        Wanted(start, end).part(CLOCK, Fraction(0), RATE)


def test_weights_are_one_inside_and_nothing_outside() -> None:
    part = Part(1000, 2000, fade=100)
    weights = part.weights(0, 3000)
    assert weights is not None
    assert not weights[:1000].any()
    assert not weights[2000:].any()
    assert (weights[1100:1900] == 1).all()
    assert np.allclose(weights[1000:1100], (np.arange(100) + 0.5) / 100, atol=1e-6)
    assert np.allclose(weights[1900:2000], weights[1000:1100][::-1], atol=1e-6)


def test_the_ends_of_the_track_are_not_faded() -> None:
    from_start, to_end = Part(0, 2000, fade=100).weights(0, 500), Part(1000, None, fade=100).weights(5000, 500)
    assert from_start is not None
    assert to_end is not None
    assert (from_start == 1).all()
    assert (to_end == 1).all()


def test_weights_do_not_depend_on_the_pieces() -> None:
    part = Part(70, 200, fade=50)
    pieces = [part.weights(at, 37) for at in range(0, 370, 37)]
    assert np.array_equal(np.concatenate([piece for piece in pieces if piece is not None]), part.weights(0, 370))
