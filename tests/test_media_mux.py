"""The remuxed video: the same picture packets, the new sound at the right time, everything else kept or said."""

import hashlib
import struct
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.errors import NoAudioError, NoVideoError, OutputError
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.mux import NewSound, remux
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader, PictureReader
from avsep_plugin.media.write import StemWriter

RATE_HZ = 48000


def chirp(samples: int) -> np.ndarray:
    """[1, n] rising tone with a click: its correlation with itself has one sharp peak."""
    values = 0.4 * np.sin(np.arange(samples) ** 2 * 2e-6)
    values[samples // 3] += 0.5
    return values.astype(np.float32)[None]


def make_clip(
    path: Path, *, sound_start: float = 0, picture_start: float = 0, rotation: int = 0, rate_hz: int = RATE_HZ, codec: str | None = None,
    layout: str = "mono",
) -> Path:  # fmt: skip
    """A second and a bit of picture and sound, each starting at its own time."""
    kind = path.suffix
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Élan: 100%"
        video = container.add_stream({".webm": "libvpx", ".avi": "mpeg4", ".mpg": "mpeg2video"}.get(kind, "libx264"), rate=25)
        codec = codec or {".webm": "libopus", ".avi": "pcm_s16le", ".mov": "pcm_s16le", ".mkv": "flac", ".mpg": "mp2"}.get(kind, "aac")
        sound = container.add_stream(codec, rate=rate_hz, layout=layout)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        if rotation:
            video.set_display_rotation(-rotation)
        for index in range(30):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * index, np.uint8), "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = index + round(picture_start * 25), Fraction(1, 25)
            container.mux(video.encode(frame))
        values = av.AudioFrame.from_ndarray(chirp(rate_hz), "fltp", "mono")
        values.sample_rate, values.pts, values.time_base = rate_hz, round(sound_start * rate_hz), Fraction(1, rate_hz)
        container.mux(sound.encode(values))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def make_stem(source: Path, path: Path) -> np.ndarray:
    """Write the source's sound, turned round and quieter, as its stem; returns it."""
    with AudioReader(source) as reader:
        mixture = reader.read(10**7)
        with StemWriter(path, path.with_name("off.wav"), reader.sample_rate_hz, reader.channels) as writer:
            writer.write(mixture, mixture * np.float32(-0.5))
    return mixture * np.float32(-0.5)


def replace_sound(source: Path, stem: Path, output: Path, track: int = 0) -> list[str]:
    """`remux` with one new sound that starts when the old one did."""
    with AudioReader(source, track) as reader:
        start_seconds = reader.start_seconds
    return remux(source, output, [NewSound(stem, track, start_seconds)], bits=probe(source).audio[track].bits_per_sample or 16)


def packets(path: Path, kind: str = "video") -> list[str]:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [hashlib.sha256(bytes(packet)).hexdigest() for packet in container.demux(stream) if packet.size]


def lag(got: np.ndarray, expected: np.ndarray) -> int:
    """Where the correlation of two [1, n] signals peaks, in samples; positive: `got` is late."""
    length = 1 << 18
    product = np.fft.irfft(np.fft.rfft(got[0], length) * np.fft.rfft(expected[0], length).conj())
    return (int(np.argmax(product)) + length // 2) % length - length // 2


KINDS = [
    (".mp4", "aac"), (".m4v", "aac"), (".mov", "pcm_s24le"), (".mkv", "flac"), (".webm", "opus"), (".avi", "pcm_s16le"),
]  # fmt: skip


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_picture_is_copied_and_sound_is_the_stem(tmp_path: Path, suffix: str, codec: str) -> None:
    source = make_clip(tmp_path / f"a{suffix}")
    before = source.read_bytes()
    expected = make_stem(source, tmp_path / "on.wav")
    assert replace_sound(source, tmp_path / "on.wav", tmp_path / f"out{suffix}") == []
    assert packets(tmp_path / f"out{suffix}") == packets(source)
    with AudioReader(tmp_path / f"out{suffix}") as reader:
        got = reader.read(10**7)
    assert probe(tmp_path / f"out{suffix}").audio[0].codec == codec
    assert lag(got, expected) == 0
    assert abs(got.shape[1] - expected.shape[1]) <= (1024 if codec in ("aac", "opus") else 0)
    if codec not in ("aac", "opus"):
        assert np.abs(got - expected).max() <= 2.0**-15
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, "off.wav", "on.wav", f"out{suffix}"])


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize(("sound_start", "picture_start"), [(0.48, 0), (0.012, 0), (0, 0.48), (1.2, 0.8)])
def test_sound_starts_when_the_sources_sound_did(tmp_path: Path, suffix: str, sound_start: float, picture_start: float) -> None:
    source = make_clip(tmp_path / f"a{suffix}", sound_start=sound_start, picture_start=picture_start)
    expected = make_stem(source, tmp_path / "on.wav")
    replace_sound(source, tmp_path / "on.wav", tmp_path / f"out{suffix}")
    with AudioReader(source) as old, AudioReader(tmp_path / f"out{suffix}") as new:
        got = new.read(10**7)
        assert abs(new.start_seconds - old.start_seconds) <= Fraction(1, 1000)  # Matroska counts milliseconds
    assert lag(got, expected) == 0
    assert abs(got.shape[1] - expected.shape[1]) <= 1024
    with PictureReader(source) as old_picture, PictureReader(tmp_path / f"out{suffix}") as new_picture:
        assert [time for time, _ in new_picture] == [time for time, _ in old_picture]


