"""From a file to sync.json and to the clip in sync, with an aligner that sees blinks and hears loudness."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from blinking import Blinking, blinks, write_blinks

from avsep_plugin.errors import ConfigError, NoAudioError, NoVideoError, OutputError
from avsep_plugin.sync_curve import SyncCurve, Verdict
from avsep_plugin.syncing import SyncOptions, conclude, measure_file, sync_file, sync_outputs

SURE = SyncOptions(abstain_below=0.3)


def offset(path: Path, options: SyncOptions = SURE) -> float | None:
    return measure_file(path, Blinking(), options)[0].offset_seconds


@pytest.mark.parametrize("late", [-0.6, -0.04, 0.0, 0.2, 0.8])
def test_the_offset_of_a_file(late: float, tmp_path: Path) -> None:
    assert offset(write_blinks(tmp_path / "a.mov", blinks(120), late)) == pytest.approx(late, abs=0.01)


def test_a_long_file_is_looked_at_in_places(tmp_path: Path) -> None:
    path = write_blinks(tmp_path / "a.mov", blinks(700), -0.32)
    told: list[float] = []
    result, _ = measure_file(path, Blinking(), SyncOptions(windows=2), told.append)
    assert result.offset_seconds == pytest.approx(-0.32, abs=0.01)
    assert told == sorted(told)
    assert len(told) == 2


def test_sync_json_says_what_was_found(tmp_path: Path) -> None:
    made = sync_file(write_blinks(tmp_path / "a.mov", blinks(120), 0.2), tmp_path / "out", Blinking(), SURE)
    values = json.loads((tmp_path / "out" / "sync.json").read_text())
    assert list(values) == ["format", "offset_seconds", "confidence", "abstained", "curve"]
    assert (values["format"], values["abstained"]) == ("avsep.sync/1", False)
    assert values["offset_seconds"] == pytest.approx(0.2, abs=0.01)
    assert 0.3 <= values["confidence"] <= 1
    assert max(values["curve"], key=lambda point: point["score"])["offset_seconds"] == pytest.approx(0.2)
    assert len(values["curve"]) == 51
    assert made.outputs == {"sync": tmp_path / "out" / "sync.json"}


def test_a_clip_that_says_nothing_gets_no_offset(tmp_path: Path) -> None:
    made = sync_file(write_blinks(tmp_path / "a.mov", blinks(60) * 0), tmp_path / "out", Blinking(), SyncOptions(fix=True, abstain_below=0))
    values = json.loads((tmp_path / "out" / "sync.json").read_text())
    assert (values["offset_seconds"], values["confidence"], values["abstained"]) == (None, 0.0, True)
    assert set(made.outputs) == {"sync"}
    assert made.warnings == ["The sound was not moved: no offset stands out clearly enough."]


@pytest.mark.parametrize("late", [-0.4, 0.4])
@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_a_fixed_clip_is_in_sync(late: float, suffix: str, tmp_path: Path) -> None:
    source = write_blinks(tmp_path / f"a{suffix}", blinks(150), late)
    before = source.read_bytes()
    made = sync_file(source, tmp_path / "out", Blinking(), SyncOptions(fix=True, abstain_below=0.3, fix_from=0.3))
    assert made.outputs["video"] == tmp_path / "out" / f"a{suffix}"
    assert offset(made.outputs["video"]) == pytest.approx(0, abs=0.01)
    assert source.read_bytes() == before
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"sync.json", f"a{suffix}"}


def test_what_is_as_good_as_in_sync_is_left_alone(tmp_path: Path) -> None:
    made = sync_file(
        write_blinks(tmp_path / "a.mov", blinks(120), 0.04), tmp_path / "out", Blinking(), SyncOptions(fix=True, abstain_below=0.3)
    )
    assert set(made.outputs) == {"sync"}
    assert "as good as in sync" in made.warnings[0]


def test_what_is_not_trusted_enough_is_said_and_not_moved(tmp_path: Path) -> None:
    source = write_blinks(tmp_path / "a.mov", blinks(150), 0.4)
    made = sync_file(source, tmp_path / "out", Blinking(), SyncOptions(fix=True, abstain_below=0.3, fix_from=1.0))
    assert made.result.offset_seconds == pytest.approx(0.4, abs=0.01)
    assert set(made.outputs) == {"sync"}
    assert "has a confidence of" in made.warnings[0]


def test_a_container_that_cannot_say_it_is_refused_before_any_work(tmp_path: Path) -> None:
    source = write_blinks(tmp_path / "a.avi", blinks(120), 0.4)
    model = Blinking()
    with pytest.raises(OutputError, match=r"a\.avi: the container avi cannot say"):
        sync_file(source, tmp_path / "out", model, SyncOptions(fix=True))
    assert model.seen == []
    assert not (tmp_path / "out").exists()
    made = sync_file(source, tmp_path / "out", model, SyncOptions(fix=True, container="mkv", abstain_below=0.3, fix_from=0.3))
    assert made.outputs["video"].name == "a.mkv"


def test_the_clip_itself_is_never_replaced(tmp_path: Path) -> None:
    source = write_blinks(tmp_path / "a.mov", blinks(60), 0.4)
    with pytest.raises(OutputError, match="replace the clip itself"):
        sync_file(source, tmp_path, Blinking(), SyncOptions(fix=True))


def test_a_region_is_what_is_looked_at(tmp_path: Path) -> None:
    """The left half blinks with the sound, the right half 0.4 s later."""
    states = blinks(150)
    path = tmp_path / "a.mov"
    write_blinks(path, states)
    with av.open(str(path)) as old, av.open(str(tmp_path / "b.mov"), "w") as new:
        video = new.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 32, "yuv420p"
        audio = new.add_stream_from_template(old.streams.audio[0])
        for index in range(150):
            picture = _halves(int(states[index]), int(states[max(index - 10, 0)]))
            picture.pts, picture.time_base = index, Fraction(1, 25)
            new.mux(video.encode(picture))
        new.mux(video.encode(None))
        for packet in old.demux(old.streams.audio[0]):
            if packet.size:
                packet.stream = audio
                new.mux(packet)
    assert offset(tmp_path / "b.mov", SyncOptions(region="left", abstain_below=0.3)) == pytest.approx(0, abs=0.01)
    assert offset(tmp_path / "b.mov", SyncOptions(region="right", abstain_below=0.3)) == pytest.approx(-0.4, abs=0.01)


def _halves(left: int, right: int) -> av.VideoFrame:
    import numpy as np

    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, :32], picture[:, 32:] = 255 * left, 255 * right
    return av.VideoFrame.from_ndarray(picture, format="rgb24")


def test_what_does_not_hold_both_is_refused(tmp_path: Path, make_clip: Any) -> None:
    for name, kind, error in (("a.mov", {"sound": False}, NoAudioError), ("b.mov", {"picture": False}, NoVideoError)):
        with pytest.raises(error, match=name):
            sync_file(make_clip(tmp_path / name, **kind), tmp_path / "out", Blinking())
    with pytest.raises(NoAudioError, match="no sound track"):
        sync_file(make_clip(tmp_path / "c.mov"), tmp_path / "out", Blinking(), SyncOptions(track=1))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"step_seconds": Fraction(0)},
        {"step_seconds": Fraction(2)},
        {"windows": 0},
        {"abstain_below": 1.5},
        {"fix_from": -0.1},
        {"tolerance_seconds": Fraction(-1)},
    ],
)
def test_options_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SyncOptions(**wrong)


def test_below_the_threshold_no_offset_is_given() -> None:
    found = SyncCurve((0.0, 0.04), (1.0, 0.0), 1.0)
    assert conclude(found, Verdict(0.2, 0.39), 0.4).offset_seconds is None
    assert conclude(found, Verdict(0.2, 0.4), 0.4).offset_seconds == 0.2


def test_the_outputs_are_known_before(tmp_path: Path) -> None:
    assert sync_outputs(Path("x/talk.mts"), tmp_path) == {"sync": tmp_path / "sync.json"}
    assert sync_outputs(Path("talk.avi"), tmp_path, SyncOptions(fix=True, container="mov"))["video"] == tmp_path / "talk.mov"
