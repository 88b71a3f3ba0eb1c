"""Timelines in every format, read back by OpenTimelineIO's own readers: to the picture, at every rate, whatever the names.

Two things its readers cannot do are checked in the text itself: locators of drop-frame lists (they know `:` only), and the fractional
rates of Final Cut Pro X (they know whole numbers only).
"""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import opentimelineio as otio
import pytest

from avsep_plugin.media.timecode import Counting
from avsep_plugin.timeline.clips import MarkedClip
from avsep_plugin.timeline.formats import Format, as_text
from avsep_plugin.timeline.marks import Mark

FILM, NTSC, DOUBLE = Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)
COUNTINGS = [
    Counting(FILM), Counting(Fraction(24)), Counting(Fraction(25)), Counting(NTSC), Counting(NTSC, drop=True), Counting(Fraction(30)),
    Counting(Fraction(50)), Counting(DOUBLE), Counting(DOUBLE, drop=True), Counting(Fraction(60)),
]  # fmt: skip
FORMATS: list[Format] = ["otio", "edl", "fcpxml", "fcp7"]
MINUTES_10, HOUR = "00:10:00:00", "01:00:00:00"
NAME = 'Müller\'s <b>"big"</b> & 日本 ]]> \x01\n.mov'


@dataclass(frozen=True)
class Item:
    """A clip as it was read: pictures of its source, and its marks as (first picture of the source, pictures, text)."""

    name: str
    url: str
    available: tuple[int, int]
    used: tuple[int, int]
    record: int
    """Picture of the timeline's clock on which it begins."""
    marks: list[tuple[int, int, str]]


def clip(counting: Counting, start: str = HOUR, length: int = 5000, name: str = "talk.mov") -> MarkedClip:
    marks = (
        Mark("sync", 0, 1, "sync: sound 80 ms late"), Mark("off", 13, 1787, "off-screen sound"), Mark("cut", 1800, 1, "cut: shot 2"),
        Mark("on", 3001, length - 3001, "on-screen sound"),
    )  # fmt: skip
    return MarkedClip(name, Path(f"/footage/{name}"), counting, counting.number(start), length, (64, 48), True, marks)


def read(form: Format, text: str, counting: Counting) -> list[Item]:
    """A timeline through OTIO's reader (times of FCPXML: out of the text)."""
    if form == "otio":
        made = otio.adapters.read_from_string(text, "otio_json")
        return [_item(one, _start(one.parent()) + _start(made)) for one in made.tracks[0]]
    if form == "edl":
        rate = float(Fraction(counting.nominal * 1000, 1001) if counting.drop else counting.nominal)
        made = otio.adapters.read_from_string(text, "cmx_3600", rate=rate)
        before = made.tracks[0].source_range  # the reader's way of saying when a list begins
        lead = -round(before.start_time.value) if before else 0
        items = [_item(one, lead) for one in made.tracks[0]]
        locators = [_locators(event, counting) for event in re.split(r"\n(?=\d{3}  )", text)[1:]]
        return [
            replace(item, marks=[(at - item.record + item.used[0], pictures, name) for at, pictures, name in found])
            for item, found in zip(items, locators, strict=True)
        ]
    if form == "fcp7":
        made = otio.adapters.read_from_string(text, "fcp_xml")
        items = [_item(one, _start(one.parent()) + _start(made)) for one in made.tracks[0]]
        return [replace(item, marks=[(at + item.available[0], length, name) for at, length, name in item.marks]) for item in items]
    return _fcpx(text, counting)


def _start(of: otio.schema.Timeline | otio.schema.Track) -> int:
    if isinstance(of, otio.schema.Timeline):
        assert of.global_start_time is not None
        return round(of.global_start_time.value)
    return 0


def _item(one: otio.schema.Clip, begin: int) -> Item:
    place = round(one.range_in_parent().start_time.value)
    available = one.media_reference.available_range or one.source_range
    marks = [(*_pair(mark.marked_range), mark.name) for mark in one.markers]
    return Item(one.name, one.media_reference.target_url, _pair(available), _pair(one.source_range), begin + place, marks)


