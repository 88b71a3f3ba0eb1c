"""The sound of real containers moved by stream copy: a click is heard where it should be, and nothing else is changed."""

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avsep_plugin.errors import NoAudioError, NotMediaError, NoVideoError, OutputError
from avsep_plugin.media import shift
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.shift import Shift, check_shiftable, plan, shift_sound

RATE = 48000
CLICK_SECONDS = 0.9
CHAPTERS = (
    ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=700\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=700\nEND=1500\ntitle=Two\n"
)
SUBTITLES = "1\n00:00:00,300 --> 00:00:00,900\nHello\n"


@dataclass(frozen=True)
class Kind:
    suffix: str
    codecs: str
    subtitles: str = ""
    has_edit_lists: bool = False
    tolerance: float = 0.0015


X264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"
KINDS = [
    Kind(".mp4", f"{X264} -bf 2 -c:a aac -timecode 01:00:00:00 -metadata title=Élan", "mov_text", True),
    Kind(".mov", f"{X264} -c:a pcm_s16le -timecode 01:00:00:00 -metadata title=Élan", "mov_text", True),
    Kind(".mkv", f"{X264} -c:a flac -metadata title=Élan", "srt"),
    Kind(".webm", "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus -metadata title=Élan", "webvtt"),
    Kind(".mts", f"{X264} -c:a ac3 -mpegts_m2ts_mode 1"),
    Kind(".ts", f"{X264} -c:a aac"),
]
MOVES = ["-0.24", "-0.5", "0.24", "0.1001"]


