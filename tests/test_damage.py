"""Damaged clips through the batch: each is one clear line and nothing left behind, or stems of the length that can be decoded."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from broken import HARMS, KINDS, RATE_HZ, cut, quarter, wipe, write_clip
from workbench import CopyTask

from avsep_plugin.batch import Orders, Row, run
from avsep_plugin.clip import Float32
from avsep_plugin.discover import Findings, Job, find
from avsep_plugin.errors import DamagedMediaError
from avsep_plugin.files import FileResult, SeparateFileOptions, separate_file, separation_outputs
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.read import AudioReader
from avsep_plugin.media.stems import StemWriter
from avsep_plugin.work import Progress

STEMS = SeparateFileOptions(deliver=("stems",))
TOLERANT = SeparateFileOptions(tolerate_damage=True)


@dataclass(frozen=True)
class Quartering(CopyTask):
    """`tasks.SeparateTask` with a model that is no file."""

    options: SeparateFileOptions = STEMS

    def expected(self, job: Job) -> dict[str, Path]:
        return separation_outputs(job.source, job.out_dir, self.options)

    def seconds(self, _job: Job) -> None:
        return None

    def handle(self, job: Job, progress: Progress) -> FileResult:
        return separate_file(job.source, job.out_dir, quarter(), self.options, progress)


def batch(clips: list[Path], out: Path, options: SeparateFileOptions = STEMS) -> list[Row]:
    jobs = [Job(clip, True, out / str(number)) for number, clip in enumerate(clips)]
    return list(run(Findings(jobs, [], 0), Quartering(options=options), Orders()))


def check(row: Row, out: Path, tolerate_damage: bool = False) -> None:
    """The rule of this file."""
    if row.status == "error":
        assert len(row.message.splitlines()) == 1
        assert "unexpected" not in row.message, row.message
        assert Path(row.input).name in row.message or str(out) in row.message
        assert not out.exists()
        return
    names = {"on-screen.wav", "off-screen.wav", "separate.avsep.json"}
    assert {path.name for path in out.iterdir()} == names | ({Path(row.input).name} if "video" in row.outputs else set())
    source = read(Path(row.input), tolerate_damage)
    on, off = (read(Path(row.outputs[kind])) for kind in ("on", "off"))
    in_range = source.clip(-1, 1 - 2.0**-23)  # damaged packets may decode to more than full scale
    assert np.abs(on + off - in_range).max() <= 2.0**-23
    if not row.warnings:
        assert np.array_equal(source, decoded(Path(row.input)))


def read(path: Path, tolerate_damage: bool = False) -> Float32:
    with AudioReader(path, tolerate_damage=tolerate_damage) as reader:
        return reader.read(10**7)


def decoded(path: Path) -> Float32:
    """What the ffmpeg program makes of it."""
    command = [find_ffmpeg(), "-v", "quiet", "-i", f"file:{path}", "-map", "0:a:0", "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<f4").reshape(1, -1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """By kind, the bytes of a clip that is in order; "faststart" is an mp4 with its index first."""
    folder = tmp_path_factory.mktemp("whole")
    clips = {kind: write_clip(folder / f"a.{kind}", kind).read_bytes() for kind in KINDS}
    clips["faststart"] = write_clip(folder / "b.mp4", "mp4", movflags="faststart").read_bytes()
    return clips


def harmed(folder: Path, whole: dict[str, bytes], kind: str) -> list[Path]:
    clips = []
    for name, harm in HARMS.items():
        clips.append(folder / f"{name.replace('/', ' of ')}.{'mp4' if kind == 'faststart' else kind}")
        clips[-1].write_bytes(harm(whole[kind]))
    return clips


@pytest.mark.parametrize("kind", [*KINDS, "faststart"])
def test_a_clip_that_is_in_order_passes(tmp_path: Path, whole: dict[str, bytes], kind: str) -> None:
    clip = tmp_path / f"a.{'mp4' if kind == 'faststart' else kind}"
    clip.write_bytes(whole[kind])
    (row,) = batch([clip], tmp_path / "out", SeparateFileOptions())
    assert (row.status, row.message) == ("done", "")
    assert RATE_HZ <= read(Path(row.outputs["on"])).shape[1] < RATE_HZ + 2400  # a packet may be filled up
    check(row, tmp_path / "out" / "0")


@pytest.mark.slow
@pytest.mark.parametrize("tolerate_damage", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, "faststart"])
def test_damage_is_one_line_or_the_length_that_can_be_decoded(
    tmp_path: Path, whole: dict[str, bytes], kind: str, tolerate_damage: bool
) -> None:
    options = SeparateFileOptions(deliver=("stems",), tolerate_damage=tolerate_damage)
    rows = batch(harmed(tmp_path, whole, kind), tmp_path / "out", options)
    assert len(rows) == len(HARMS)
    for number, row in enumerate(rows):
        check(row, tmp_path / "out" / str(number), tolerate_damage)
    assert {"done", "error"} == {row.status for row in rows}


@pytest.mark.parametrize("kind", ["mkv", "faststart"])
@pytest.mark.parametrize("sixteenths", range(1, 16))
def test_a_clip_that_is_cut_off_is_refused(tmp_path: Path, whole: dict[str, bytes], kind: str, sixteenths: int) -> None:
    clip = tmp_path / f"a.{'mkv' if kind == 'mkv' else 'mp4'}"
    clip.write_bytes(cut(sixteenths)(whole[kind]))
    with pytest.raises(DamagedMediaError):
        separate_file(clip, tmp_path / "out", quarter())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["mkv", "avi", "ts", "faststart"])
def test_what_is_left_of_a_clip_that_is_cut_off_is_salvaged(tmp_path: Path, whole: dict[str, bytes], kind: str) -> None:
    clip = tmp_path / f"a.{'mp4' if kind == 'faststart' else kind}"
    clip.write_bytes(cut(12)(whole[kind]))
    (row,) = batch([clip], tmp_path / "out", TOLERANT)
    assert row.status == "done", row.message
    assert any("damaged" in warning for warning in row.warnings) == (kind != "ts")  # a transport stream may end anywhere
    check(row, tmp_path / "out" / "0", tolerate_damage=True)
    on = read(Path(row.outputs["on"]))
    assert 0.5 * RATE_HZ < on.shape[1] < RATE_HZ
    assert read(Path(row.outputs["video"]), tolerate_damage=True).shape[1] == pytest.approx(on.shape[1], abs=2400)


def test_holes_in_the_sound_are_silence_on_the_clock_and_the_rest_is_kept(tmp_path: Path, whole: dict[str, bytes]) -> None:
    (tmp_path / "whole.mkv").write_bytes(whole["mkv"])
    (tmp_path / "a.mkv").write_bytes(wipe(1)(whole["mkv"]))
    with pytest.raises(DamagedMediaError):
        separate_file(tmp_path / "a.mkv", tmp_path / "out", quarter())
    result = separate_file(tmp_path / "a.mkv", tmp_path / "out", quarter(), TOLERANT)
    sound, got = read(tmp_path / "whole.mkv"), read(result.outputs["on"]) + read(result.outputs["off"])
    assert got.shape == sound.shape
    lost = got[0] != sound[0]
    assert 0 < lost.sum() < RATE_HZ // 4
    assert not got[0][lost].any()
    assert result.warnings[0].startswith("The clip is damaged: a packet of the sound is lost")
    assert "filled with silence" in result.warnings[1]


def test_an_hour_of_silence_in_a_hole_is_no_hour_of_work(tmp_path: Path) -> None:
    """A byte of a fragmented MP4 is enough: here the time of a fragment's sound jumps by 2^23 samples, nine minutes."""
    content = bytearray(
        write_clip(tmp_path / "a.mp4", "mp4", pictures=50, samples=2 * RATE_HZ, movflags="frag_keyframe+empty_moov").read_bytes()
    )
    times = [place for place in range(len(content)) if content.startswith(b"tfdt", place)]
    track = content.index(b"tfhd", times[-2])  # the last fragment's sound follows its picture
    content[content.index(b"tfdt", track) + 13] ^= 0x80
    (tmp_path / "a.mp4").write_bytes(content)
    model = quarter()
    masks, asked = model.masks, []
    model.masks = lambda frames, audio: (asked.append(audio.abs().max() > 0), masks(frames, audio))[1]
    result = separate_file(tmp_path / "a.mp4", tmp_path / "out", model, SeparateFileOptions(deliver=("stems",), tolerate_damage=True))
    assert read(result.outputs["on"]).shape[1] > 8 * 2**20
    window_seconds = 12 / 25
    assert len(asked) <= 2 / window_seconds + 4
    assert all(asked)


