"""What is in a file, and the one clear error for each thing that is no footage."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.errors import DamagedMediaError, MediaError, MediaNotFoundError, NotMediaError
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader, PictureReader


def clip(path: Path, *, codec: str = "aac", kind: str = "fltp", options: dict[str, str] | None = None) -> Path:
    """Two seconds of noise and pictures of noise: every byte of them matters."""
    random = np.random.default_rng(0)
    types = {"fltp": np.float32, "s32": np.int32, "s16": np.int16, "flt": np.float32}
    with av.open(str(path), "w", options=options or {}) as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        audio = container.add_stream(codec, rate=48000, layout="stereo")
        audio.codec_context.format = kind
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(random.integers(0, 255, (48, 64, 3), np.uint8), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
            scale = 1 if "flt" in kind else np.iinfo(types[kind]).max
            shape = (2, 1920) if kind.endswith("p") else (1, 3840)
            sound = av.AudioFrame.from_ndarray((random.uniform(-0.5, 0.5, shape) * scale).astype(types[kind]), kind, "stereo")
            sound.sample_rate, sound.pts, sound.time_base = 48000, index * 1920, Fraction(1, 48000)
            container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def read_whole(path: Path) -> None:
    """Decode everything in the file."""
    info = probe(path)
    if info.audio:
        with AudioReader(path) as sound:
            while sound.read(4096).shape[1]:
                pass
    if info.video:
        with PictureReader(path) as pictures:
            for _ in pictures:
                pass


def test_streams_of_a_clip(tmp_path: Path) -> None:
    info = probe(clip(tmp_path / "a.mp4"))
    assert info.video is not None
    assert (info.video.codec, info.video.width, info.video.height, info.video.average_rate) == ("h264", 64, 48, Fraction(25))
    (sound,) = info.audio
    assert (sound.codec, sound.sample_rate_hz, sound.channels, sound.layout, sound.is_lossy) == ("aac", 48000, 2, "stereo", True)
    assert sound.bits_per_sample is None
    assert info.duration_seconds is not None
    assert abs(info.duration_seconds - 2) < Fraction(1, 20)


@pytest.mark.parametrize(
    ("suffix", "codec", "kind", "bits", "is_float"),
    [
        (".mkv", "flac", "s32", 24, False), (".mkv", "flac", "s16", 16, False), (".mov", "pcm_s24le", "s32", 24, False),
        (".mov", "pcm_s16le", "s16", 16, False), (".mov", "pcm_f32le", "flt", 32, True), (".mkv", "pcm_s32le", "s32", 32, False),
    ],
)  # fmt: skip
def test_true_depth_of_lossless_sound(tmp_path: Path, suffix: str, codec: str, kind: str, bits: int, is_float: bool) -> None:
    (sound,) = probe(clip(tmp_path / f"a{suffix}", codec=codec, kind=kind)).audio
    assert (sound.bits_per_sample, sound.is_float, sound.is_lossy) == (bits, is_float, False)


@pytest.mark.parametrize("name", ["-i.mp4", "a:b.mp4", "100%d.mp4", "été 音.mp4", "http:x.mp4", "a|b?c#d.mp4"])
def test_odd_names_are_only_names(tmp_path: Path, name: str) -> None:
    read_whole(clip(tmp_path / "plain.mp4").rename(tmp_path / name))


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(MediaNotFoundError, match=r"a\.mp4: no such file"):
        probe(tmp_path / "a.mp4")


def test_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to(tmp_path / "gone.mp4")
    with pytest.raises(MediaNotFoundError):
        probe(tmp_path / "a.mp4")


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(NotMediaError, match=r"a\.mp4 is a folder"):
        probe(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"), (b"hello, world\n" * 99, r"text file|not a media file"), (bytes(range(256)) * 99, "not a media file"),
        (b"\0" * 9999, "not a media file"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".mp4", ".wav", ".txt", ".mkv", ""])
def test_what_is_no_media(tmp_path: Path, content: bytes, message: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(NotMediaError, match=message) as caught:
        probe(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def cut(eighths: int) -> Callable[[bytes], bytes]:
    return lambda content: content[: len(content) * eighths // 8]


def flip(seed: int) -> Callable[[bytes], bytes]:
    """Overwrite forty bytes of the middle half."""

    def flipped(content: bytes) -> bytes:
        damaged = bytearray(content)
        for place in np.random.default_rng(seed).integers(len(content) // 4, len(content) * 3 // 4, 40):
            damaged[place] ^= 0x55
        return bytes(damaged)

    return flipped


@pytest.mark.parametrize("harm", [cut(1), cut(3), cut(5), cut(7), flip(0), flip(1), flip(2)])
@pytest.mark.parametrize("kind", ["moov last", "moov first", "mkv"])
def test_damage_is_said_in_one_line(tmp_path: Path, kind: str, harm: Callable[[bytes], bytes]) -> None:
    options = {"movflags": "faststart"} if kind == "moov first" else {}
    path = clip(tmp_path / ("a.mkv" if kind == "mkv" else "a.mp4"), options=options)
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(DamagedMediaError) as caught:
        read_whole(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("codec", ["flac", "libopus"])
def test_damaged_sound_file(tmp_path: Path, codec: str) -> None:
    path = tmp_path / ("a.flac" if codec == "flac" else "a.ogg")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.random.default_rng(0).integers(-9999, 9999, (1, 96000), np.int16), "s16", "mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    read_whole(path)
    path.write_bytes(flip(0)(path.read_bytes()))
    with pytest.raises(DamagedMediaError):
        read_whole(path)


def test_unreadable_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = clip(tmp_path / "a.mp4")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(MediaError, match="cannot be read: Permission denied"):
        probe(path)
