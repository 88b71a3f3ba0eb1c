"""Identifiers of MXF files: made of the contents, so that they are the same twice and others for other material."""

import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.batch import run
from avsep_plugin.discover import find
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.mux import NewSound, remux
from avsep_plugin.media.packets import picture_packets
from avsep_plugin.media.umid import identify
from avsep_plugin.media.write import SoundWriter
from avsep_plugin.tasks import SeparateTask
from avsep_plugin.workers import Workers

PREFIX = bytes.fromhex("060a2b340101010501010d0013")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a camera's MXF."""
    path = tmp_path_factory.mktemp("source") / "a.mxf"
    inputs = "-f lavfi -i testsrc2=size=64x48:rate=25:duration=2 -f lavfi -i sine=duration=2:sample_rate=48000"
    line = f"{inputs} -c:v mpeg2video -c:a pcm_s16le -timecode 10:00:00:00 -metadata creation_time=2024-05-06T07:08:09Z"
    subprocess.run([find_ffmpeg(), "-v", "error", *line.split(), str(path)], check=True)
    return path


def with_sound(source: Path, output: Path, level: float) -> Path:
    """The source with a new sound."""
    sound = output.with_name("new.wav")
    with SoundWriter(sound, 48000, 1) as writer:
        writer.write(np.full((1, 96000), level, np.float32))
    remux(source, output, [NewSound(sound, channels=1, sample_rate_hz=48000)])
    return output


def umids(path: Path) -> list[str]:
    """Of the material package and of the tracks' file package, as FFmpeg reads them."""
    with av.open(str(path)) as container:
        found = [container.metadata, *(stream.metadata for stream in container.streams)]
        return [value.lower() for tags in found for key, value in tags.items() if key.endswith("umid")]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, source: Path) -> None:
    first, second = (with_sound(source, tmp_path / name, 0.1).read_bytes() for name in ("a.mxf", "b.mxf"))
    assert first == second


def test_results_with_other_sound_are_other_material(tmp_path: Path, source: Path) -> None:
    first, second = (umids(with_sound(source, tmp_path / f"{level}.mxf", level)) for level in (0.1, 0.2))
    for found in (first, second):
        assert [umid[-2:] for umid in found] == ["00", "01", "01"]
        assert len({umid[:-2] for umid in found}) == 1
    assert not set(first) & set(second)


def test_every_picture_names_the_same_material(tmp_path: Path, source: Path) -> None:
    content = with_sound(source, tmp_path / "a.mxf", 0.1).read_bytes()
    assert content.count(PREFIX) > 50
    assert content.count(PREFIX + bytes(18)) == 0
    starts = [place for place in range(len(content)) if content.startswith(PREFIX, place)]
    assert len({content[place + 13 : place + 31] for place in starts}) == 1


def test_picture_and_tags_stay_as_they_were(tmp_path: Path, source: Path) -> None:
    made = with_sound(source, tmp_path / "a.mxf", 0.1)
    assert picture_packets(made) == picture_packets(source)
    with av.open(str(source)) as old, av.open(str(made)) as new:
        for key in ("timecode", "modification_date"):
            assert old.metadata[key] == new.metadata[key]


def test_what_is_no_mxf_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.mxf"
    for content in (b"", b"\x06", bytes(1000), b"\x06\x0e\x2b\x34\x02\x53" + b"\xff" * 500):
        path.write_bytes(content)
        identify(path, b"seed")
        assert path.read_bytes() == content


@pytest.mark.slow
def test_the_number_of_workers_changes_no_byte_of_a_result(tmp_path: Path, source: Path, tiny_models: dict[str, Path]) -> None:
    clips = [Path(shutil.copy(source, tmp_path / f"{name}.mxf")) for name in "ab"]
    task = SeparateTask(str(tiny_models["separate"]), "cpu")
    made = []
    for jobs in (1, 2):
        rows = list(run(find(clips, tmp_path / str(jobs)), task, engine=Workers(jobs)))
        assert [row.status for row in rows] == ["done", "done"], rows
        paths = sorted(path for path in (tmp_path / str(jobs)).rglob("*") if path.suffix in (".mxf", ".wav"))
        made.append({path.relative_to(tmp_path / str(jobs)): path.read_bytes() for path in paths})
    assert len(made[0]) == 6
    assert made[0] == made[1]