def test_a_picture_that_is_lost_costs_no_sound(tmp_path: Path, whole: dict[str, bytes]) -> None:
    (tmp_path / "whole.mov").write_bytes(whole["mov"])
    (tmp_path / "a.mov").write_bytes(wipe(0)(whole["mov"]))
    result = separate_file(tmp_path / "a.mov", tmp_path / "out", quarter(), TOLERANT)
    assert np.array_equal(read(result.outputs["on"]) + read(result.outputs["off"]), read(tmp_path / "whole.mov"))
    assert ["The clip is damaged: a packet of the picture is lost" in warning for warning in result.warnings] == [True]


@pytest.mark.parametrize("kind", KINDS)
def test_tolerance_changes_nothing_of_a_clip_that_is_in_order(tmp_path: Path, whole: dict[str, bytes], kind: str) -> None:
    clip = tmp_path / f"a.{kind}"
    clip.write_bytes(whole[kind])
    made = [
        separate_file(clip, tmp_path / str(number), quarter(), options) for number, options in enumerate((SeparateFileOptions(), TOLERANT))
    ]
    assert made[0].warnings == made[1].warnings == []
    contents = [{what: path.read_bytes() for what, path in one.outputs.items()} for one in made]
    assert contents[0] == contents[1]


def test_a_header_that_is_no_more_cannot_be_salvaged(tmp_path: Path, whole: dict[str, bytes]) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(cut(8)(whole["mp4"]))
    with pytest.raises(DamagedMediaError, match="cannot read its header"):
        separate_file(clip, tmp_path / "out", quarter(), TOLERANT)


