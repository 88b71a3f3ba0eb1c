"""What a container could not take is found and said, whatever took it away."""

import subprocess
from pathlib import Path

import pytest

from avsep_plugin.media.compare import differences, once
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.plan import Out

CHAPTERS = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n"
PICTURE, SOUND = Out("video", "mpeg4", "copy", 0), Out("audio", "pcm_s16le", "copy", 1, channels=2)


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", *map(str, arguments)], check=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "c.txt").write_text(CHAPTERS)
    inputs = ["-f", "lavfi", "-i", "testsrc=s=64x48:d=1", "-f", "lavfi", "-i", "aevalsrc=0.1*sin(900*t)|0.1:d=1:s=48000"]
    inputs += ["-f", "ffmetadata", "-i", tmp_path / "c.txt", "-map", "0", "-map", "1", "-map_chapters", "2", "-c:v", "mpeg4"]
    tags = ["-metadata", "title=Kept", "-metadata", "scene=12A", "-metadata:s:v", "timecode=01:00:00:00"]
    tags += ["-metadata:s:a", "language=fra", "-disposition:a", "default+hearing_impaired", "-threads", "1"]
    ffmpeg(*inputs, "-c:a", "pcm_s16le", "-aspect", "4:1", *tags, tmp_path / "a.mkv")
    return tmp_path / "a.mkv"


def test_a_file_lacks_nothing_of_itself(source: Path) -> None:
    assert differences(source, source, [PICTURE, SOUND]) == []


def test_everything_that_another_container_dropped_is_named(source: Path, tmp_path: Path) -> None:
    ffmpeg("-i", source, "-map", "0", "-c", "copy", tmp_path / "b.avi")
    said = "\n".join(differences(source, tmp_path / "b.avi", [PICTURE, SOUND]))
    for what in ("tag scene ('12A')", "The timecode 01:00:00:00", "hearing_impaired mark", "1 of 1 chapters", "colour range"):
        assert what in said
    assert "Kept" not in said


def test_changes_are_named_with_both_values(source: Path, tmp_path: Path) -> None:
    change = ["-metadata", "title=Other", "-metadata:s:a", "language=deu", "-af", "pan=mono|c0=c0", "-c:a", "pcm_s16le"]
    ffmpeg("-i", source, "-map", "0", "-c:v", "copy", *change, "-t", "0.6", tmp_path / "b.mkv")
    said = differences(source, tmp_path / "b.mkv", [PICTURE, SOUND])
    assert "The tag title ('Kept') is now 'Other': the container cannot keep it." in said
    assert "The tag language ('fra') of stream 1 is now 'deu': the container cannot keep it." in said
    assert "The sound of stream 1 has 1 channels, not 2: the container takes no more." in said


def test_a_stream_that_was_cut_off_is_named(source: Path, tmp_path: Path) -> None:
    for name, seconds in (("a.mov", "1"), ("b.mov", "0.5")):
        ffmpeg("-i", source, "-map", "0", "-c", "copy", "-map_chapters", "-1", "-t", seconds, tmp_path / name)
    said = differences(tmp_path / "a.mov", tmp_path / "b.mov", [PICTURE, SOUND])
    assert "Stream 1 lasts 0.5" in " ".join(said)


def test_a_stream_that_is_missing_is_named(source: Path, tmp_path: Path) -> None:
    ffmpeg("-i", source, "-map", "0:v", "-c", "copy", tmp_path / "b.mkv")
    assert "The container holds 1 streams of 2." in differences(source, tmp_path / "b.mkv", [PICTURE, SOUND])


@pytest.mark.parametrize(("value", "single"), [("X;X", "X"), ("X", "X"), ("X;Y", "X;Y"), ("", ""), (";", ""), ("ab;ab", "ab")])
def test_a_value_found_twice_is_one(value: str, single: str) -> None:
    assert once(value) == single