def test_transport_stream_is_in_sync_by_its_timestamps(tmp_path: Path) -> None:
    """It cannot say that an encoder's first frame is priming: the sound starts one frame earlier and is late by that frame."""
    source = make_clip(tmp_path / "a.ts")
    expected = make_stem(source, tmp_path / "on.wav")
    replace_sound(source, tmp_path / "on.wav", tmp_path / "out.ts")
    with AudioReader(source) as old, AudioReader(tmp_path / "out.ts") as new:
        late = lag(new.read(10**7), expected) + (new.start_seconds - old.start_seconds) * RATE_HZ
    assert abs(late) <= 1
    assert packets(tmp_path / "out.ts") == packets(source)


def test_aac_has_256_kbit_or_more(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", layout="stereo")
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, RATE_HZ)).astype(np.float32)
    with StemWriter(tmp_path / "on.wav", tmp_path / "off.wav", RATE_HZ, 2) as writer:
        writer.write(noise, noise)
    replace_sound(source, tmp_path / "on.wav", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert (container.streams.audio[0].bit_rate or 0) >= 256_000


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_and_metadata_are_kept(tmp_path: Path, rotation: int) -> None:
    source = make_clip(tmp_path / "a.mp4", rotation=rotation)
    make_stem(source, tmp_path / "on.wav")
    replace_sound(source, tmp_path / "on.wav", tmp_path / "out.mp4")
    info = probe(tmp_path / "out.mp4").video
    assert info is not None
    assert info.rotation_degrees == rotation
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.metadata["title"] == "Élan: 100%"


def rich_clip(folder: Path, suffix: str) -> Path:
    """Two sound tracks, subtitles, chapters and tags, put together by the ffmpeg program."""
    base = make_clip(folder / f"base{suffix}")
    (folder / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nHello\n")
    (folder / "a.txt").write_text(
        ";FFMETADATA1\ncomment=kept\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1200\ntitle=Two\n"
    )  # fmt: skip
    command = [find_ffmpeg(), "-v", "error", "-i", base, "-i", folder / "a.srt", "-f", "ffmetadata", "-i", folder / "a.txt"]
    command += ["-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "1:s", "-map_metadata", "2", "-map_chapters", "2"]
    command += ["-c", "copy", "-c:s", "mov_text" if suffix == ".mp4" else "srt", "-metadata:s:a:0", "language=fra"]
    command += ["-metadata:s:a:1", "language=deu", folder / f"a{suffix}"]
    subprocess.run(command, check=True)
    return folder / f"a{suffix}"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_other_streams_chapters_and_tags_are_kept(tmp_path: Path, suffix: str) -> None:
    source = rich_clip(tmp_path, suffix)
    make_stem(source, tmp_path / "on.wav")
    assert replace_sound(source, tmp_path / "on.wav", tmp_path / f"out{suffix}") == []
    with av.open(str(source)) as old, av.open(str(tmp_path / f"out{suffix}")) as new:
        assert [stream.type for stream in new.streams][:4] == ["video", "audio", "audio", "subtitle"]
        assert [stream.language for stream in new.streams.audio] == ["fra", "deu"]
        assert [chapter["metadata"]["title"] for chapter in new.chapters()] == ["One", "Two"]
        assert {key.lower(): value for key, value in new.metadata.items()}["comment"] == "kept"
        kept, copied = list(old.demux(old.streams.audio[1])), list(new.demux(new.streams.audio[1]))
        assert [bytes(packet) for packet in copied if packet.size] == [bytes(packet) for packet in kept if packet.size]
    assert packets(tmp_path / f"out{suffix}", "subtitle") == packets(source, "subtitle")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_another_track_is_replaced_where_it_stands(tmp_path: Path, suffix: str) -> None:
    source = rich_clip(tmp_path, suffix)
    stem = make_stem(source, tmp_path / "on.wav")
    assert replace_sound(source, tmp_path / "on.wav", tmp_path / f"out{suffix}", 1) == []
    assert packets(tmp_path / f"out{suffix}", "audio") == packets(source, "audio")  # the first track
    with AudioReader(tmp_path / f"out{suffix}", 1) as reader:
        assert abs(reader.read(10**7)[:, : stem.shape[1]] - stem).max() < 0.1
    assert probe(tmp_path / f"out{suffix}").audio[1].codec == ("aac" if suffix == ".mp4" else "flac")


@pytest.mark.parametrize("name", ["-y.mp4", "a:b.mp4", "50%d.mp4", "été 音'\"$(x).mp4"])
def test_odd_names_are_only_names(tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path / "plain.mp4").rename(tmp_path / name)
    make_stem(source, tmp_path / f"{name}.wav")
    (tmp_path / "out").mkdir()
    replace_sound(source, tmp_path / f"{name}.wav", tmp_path / "out" / name)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_rate_that_aac_does_not_take_is_said(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", rate_hz=192000, codec="alac")
    make_stem(source, tmp_path / "on.wav")
    (warning,) = replace_sound(source, tmp_path / "on.wav", tmp_path / "out.mp4")
    assert "96000 Hz" in warning
    assert probe(tmp_path / "out.mp4").audio[0].sample_rate_hz == 96000


def test_tags_go_to_their_streams_where_the_sound_comes_first(tmp_path: Path) -> None:
    base = make_clip(tmp_path / "base.mkv")
    command = [find_ffmpeg(), "-v", "error", "-i", base, "-map", "0:a", "-map", "0:v", "-c", "copy", "-metadata:s:a:0", "language=fra"]
    subprocess.run([*command, "-metadata:s:v:0", "title=Picture", tmp_path / "a.mkv"], check=True)
    make_stem(tmp_path / "a.mkv", tmp_path / "on.wav")
    assert replace_sound(tmp_path / "a.mkv", tmp_path / "on.wav", tmp_path / "out.mkv") == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [stream.type for stream in container.streams] == ["audio", "video"]
        assert container.streams.audio[0].language == "fra"
        assert container.streams.video[0].metadata["title"] == "Picture"


def test_source_without_a_picture(tmp_path: Path) -> None:
    with StemWriter(tmp_path / "on.wav", tmp_path / "off.wav", RATE_HZ, 1) as writer:
        writer.write(chirp(RATE_HZ), chirp(RATE_HZ))
    with pytest.raises(NoVideoError, match=r"off\.wav has no picture"):
        replace_sound(tmp_path / "off.wav", tmp_path / "on.wav", tmp_path / "out.wav")


def test_track_that_is_not_there(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4")
    make_stem(source, tmp_path / "on.wav")
    with pytest.raises(NoAudioError, match=r"a\.mp4 has no sound track 3"):
        remux(source, tmp_path / "out.mp4", [NewSound(tmp_path / "on.wav", 3)])


def test_failure_is_ffmpegs_complaint_and_leaves_nothing(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4")
    (tmp_path / "on.wav").write_bytes(b"no sound at all")
    with pytest.raises(OutputError, match=r"out\.mp4 cannot be written: .*Invalid data") as caught:
        replace_sound(source, tmp_path / "on.wav", tmp_path / "out.mp4")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "on.wav"]


def test_late_sound_gets_an_edit_list_that_cuts_the_priming(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", sound_start=0.5)
    make_stem(source, tmp_path / "on.wav")
    replace_sound(source, tmp_path / "on.wav", tmp_path / "out.mp4")
    content = (tmp_path / "out.mp4").read_bytes()
    place = content.rfind(b"elst")
    count, _, first_media, _, _, second_media, _ = struct.unpack(">IQqIQqI", content[place + 8 : place + 52])
    assert (count, first_media, second_media) == (2, -1, 1024)