def zero_rate(content: bytes) -> bytes:
    """An AVI that claims to show its pictures at 0 per second, in its header and in that of the stream."""
    rate = content.index(b"vids") + 24
    return content[:32] + bytes(4) + content[36:rate] + bytes(4) + content[rate + 4 :]


ODD: dict[str, Callable[[Path], Path]] = {
    "one picture": lambda folder: write_clip(folder / "a.mp4", "mp4", pictures=1),
    "picture shorter": lambda folder: write_clip(folder / "a.mkv", "mkv", pictures=5),
    "picture longer": lambda folder: write_clip(folder / "a.mov", "mov", samples=RATE_HZ // 2),
    "picture ends before the sound": lambda folder: write_clip(folder / "a.mkv", "mkv", pictures=10, first_sample=RATE_HZ),
    "times before 0": lambda folder: write_clip(folder / "a.mov", "mov", first_picture=-10, first_sample=-RATE_HZ // 2),
    "stream times before 0": lambda folder: write_clip(
        folder / "a.ts", "ts", first_picture=-10, first_sample=-RATE_HZ // 2, avoid_negative_ts="disabled"
    ),
    "matroska called mp4": lambda folder: write_clip(folder / "a.mp4", "mkv"),
    "transport stream called mov": lambda folder: write_clip(folder / "a.mov", "ts"),
    "bytes that are no text": lambda folder: write_clip(folder / os.fsdecode(b"caf\xe9.mkv"), "mkv"),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_clips_are_separated_whole(tmp_path: Path, odd: str) -> None:
    try:
        clip = ODD[odd](tmp_path)
    except OSError as exc:  # a file system may take UTF-8 only
        pytest.skip(str(exc))
    (row,) = batch([clip], tmp_path / "out")
    assert (row.status, row.message) == ("done", "")
    check(row, tmp_path / "out" / "0")


def test_no_pictures_per_second(tmp_path: Path, whole: dict[str, bytes]) -> None:
    clip = tmp_path / "a.avi"
    clip.write_bytes(zero_rate(whole["avi"]))
    (row,) = batch([clip], tmp_path / "out")
    check(row, tmp_path / "out" / "0")


def test_sound_without_a_packet_is_one_line(tmp_path: Path) -> None:
    (row,) = batch([write_clip(tmp_path / "a.ts", "ts", samples=0)], tmp_path / "out", TOLERANT)
    assert row.status == "error"
    check(row, tmp_path / "out" / "0")


def test_sound_that_changes_its_rate_and_changes_it_back(tmp_path: Path) -> None:
    """A broadcast, put together from pieces of two rates; every piece is resampled to the first one's."""
    pieces = [write_sound(tmp_path / f"{number}.ts", rate) for number, rate in enumerate((48000, 32000, 48000, 44100))]
    clip = tmp_path / "a.ts"
    clip.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    with AudioReader(clip) as reader:
        assert reader.sample_rate_hz == 48000
        assert reader.read(10**7).shape[1] == pytest.approx(4 * 48000 / 2, rel=0.06)


def write_sound(path: Path, rate: int) -> Path:
    """Half a second, which begins at the time that its number names."""
    import av

    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mp2", rate=rate, layout="mono")
        first = int(path.stem) * rate // 2
        frame = av.AudioFrame.from_ndarray(np.full((1, rate // 2), 1000, np.int16), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    (tmp_path / "b.mp4").symlink_to(tmp_path / "gone.mp4")
    (tmp_path / "c.mp4").symlink_to(tmp_path / "c.mp4")
    rows = batch([tmp_path / f"{name}.mp4" for name in "abc"], tmp_path / "out")
    for number, row in enumerate(rows):
        assert row.status == "error"
        check(row, tmp_path / "out" / str(number))


def test_a_folder_of_them_is_walked(tmp_path: Path, whole: dict[str, bytes]) -> None:
    footage = tmp_path / "in"
    (footage / "a.mp4").mkdir(parents=True)
    (footage / "a.mp4" / "inside.mov").write_bytes(whole["mov"])
    (footage / "b.mp4").symlink_to(footage / "gone.mp4")
    (footage / "c.mkv").write_bytes(cut(7)(whole["mkv"]))
    (footage / "d.mkv").write_bytes(whole["mkv"])
    found = find([footage], tmp_path / "out")
    rows = {Path(row.input).name: row.status for row in run(found, Quartering(), Orders())}
    assert {rows["inside.mov"], rows["d.mkv"], rows["c.mkv"]} == {"done", "error"}
    assert rows.get("b.mp4") in (None, "error")


AS_ANOTHER = """
import json, os, sys
from pathlib import Path
import test_damage
from avsep_plugin.discover import find
if os.geteuid() == 0:  # root may read everything: become nobody, now that all is imported
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
top = Path(sys.argv[1])
found = [problem.message for problem in find([top / "closed"], top / "out").problems]
rows = test_damage.batch([top / "a.mkv"], top / "out") + test_damage.batch([top / "b.mkv"], top / "closed" / "out")
print(json.dumps([found, [[row.status, row.message] for row in rows], os.path.exists(top / "out" / "0")]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="users and modes of POSIX")
def test_what_another_user_may_not_read_or_write_is_one_line(whole: dict[str, bytes]) -> None:
    """A clip without read permission, a folder that may not be listed, and an output folder that may not be written."""
    with tempfile.TemporaryDirectory() as name:  # not tmp_path, into which only its owner may look
        top = Path(name)
        for clip in ("a.mkv", "b.mkv"):
            (top / clip).write_bytes(whole["mkv"])
        for folder in ("closed", "out"):
            (top / folder).mkdir()
        for path, mode in ((top, 0o755), (top / "a.mkv", 0), (top / "b.mkv", 0o644), (top / "out", 0o777), (top / "closed", 0)):
            path.chmod(mode)
        line = [sys.executable, "-c", AS_ANOTHER, name]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        (top / "closed").chmod(0o700)
        assert done.returncode == 0, done.stderr
        found, ((status, unread), (other, unwritten)), is_there = json.loads(done.stdout)
    assert (status, other, is_there) == ("error", "error", False)
    assert unread == f"{top / 'a.mkv'} cannot be read: Permission denied."
    assert (str(top / "closed") in unwritten, "unexpected" in unwritten, len(unwritten.splitlines())) == (True, False, 1)
    assert ["closed" in message and "cannot be read" in message for message in found] == [True]


class Full:
    """A disk on which there is room for so many bytes of what FFmpeg writes into sound files."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, _: StemWriter, mixture: Float32, __: Float32) -> None:
        self.room -= mixture.nbytes
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("room", [0, 20_000, 60_000])
def test_a_full_disk_while_stems_are_written(tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    clip = tmp_path / "a.mkv"
    clip.write_bytes(whole["mkv"])
    full = Full(room)
    monkeypatch.setattr(StemWriter, "write", lambda *sounds: full.write(*sounds))
    (row,) = batch([clip], tmp_path / "out")
    assert (row.status, os.strerror(errno.ENOSPC) in row.message, len(row.message.splitlines())) == ("error", True, 1)
    assert not (tmp_path / "out").exists()


_LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_damage
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
(row,) = test_damage.batch([Path(sys.argv[2])], Path(sys.argv[3]), test_damage.SeparateFileOptions())
test_damage.check(row, Path(sys.argv[3]) / "0")
print(row.status, row.message)
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 20_000, 45_000, 60_000])
def test_a_real_limit_on_the_size_of_files(tmp_path: Path, whole: dict[str, bytes], limit: int) -> None:
    """FFmpeg's own writing fails: at once, in the stems (32 kB), in the replaced sound (48 kB), or in the video (more)."""
    clip = tmp_path / "a.mov"
    clip.write_bytes(whole["mov"])
    command = [sys.executable, "-c", _LIMITED, str(Path(__file__).parent), str(clip), str(tmp_path / "out"), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("error")
    assert not (tmp_path / "out").exists()