def write_clip(folder: Path, suffix: str, codecs: str, subtitles: str = "", late: str = "0") -> Path:
    """1.5 s of picture and of two sound tracks, soft noise with a click; chapters and subtitles where they go."""
    (folder / "c.txt").write_text(CHAPTERS)
    (folder / "s.srt").write_text(SUBTITLES)
    path = folder / f"clip{suffix}"
    sound = f"aevalsrc='0.02*random(0)+0.9*between(t,{CLICK_SECONDS},{CLICK_SECONDS}+0.0005)':s={RATE}:d=1.5"
    command = [find_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=1.5", "-itsoffset", late]
    command += ["-f", "lavfi", "-i", sound, "-f", "lavfi", "-i", sound, "-i", str(folder / "s.srt"), "-f", "ffmetadata"]
    command += ["-i", str(folder / "c.txt"), "-map", "0", "-map", "1", "-map", "2", "-map_chapters", "4"]
    command += ["-map", "3", "-c:s", subtitles] if subtitles else []
    subprocess.run([*command, *codecs.split(), str(path)], check=True)
    return path


def click_after_picture(path: Path, track: int) -> float:
    """Seconds from the first picture to the click, as plain PyAV decodes them."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0)).time
    with av.open(str(path)) as container:
        loudest = max(
            (
                (float(abs(values[0, at])), frame.time + at / frame.sample_rate)
                for frame in container.decode(container.streams.audio[track])
                for values in [_planar(frame)]
                for at in [int(abs(values[0]).argmax())]
            ),
            key=lambda pair: pair[0],
        )
    return loudest[1] - first


def _planar(frame: av.AudioFrame) -> np.ndarray:
    values = frame.to_ndarray().astype(np.float64)
    return values if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels).T


def packets(path: Path, **options: Any) -> dict[int, list[str]]:
    """Hashes of the packets by stream, timecode tracks not counted; compressed sound and everything else keep their packets."""
    found: dict[int, list[str]] = {}
    with av.open(str(path), options=options) as container:
        streams = [stream for stream in container.streams if stream.type != "data"]
        for packet in container.demux(streams):
            if packet.size:
                found.setdefault(streams.index(packet.stream), []).append(hashlib.sha256(bytes(packet)).hexdigest())
    return found


def samples(path: Path) -> bytes:
    """Bytes of all packets of the first sound track, with no regard to edit lists."""
    with av.open(str(path), options={"ignore_editlist": "1"}) as container:
        return b"".join(bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.suffix)
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Kind, Path]:
    kind: Kind = request.param
    return kind, write_clip(tmp_path_factory.mktemp("clip"), kind.suffix, kind.codecs, kind.subtitles)


@pytest.mark.parametrize("by", MOVES)
def test_the_click_is_heard_that_much_later(clip: tuple[Kind, Path], by: str, tmp_path: Path) -> None:
    kind, source = clip
    before, kept = [click_after_picture(source, track) for track in (0, 1)], source.read_bytes()
    shift_sound(source, tmp_path / source.name, Fraction(by))
    after = [click_after_picture(tmp_path / source.name, track) for track in (0, 1)]
    assert after == pytest.approx([time + float(by) for time in before], abs=kind.tolerance)
    assert source.read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


@pytest.mark.parametrize("by", ["-0.24", "0.24"])
def test_every_packet_stays(clip: tuple[Kind, Path], by: str, tmp_path: Path) -> None:
    kind, source = clip
    shift_sound(source, tmp_path / source.name, Fraction(by))
    options = {"ignore_editlist": "1"} if kind.has_edit_lists else {}
    old, new = packets(source, **options), packets(tmp_path / source.name, **options)
    sound = {1, 2} if kind.suffix == ".mov" else set()  # PCM has no packets of its own: see the next test
    assert {place: found for place, found in new.items() if place not in sound} == {
        place: found for place, found in old.items() if place not in sound
    }
    assert samples(tmp_path / source.name) == samples(source)


def test_tags_chapters_and_timecode_stay(clip: tuple[Kind, Path], tmp_path: Path) -> None:
    _, source = clip
    said = shift_sound(source, tmp_path / source.name, Fraction(6, 25))
    assert said == []
    with av.open(str(source)) as old, av.open(str(tmp_path / source.name)) as new:
        assert [stream.type for stream in new.streams] == [stream.type for stream in old.streams]
        assert new.metadata.get("title") == old.metadata.get("title")
        assert new.streams.video[0].metadata.get("timecode") == old.streams.video[0].metadata.get("timecode")
        assert len(new.chapters()) == len(old.chapters())


def test_what_is_done_to_the_beginning_is_said(clip: tuple[Kind, Path], tmp_path: Path) -> None:
    kind, source = clip
    said = shift_sound(source, tmp_path / source.name, Fraction("-0.24"))
    if kind.suffix in (".mts", ".ts"):
        assert said == []  # these begin at 1.4 s, so there is room
    else:
        assert len(said) == 1
        assert "0.240 s" in said[0]
        assert ("edit list" in said[0]) == kind.has_edit_lists


def test_sound_that_starts_late_has_room_to_come_earlier(tmp_path: Path) -> None:
    source = write_clip(tmp_path, ".mp4", KINDS[0].codecs, late="0.3")
    assert shift_sound(source, tmp_path / "out.mp4", Fraction("-0.2"))[0].startswith("The first 0.200 s")  # the second track starts at 0
    assert click_after_picture(tmp_path / "out.mp4", 0) == pytest.approx(click_after_picture(source, 0) - 0.2, abs=0.0015)


@pytest.mark.parametrize(("suffix", "codecs"), [(".avi", "-c:v mpeg4 -c:a pcm_s16le"), (".mxf", "-c:v mpeg2video -r 25 -c:a pcm_s16le")])
def test_containers_that_cannot_say_it_are_refused(suffix: str, codecs: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path, suffix, codecs)
    with pytest.raises(OutputError, match="choose the container mov or mkv"):
        check_shiftable(source)
    with pytest.raises(OutputError, match="cannot say"):
        shift_sound(source, tmp_path / f"out{suffix}", Fraction(1, 5))
    assert not (tmp_path / f"out{suffix}").exists()


def test_another_container_takes_the_clip(tmp_path: Path) -> None:
    source = write_clip(tmp_path, ".mxf", "-c:v mpeg2video -r 25 -c:a pcm_s16le -timecode 10:00:00:00")
    check_shiftable(source, "mov")
    shift_sound(source, tmp_path / "out.mov", Fraction("-0.2"), "mov")
    assert click_after_picture(tmp_path / "out.mov", 1) == pytest.approx(click_after_picture(source, 1) - 0.2, abs=0.0015)


@pytest.mark.parametrize("by", ["0.2", "-0.2"])
def test_a_result_that_is_not_right_is_an_error_and_goes_away(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_clip(tmp_path, ".mov", KINDS[1].codecs)

    def lazy(*given: Any) -> list[str]:
        shutil.copy(source, given[5])
        return []

    monkeypatch.setattr(shift, "write_streams", lazy)
    before = set(tmp_path.iterdir())
    with pytest.raises(OutputError, match="cannot be moved without loss"):
        shift_sound(source, tmp_path / "out.mov", Fraction(by))
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("by", "start", "edits", "expected"),
    [
        ("0.2", "0", True, Shift(Fraction("0.2"), Fraction(0))),
        ("0.2", "0", False, Shift(Fraction("0.2"), Fraction(0))),
        ("-0.2", "0", True, Shift(Fraction("-0.2"), Fraction(0))),
        ("-0.2", "0", False, Shift(Fraction(0), Fraction("0.2"))),
        ("-0.2", "0.05", False, Shift(Fraction("-0.05"), Fraction("0.15"))),
        ("-0.2", "1.4", False, Shift(Fraction("-0.2"), Fraction(0))),
    ],
)
def test_the_rest_moves_only_where_nothing_may_begin_before_0(by: str, start: str, edits: bool, expected: Shift) -> None:
    assert plan(Fraction(by), Fraction(start), edits) == expected


def test_there_has_to_be_sound_and_picture(tmp_path: Path, make_clip: Any) -> None:
    with pytest.raises(NoAudioError):
        shift_sound(make_clip(tmp_path / "silent.mov", sound=False), tmp_path / "out.mov", Fraction(1, 5))
    with pytest.raises(NoVideoError):
        shift_sound(make_clip(tmp_path / "blind.mov", picture=False), tmp_path / "out.mov", Fraction(1, 5))
    (tmp_path / "text.mov").write_text("no movie")
    with pytest.raises(NotMediaError):
        shift_sound(tmp_path / "text.mov", tmp_path / "out.mov", Fraction(1, 5))