def _pair(given: otio.opentime.TimeRange) -> tuple[int, int]:
    assert given.start_time.value == round(given.start_time.value)
    return round(given.start_time.value), round(given.duration.value)


def _locators(event: str, counting: Counting) -> list[tuple[int, int, str]]:
    """(picture of the record side, pictures, text) of every locator; the end of a range stands in its name."""
    found = []
    for at, name in re.findall(r"^\* LOC: (\S+) \w+ +(.*)$", event, re.MULTILINE):
        text, _, end = name.partition(" TO ")
        first = counting.number(at)
        found.append((first, counting.number(end) - first if end else 1, text.lower()))
    return found


def _fcpx(text: str, counting: Counting) -> list[Item]:
    (track,) = otio.adapters.read_from_string(text, "fcpx_xml").tracks
    tree = ElementTree.fromstring(text)

    def pictures(element: ElementTree.Element, name: str) -> int:
        number = Fraction(element.get(name, "0s").removesuffix("s")) * counting.rate
        assert number.denominator == 1
        return int(number)

    def span(element: ElementTree.Element) -> tuple[int, int]:
        return pictures(element, "start"), pictures(element, "duration")

    sequence = next(tree.iter("sequence"))
    assert pictures(sequence, "duration") == sum(pictures(one, "duration") for one in sequence.iter("asset-clip"))
    assets = {asset.attrib["id"]: asset for asset in tree.iter("asset")}
    assert {one.attrib["frameDuration"] for one in tree.iter("format")} == {_seconds(1 / counting.rate)}
    return [
        Item(
            read.name, read.media_reference.target_url, span(assets[one.attrib["ref"]]), span(one),
            pictures(sequence, "tcStart") + pictures(one, "offset"), [(*span(mark), mark.attrib["value"]) for mark in one.iter("marker")],
        )
        for one, read in zip(sequence.iter("asset-clip"), (part for part in track if isinstance(part, otio.schema.Clip)), strict=True)
    ]  # fmt: skip


def _seconds(time: Fraction) -> str:
    return f"{time.numerator}/{time.denominator}s"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("counting", COUNTINGS, ids=lambda counting: f"{float(counting.rate):.2f}{'df' if counting.drop else ''}")
@pytest.mark.parametrize("start", ["00:00:00:00", "00:09:59:20", "00:59:58:00", "10:00:00:00", "23:50:00:00"])
def test_every_time_comes_back_to_the_picture(form: Format, counting: Counting, start: str) -> None:
    made = clip(counting, start)
    (item,) = read(form, as_text(form, "talk", [made]), counting)
    assert item.url == "file:///footage/talk.mov"
    assert item.available == item.used == (made.start, made.length)
    assert item.record == made.start
    assert item.marks == [(made.start + mark.start, mark.length, mark.text) for mark in made.marks]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("minutes", [10, 60])
@pytest.mark.parametrize("counting", [Counting(NTSC, drop=True), Counting(DOUBLE, drop=True)], ids=["29.97df", "59.94df"])
def test_drop_frame_stays_right_over_ten_minutes_and_an_hour(form: Format, minutes: int, counting: Counting) -> None:
    length = counting.number("00:10:00:00") * minutes // 10
    cuts = tuple(Mark("cut", place, 1, f"cut: shot {place}") for place in range(1, length, 8999))
    made = replace(clip(counting, "00:59:30:00", length), marks=cuts)
    (item,) = read(form, as_text(form, "long", [made]), counting)
    assert (item.used, item.marks) == ((made.start, length), [(made.start + cut.start, 1, cut.text) for cut in cuts])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("counting", [Counting(FILM), Counting(NTSC, drop=True)], ids=["23.976", "29.97df"])
