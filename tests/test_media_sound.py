"""The sound reader: FFmpeg's samples, on the file's own clock, whatever the format and however they are read."""

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.errors import DamagedMediaError, NoAudioError
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.read import AudioReader, Gap

RATE_HZ = 16000


def noise(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    """[C, n] float32 in [-0.5, 0.5)."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, samples)).astype(np.float32)


def write_sound(path: Path, codec: str, samples: np.ndarray, rate_hz: int = RATE_HZ, layout: str = "mono", kind: str = "fltp") -> Path:
    """Encode [C, n] float32 (or integers of `kind`) in one go."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), kind, layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_pieces(path: Path, starts_seconds: Sequence[float], samples: np.ndarray) -> Path:
    """PCM in Matroska: equal pieces of [C, n] float32, each at its own time."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=RATE_HZ, layout="mono")
        for piece, start in zip(np.array_split(samples, len(starts_seconds), axis=1), starts_seconds, strict=True):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), "flt", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, round(start * RATE_HZ), Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_all(path: Path, block: int = 1 << 20) -> np.ndarray:
    with AudioReader(path) as reader:
        blocks = [reader.read(block)]
        while blocks[-1].shape[1]:
            blocks.append(reader.read(block))
    return np.concatenate(blocks, axis=1)


def decoded_by_ffmpeg(path: Path, channels: int) -> np.ndarray:
    command = [find_ffmpeg(), "-v", "error", "-i", f"file:{path}", "-map", "0:a:0", "-f", "f32le", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, "<f4").reshape(-1, channels).T


@pytest.mark.parametrize(
    ("suffix", "codec", "rate_hz", "layout"),
    [
        (".mp4", "aac", 44100, "stereo"), (".mp4", "aac", 48000, "5.1"), (".mov", "aac", 8000, "mono"),
        (".mkv", "libopus", 48000, "stereo"), (".ogg", "libopus", 48000, "mono"), (".mp3", "libmp3lame", 44100, "stereo"),
        (".flac", "flac", 192000, "stereo"),
        (".mkv", "ac3", 48000, "stereo"), (".m4a", "alac", 96000, "stereo"), (".ts", "aac", 32000, "stereo"),
    ],
)  # fmt: skip
def test_samples_are_those_of_the_ffmpeg_program(tmp_path: Path, suffix: str, codec: str, rate_hz: int, layout: str) -> None:
    channels = av.AudioLayout(layout).nb_channels
    source = noise(channels, 23_457)
    if codec == "flac":
        path = write_sound(tmp_path / f"a{suffix}", codec, (source.T * 2**31).astype(np.int32).reshape(1, -1), rate_hz, layout, "s32")
    else:
        path = write_sound(tmp_path / f"a{suffix}", codec, source, rate_hz, layout)
    expected = decoded_by_ffmpeg(path, channels)
    got = read_all(path)
    assert got.shape == expected.shape
    assert np.array_equal(got, expected)


@pytest.mark.parametrize(
    "codec", ["pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_s16le_planar"]
)
def test_every_sample_format_comes_out_at_the_same_scale(tmp_path: Path, codec: str) -> None:
    source = noise(2, 5000)
    kind = {"pcm_u8": "u8", "pcm_s24le": "s32", "pcm_s32le": "s32", "pcm_f32le": "flt", "pcm_f64le": "dbl"}.get(codec, "s16")
    scale = {"u8": 128, "s16": 2**15, "s32": 2**31}.get(kind, 1)
    types = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}
    values = np.rint(source.T.astype(np.float64) * scale) if scale > 1 else source.T.astype(np.float64)
    packed = (values + (128 if kind == "u8" else 0)).astype(types[kind]).reshape(1, -1)
    suffix = ".nut" if codec.endswith("planar") else ".mov" if codec.endswith("be") else ".mkv"
    path = write_sound(tmp_path / f"a{suffix}", codec, packed, layout="stereo", kind=kind)
    step = {"pcm_u8": 2**-8, "pcm_s24le": 2**-23}.get(codec, 2**-16 if kind == "s16" else 1e-7)
    assert np.abs(read_all(path) - source).max() <= step


@pytest.mark.parametrize("layout", ["mono", "stereo", "2.1", "quad", "5.0", "5.1", "6.1", "7.1"])
def test_channels_keep_their_order(tmp_path: Path, layout: str) -> None:
    channels = av.AudioLayout(layout).nb_channels
    source = noise(channels, 1000)
    path = write_sound(tmp_path / "a.wav", "pcm_f32le", source.T.reshape(1, -1), layout=layout, kind="flt")
    with AudioReader(path) as reader:
        assert reader.channels == channels
        assert np.array_equal(reader.read(1000), source)


@pytest.mark.parametrize("block", [1, 7, 1000, 1024, 4096, 99_999])
def test_any_split_of_reads_gives_the_same_samples(tmp_path: Path, block: int) -> None:
    path = write_sound(tmp_path / "a.mp4", "aac", noise(1, 5000))
    assert np.array_equal(read_all(path, block), read_all(path))


def test_end_is_an_empty_read(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", "pcm_s16le", noise(2, 100), layout="stereo")
    with AudioReader(path) as reader:
        assert reader.read(1000).shape == (2, 100)
        assert reader.read(1000).shape == (2, 0)


def test_gap_becomes_silence_and_is_reported(tmp_path: Path) -> None:
    source = noise(1, 8000)
    with AudioReader(write_pieces(tmp_path / "a.mkv", [0, 0.5], source)) as reader:
        got = reader.read(99_999)
        assert reader.gaps == [Gap(4000, 4000)]
        assert reader.notes == ["1 gap in the timestamps of the sound filled with silence (0.250 s in all)."]
    assert np.array_equal(got, np.concatenate([source[:, :4000], np.zeros((1, 4000)), source[:, 4000:]], axis=1))


def test_overlap_is_dropped_and_reported(tmp_path: Path) -> None:
    source = noise(1, 8000)
    with AudioReader(write_pieces(tmp_path / "a.mkv", [0, 0.2], source)) as reader:
        got = reader.read(99_999)
        assert reader.gaps == [Gap(4000, -800)]
        assert reader.notes == ["1 overlap in the timestamps of the sound dropped (0.050 s in all)."]
    assert np.array_equal(got, np.concatenate([source[:, :4000], source[:, 4800:]], axis=1))


def test_rounded_timestamps_are_no_gaps(tmp_path: Path) -> None:
    starts = [index * 0.0123 + (index % 3) * 0.0004 for index in range(20)]
    source = noise(1, round(0.0123 * RATE_HZ) * 20)
    with AudioReader(write_pieces(tmp_path / "a.mkv", starts, source)) as reader:
        assert np.array_equal(reader.read(99_999), source)
        assert reader.notes == []


def test_start_is_the_time_of_the_first_sample(tmp_path: Path) -> None:
    with AudioReader(write_pieces(tmp_path / "a.mkv", [1.25, 1.5], noise(1, 8000))) as reader:
        assert reader.start_seconds == Fraction(5, 4)
        assert reader.read(99_999).shape == (1, 8000)


def test_timestamps_that_jump_for_hours_are_damage(tmp_path: Path) -> None:
    path = write_pieces(tmp_path / "a.mkv", [0, 9000], noise(1, 8000))
    with AudioReader(path) as reader, pytest.raises(DamagedMediaError, match=r"a\.mkv is damaged: the timestamps"):
        reader.read(99_999)


def test_file_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(NoAudioError, match=r"a\.mp4 has no sound"):
        AudioReader(path)


def test_track_that_is_not_there(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", "pcm_s16le", noise(1, 100))
    with pytest.raises(NoAudioError, match="no sound track 1; it has 1"):
        AudioReader(path, track=1)
