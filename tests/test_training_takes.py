"""How a studio's folder is divided: what a recording is, and that none is on both sides."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.media.probe import MediaInfo, VideoStream
from avsep_plugin.training import takes
from avsep_plugin.training.takes import Take, default_recording, divided, find_takes, joined_by_clock


@pytest.mark.parametrize(
    ("name", "names", "recording"),
    [
        ("take3_camA.mov", ["take3_camA.mov", "take4.mov"], "take3"),
        ("take3 cam 2.mov", ["take3 cam 2.mov"], "take3"),
        ("take3-Angle1.mov", ["take3-Angle1.mov"], "take3"),
        ("plan_b.mov", ["plan_b.mov"], "plan_b"),
        ("webcam.mov", ["webcam.mov"], "webcam"),
        ("monday/001.mov", ["monday/001.mov", "tuesday/001.mov"], "monday"),
        ("shoot/A-cam/t1.mov", ["shoot/A-cam/t1.mov", "shoot/B-cam/t1.mov"], "shoot/t1"),
        ("CAM_2/t1.mov", ["CAM_2/t1.mov", "CAM_1/t1.mov"], "t1"),
        ("A/t1.mov", ["A/t1.mov", "B/t1.mov"], "t1"),
        ("A/t1.mov", ["A/t1.mov", "B/t2.mov"], "A"),
        ("loose.mov", ["loose.mov", "monday/001.mov"], "loose"),
    ],
)
def test_a_recording_is_known_by_folder_or_name_without_the_camera(name: str, names: list[str], recording: str) -> None:
    assert default_recording(name, names) == recording


def _info(timecode: str | None, seconds: int = 10) -> MediaInfo:
    video = VideoStream("h264", 64, 48, 64, 48, 0, Fraction(25), Fraction(0), Fraction(seconds))
    return MediaInfo(Path("x.mov"), "mov", Fraction(seconds), video, (), timecode)


def test_files_that_ran_at_the_same_time_are_one_recording() -> None:
    infos = {"a": _info("10:00:00:00"), "b": _info("10:00:09:00"), "c": _info("10:00:18:24"), "d": _info("10:00:30:00")}
    assert joined_by_clock({name: name for name in infos}, infos) == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_a_short_take_inside_a_long_one_does_not_hide_the_next_overlap() -> None:
    infos = {"long": _info("10:00:00:00", 100), "short": _info("10:00:10:00", 5), "late": _info("10:00:50:00", 5)}
    assert set(joined_by_clock({name: name for name in infos}, infos).values()) == {"late"}


def test_clocks_that_were_never_set_join_nothing() -> None:
    infos = {"a": _info("00:00:00:00"), "b": _info("00:00:00:00"), "c": _info(None)}
    assert joined_by_clock({name: name for name in infos}, infos) == {"a": "a", "b": "b", "c": "c"}


def _takes(speakers: dict[str, int]) -> list[Take]:
    return [Take(f"{speaker}_{n}.mov", f"{speaker}_{n}", speaker, 3.0) for speaker, count in speakers.items() for n in range(count)]


def test_every_speaker_gives_the_same_share_to_the_test() -> None:
    tune, test = divided(_takes({"a": 10, "b": 10, "c": 6}), 0.5)
    assert [[take.speaker for take in part].count(name) for part in (tune, test) for name in "abc"] == [5, 5, 3, 5, 5, 3]


def test_single_recordings_of_many_speakers_are_rounded_together() -> None:
    tune, test = divided(_takes({f"p{n}": 1 for n in range(10)}), 0.3)
    assert (len(tune), len(test)) == (7, 3)


def test_no_recording_is_on_both_sides_and_the_order_of_files_changes_nothing() -> None:
    takes = [Take(f"{n}{camera}.mov", str(n), str(n), 3.0) for n in range(9) for camera in "ab"]
    tune, test = divided(takes, 0.4)
    again = divided(takes[::-1], 0.4)
    assert not {take.recording for take in tune} & {take.recording for take in test}
    assert (set(tune), set(test)) == (set(again[0]), set(again[1]))


def test_a_folder_is_looked_through(tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    for number in range(6):
        make_clip(tmp_path / f"t{number}.mov")
    make_clip(tmp_path / "mute.mov", sound=False)
    (tmp_path / "broken.mov").write_bytes(b"no movie")
    takes = find_takes(tmp_path, test_share=0.5)
    assert takes.recordings == (3, 3)
    assert set(takes.skipped) == {"mute.mov", "broken.mov"}


@pytest.mark.parametrize(("pattern", "recordings"), [(r"^(\w)\d", 2), (r"^\w", 2), (r"nothing", 6)])
def test_a_pattern_names_recordings_and_what_it_does_not_find_goes_by_the_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, recordings: int
) -> None:
    monkeypatch.setattr(takes, "_probed", lambda _folder, names: ({name: _info(None) for name in names}, {}))
    monkeypatch.setattr(takes, "_checked", lambda tune, test, *_: {take.recording for take in [*tune, *test]})
    for name in ("a1", "a2", "a3", "b1", "b2", "b3"):
        (tmp_path / f"{name}.mov").touch()
    assert len(find_takes(tmp_path, pattern)) == recordings  # type: ignore[arg-type]


def test_too_few_recordings_are_refused_with_the_way_out(tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    for number in range(3):
        make_clip(tmp_path / f"t{number}.mov")
    with pytest.raises(DataError, match="--recording-pattern"):
        find_takes(tmp_path)
    with pytest.raises(ConfigError, match="regular expression"):
        find_takes(tmp_path, "(")


def test_one_speaker_alone_cannot_be_mixed(tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    for number in range(6):
        make_clip(tmp_path / f"t{number}.mov")
    with pytest.raises(DataError, match="--speaker-pattern"):
        find_takes(tmp_path, speaker_pattern="(t)", test_share=0.5)
