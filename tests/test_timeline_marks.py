"""What is marked where: thresholds, merging, whole pictures, cuts."""

from fractions import Fraction
from pathlib import Path

import pytest

from avsep_plugin.confidence_file import Confidence, as_text, read
from avsep_plugin.errors import ConfigError, SidecarError
from avsep_plugin.timeline.marks import Mark, Offset, Ruler, Thresholds, of_cuts, of_offset, of_windows

RULER = Ruler(Fraction(25), Fraction(0), 250)


def windows(*probabilities: float, shot_length: int = 100, left: frozenset[int] = frozenset()) -> list[Confidence]:
    """Windows of two seconds, `shot_length` of them in a shot."""
    return [
        Confidence(2.0 * n, 2.0 * n + 2, n // shot_length, 0.0, probability, n // shot_length in left)
        for n, probability in enumerate(probabilities)
    ]


def places(marks: list[Mark]) -> list[tuple[str, int, int]]:
    return [(mark.kind, mark.start, mark.length) for mark in marks]


def test_neighbours_of_one_kind_are_one_range() -> None:
    assert places(of_windows(windows(0.9, 0.8, 0.5, 0.2, 0.1), RULER, Thresholds())) == [("on", 0, 100), ("off", 150, 100)]


def test_a_window_at_a_threshold_is_marked() -> None:
    assert places(of_windows(windows(0.7, 0.3), RULER, Thresholds())) == [("on", 0, 50), ("off", 50, 50)]
    assert of_windows(windows(0.69, 0.31), RULER, Thresholds()) == []


def test_thresholds_are_the_users() -> None:
    assert places(of_windows(windows(0.69, 0.31), RULER, Thresholds(0.6, 0.4))) == [("on", 0, 50), ("off", 50, 50)]


@pytest.mark.parametrize(("on_above", "off_below"), [(0.3, 0.3), (0.2, 0.4), (1.1, 0.1), (0.5, -0.1)])
def test_thresholds_that_cross_are_refused(on_above: float, off_below: float) -> None:
    with pytest.raises(ConfigError, match="off-below"):
        Thresholds(on_above, off_below)


def test_the_text_says_how_sure_it_is() -> None:
    on, off = of_windows(windows(0.9, 0.8, 0.2), RULER, Thresholds(), track="track2: ")
    assert on.text == "track2: on-screen sound (probability 0.80 to 0.90)"
    assert off.text == "track2: off-screen sound (probability 0.20)"


def test_every_shot_that_was_left_alone_is_a_range() -> None:
    marks = of_windows(windows(0.5, 0.5, 0.5, 0.5, shot_length=2, left=frozenset({1})), RULER, Thresholds())
    assert places(marks) == [("abstained", 100, 100)]
    assert marks[0].text.startswith("shot 2 left untouched")


def test_ranges_end_at_the_cut_that_is_meant() -> None:
    cut = Fraction(101, 25)  # the model's own pictures put it at 4.0 s
    marks = of_windows(windows(0.9, 0.9, 0.1, 0.1), RULER, Thresholds(), [cut])
    assert places(marks) == [("on", 0, 101), ("off", 101, 99)]


def test_a_cut_that_is_farther_away_is_not_meant() -> None:
    assert places(of_windows(windows(0.9, 0.5), RULER, Thresholds(), [Fraction(22, 10)])) == [("on", 0, 50)]


def test_what_lies_outside_the_picture_is_cut_off() -> None:
    ruler = Ruler(Fraction(25), Fraction(1), 50)  # the picture lasts from 1 s to 3 s
    assert places(of_windows(windows(0.9, 0.1, 0.9), ruler, Thresholds())) == [("on", 0, 25), ("off", 25, 25)]


def test_a_cut_is_a_point_on_its_picture() -> None:
    assert of_cuts([Fraction(1), Fraction(20)], RULER) == [Mark("cut", 25, 1, "cut: shot 2")]


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        (Offset(0.08, 0.9), "sync: sound 80 ms late (confidence 0.90)"),
        (Offset(-0.12, 0.5), "sync: sound 120 ms early (confidence 0.50)"),
        (Offset(0.0, 1.0), "sync: in sync (confidence 1.00)"),
        (Offset(None, 0.1), "sync: cannot be told"),
    ],
)
def test_the_offset_is_said_at_the_beginning(offset: Offset, text: str) -> None:
    assert of_offset(offset, RULER) == [Mark("sync", 0, 1, text)]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_windows_are_read_as_they_were_written(tmp_path: Path, form: str) -> None:
    made = windows(0.9, 0.123456, left=frozenset({0}))
    path = tmp_path / f"confidence.{form}"
    path.write_text(as_text(made, "csv" if form == "csv" else "json"))
    assert read(path) == made


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "start_seconds,end_seconds\n1,2\n"),
        ("a.csv", "start_seconds,end_seconds,shot,logit,probability,abstained\n0,2,0,0,1.5,false\n"),
        ("a.csv", "start_seconds,end_seconds,shot,logit,probability,abstained\n0,nan,0,0,0.5,false\n"),
        ("a.csv", "start_seconds,end_seconds,shot,logit,probability,abstained\n0,2,0,0,0.5,perhaps\n"),
        ("a.json", '[{"start_seconds": 0'),
        ("a.json", '{"start_seconds": 0}'),
        ("a.json", "[[0, 2]]"),
    ],
)
def test_a_damaged_list_of_windows_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SidecarError, match=name):
        read(tmp_path / name)
