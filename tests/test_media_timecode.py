"""Timecode: closed forms of SMPTE drop-frame counting, and the clock under a clip."""

from fractions import Fraction

import pytest

from avsep_plugin.errors import ConfigError
from avsep_plugin.media.timecode import Clock, Counting, is_timecode, standard_rate

NTSC = Fraction(30000, 1001)
FILM = Fraction(24000, 1001)
DOUBLE = Fraction(60000, 1001)


@pytest.mark.parametrize(
    ("rate", "drop", "text", "number"),
    [
        (Fraction(25), False, "01:00:00:00", 90000),
        (FILM, False, "00:00:01:00", 24),
        (NTSC, False, "00:01:00:00", 1800),
        (NTSC, True, "00:00:59;29", 1799),
        (NTSC, True, "00:01:00;02", 1800),
        (NTSC, True, "00:10:00;00", 17982),
        (NTSC, True, "01:00:00;00", 107892),
        (NTSC, True, "23:59:59;29", 2589407),
        (DOUBLE, True, "00:01:00;04", 3600),
        (DOUBLE, True, "01:00:00;00", 215784),
    ],
)
def test_numbers_of_known_timecodes(rate: Fraction, drop: bool, text: str, number: int) -> None:
    counting = Counting(rate, drop)
    assert counting.number(text) == number
    assert counting.text(number) == text


@pytest.mark.parametrize("counting", [Counting(FILM), Counting(NTSC, True), Counting(DOUBLE, True)])
def test_every_number_has_a_timecode_of_its_own(counting: Counting) -> None:
    ten_minutes = counting.number("00:20:00:00")
    for number in (*range(2 * ten_minutes // 20), *range(ten_minutes - 2000, ten_minutes + 2000), counting.day - 1):
        assert counting.number(counting.text(number)) == number


def test_an_hour_of_drop_frame_is_an_hour_to_a_few_pictures() -> None:
    assert abs(Counting(NTSC, True).number("01:00:00;00") / NTSC - 3600) < 4 / NTSC
    assert Counting(NTSC).number("01:00:00:00") / NTSC == 3600 * Fraction(1001, 1000)


@pytest.mark.parametrize(
    ("counting", "text"),
    [
        (Counting(NTSC, True), "00:01:00;00"),
        (Counting(NTSC, True), "00:59:00;01"),
        (Counting(DOUBLE, True), "00:01:00;03"),
        (Counting(Fraction(25)), "00:00:00:25"),
        (Counting(Fraction(25)), "24:00:00:00"),
        (Counting(Fraction(25)), "00:60:00:00"),
        (Counting(Fraction(25)), "1:2:3"),
    ],
)
def test_a_timecode_that_does_not_exist(counting: Counting, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        counting.number(text)


def test_drop_frame_exists_at_two_rates_only() -> None:
    with pytest.raises(ConfigError, match=r"not at 25\.000"):
        Counting(Fraction(25), drop=True)


@pytest.mark.parametrize(
    ("average", "rate"),
    [(Fraction(2997, 100), NTSC), (Fraction(30), Fraction(30)), (Fraction(23976, 1000), FILM), (Fraction(5994, 100), DOUBLE)],
)  # fmt: skip
def test_a_measured_rate_stands_for_a_standard_one(average: Fraction, rate: Fraction) -> None:
    assert standard_rate(average) == rate


def test_places_on_the_clock_of_a_clip() -> None:
    clock = Clock.of("01:00:00;02", Fraction(30000, 1001))
    assert clock.start_seconds == Fraction(107894) / NTSC
    assert clock.seconds("12.5") == Fraction(25, 2)
    assert clock.seconds("01:00:10;02") == Fraction(300) / NTSC
    assert clock.seconds("01:00:10:02") == Fraction(300) / NTSC  # it counts as the clip does, whichever sign is typed


def test_a_clip_may_run_past_midnight() -> None:
    clock = Clock.of("23:59:59:00", Fraction(25))
    assert clock.seconds("00:00:01:05") == 2 + Fraction(5, 25)


def test_a_clip_without_timecode_counts_from_zero() -> None:
    for nothing in (None, "noon", "00:00:00:99"):
        clock = Clock.of(nothing, Fraction(30000, 1001))
        assert (clock.is_known, clock.start) == (False, 0)
        assert clock.seconds("00:01:00:00") == Fraction(1800) / NTSC
        assert clock.seconds("00:01:00;02") == Fraction(1800) / NTSC


@pytest.mark.parametrize("text", ["soon", "", "1:30", "nan", "1/0"])
def test_what_is_neither_seconds_nor_timecode(text: str) -> None:
    assert not is_timecode(text)
    with pytest.raises(ConfigError, match="neither"):
        Clock.of(None, Fraction(25)).seconds(text)