def test_clips_follow_each_other_without_a_gap(form: Format, counting: Counting) -> None:
    clips = [clip(counting, "02:00:00:00", 4001, "b.mov"), clip(counting, "00:59:59:00", 4000, "a.mov")]
    clips.append(replace(clips[0], has_sound=False))
    items = read(form, as_text(form, "all", clips, counting.number(HOUR)), counting)
    first = counting.number(HOUR)
    assert [item.record for item in items] == [first, first + 4001, first + 8001]
    assert [item.used for item in items] == [(one.start, one.length) for one in clips]
    assert [item.marks for item in items] == [[(one.start + mark.start, mark.length, mark.text) for mark in one.marks] for one in clips]


@pytest.mark.parametrize("form", FORMATS)
def test_names_with_markup_and_any_letters_come_back(form: Format) -> None:
    made = clip(Counting(Fraction(25)), name=NAME)
    (item,) = read(form, as_text(form, NAME, [made]), made.counting)
    assert item.name.strip() == NAME.replace("\x01", "\ufffd").replace("\n", "\ufffd")
    assert item.url == made.media.as_uri()


@pytest.mark.parametrize("form", FORMATS)
def test_names_that_are_no_unicode_do_not_break_a_file(form: Format) -> None:
    made = clip(Counting(Fraction(25)), name="caf\udce9.mov")
    text = as_text(form, made.name, [made])
    text.encode()
    (item,) = read(form, text, made.counting)
    assert (item.name, item.url) == ("caf\ufffd.mov", "file:///footage/caf%E9.mov")


def test_a_list_names_its_way_of_counting() -> None:
    drop, plain = (as_text("edl", "talk", [clip(Counting(NTSC, drop))]) for drop in (True, False))
    assert drop.startswith("TITLE: talk\nFCM: DROP FRAME\n\n001  TALK     V     C        01:00:00;00 01:02:46;24 01:00:00;00 01:02:46;24\n")
    assert plain.startswith("TITLE: talk\nFCM: NON-DROP FRAME\n\n001  TALK     V     C        01:00:00:00 01:02:46:20")


def test_a_line_break_in_a_name_makes_no_line_of_a_list() -> None:
    made = clip(Counting(Fraction(25)), name="a\n002  X V C 00:00:00:00.mov")
    lines = as_text("edl", made.name, [made]).splitlines()
    assert [line[:3] for line in lines if re.match(r"\d{3}  ", line)] == ["001"]


def test_a_name_without_letters_gets_no_empty_reel() -> None:
    made = clip(Counting(Fraction(25)), name="日本.mov")
    assert "\n001  AX       V " in as_text("edl", made.name, [made])


@pytest.mark.parametrize("drop", [True, False])
def test_display_of_drop_frame_in_the_xml_formats(drop: bool) -> None:
    made = clip(Counting(NTSC, drop))
    form = "DF" if drop else "NDF"
    seven = ElementTree.fromstring(as_text("fcp7", "talk", [made]))
    assert {found.text for found in seven.iter("displayformat")} == {form}
    assert {found.text for found in seven.iter("string")} == {made.counting.text(made.start)}
    ten = ElementTree.fromstring(as_text("fcpxml", "talk", [made]))
    assert {found.get("tcFormat") for found in (*ten.iter("sequence"), *ten.iter("asset-clip"))} == {form}


@pytest.mark.parametrize("form", ["otio", "fcp7"])
def test_the_sound_lies_below_its_picture(form: Format) -> None:
    clips = [clip(Counting(Fraction(25)), length=n, name=f"{n}.mov") for n in (4000, 4001)]
    text = as_text(form, "all", [replace(clips[0], marks=(), has_sound=False), replace(clips[1], marks=())])
    made = otio.adapters.read_from_string(text, {"otio": "otio_json", "fcp7": "fcp_xml"}[form])
    picture, sound = made.tracks
    assert (picture.kind, sound.kind) == ("Video", "Audio")
    (heard,) = (one for one in sound if isinstance(one, otio.schema.Clip))
    assert heard.range_in_parent() == picture[1].range_in_parent()
    assert heard.media_reference.target_url == picture[1].media_reference.target_url
