"""Previews: what every browser plays, on the same clock as what they are made of."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.errors import NoVideoError
from avsep_plugin.media.preview import SoundPreview, preview_picture
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader
from avsep_plugin.media.stills import stills

MakeClip = Callable[..., Path]


def picture(path: Path, size: tuple[int, int], rate: int = 25, count: int = 25, first: int = 0) -> Path:
    """Pictures that grow lighter by 8 grey levels from one to the next; picture n is shown at (first + n) / rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 8 * index % 256, np.uint8), "rgb24")
            frame.pts, frame.time_base = first + index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("size", "expected"), [((64, 48), (64, 48)), ((1920, 1080), (854, 480)), ((608, 1080), (270, 480)), ((33, 17), (32, 16))]
)
def test_a_preview_is_fitted_and_never_enlarged(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    source = picture(tmp_path / "source.mov", size, count=3)
    preview_picture(source, tmp_path / "preview.mp4")
    video = probe(tmp_path / "preview.mp4").video
    assert video is not None
    assert (video.codec, video.width, video.height) == ("h264", *expected)
    assert not probe(tmp_path / "preview.mp4").audio


def test_the_first_picture_of_a_preview_is_shown_at_zero(tmp_path: Path) -> None:
    source = picture(tmp_path / "late.mkv", (64, 48), first=50)
    preview_picture(source, tmp_path / "preview.mp4")
    late, early = probe(source).video, probe(tmp_path / "preview.mp4").video
    assert late is not None
    assert early is not None
    assert (late.start_seconds, early.start_seconds) == (2, 0)
    assert early.duration_seconds == 1


def test_of_fast_pictures_every_second_one_is_left_out(tmp_path: Path) -> None:
    preview_picture(picture(tmp_path / "fast.mov", (64, 48), rate=50, count=50), tmp_path / "preview.mp4")
    video = probe(tmp_path / "preview.mp4").video
    assert video is not None
    assert (video.average_rate, video.duration_seconds) == (25, 1)


def test_sound_only_has_no_preview_of_its_picture(tmp_path: Path, make_clip: MakeClip) -> None:
    with pytest.raises(NoVideoError):
        preview_picture(make_clip(tmp_path / "sound.mov", picture=False), tmp_path / "preview.mp4")
    assert not (tmp_path / "preview.mp4").exists()


@pytest.mark.parametrize(("rate", "channels", "heard"), [(48000, 2, 2), (44100, 1, 1), (16000, 6, 2), (96000, 2, 2), (11025, 12, 2)])
def test_a_preview_sounds_when_its_source_does(tmp_path: Path, rate: int, channels: int, heard: int) -> None:
    click = np.zeros((channels, rate), np.float32)
    click[:, rate // 2 : rate // 2 + rate // 100] = 0.5 * np.sin(np.arange(rate // 100) * 0.3)
    with SoundPreview(tmp_path / "sound.m4a", rate, channels) as preview:
        for start in range(0, rate, 1000):
            preview.write(click[:, start : start + 1000])
    with AudioReader(tmp_path / "sound.m4a") as reader:
        sound = reader.read(10**9)
        assert (reader.channels, float(reader.start_seconds)) == (heard, pytest.approx(0, abs=1e-4))
        energy = np.cumsum((sound**2).sum(axis=0))
        middle = int(np.searchsorted(energy, energy[-1] / 2)) / reader.sample_rate_hz
    assert middle == pytest.approx(0.505, abs=0.004)
    assert sound.shape[1] / reader.sample_rate_hz == pytest.approx(1, abs=0.03)


def test_a_preview_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with SoundPreview(tmp_path / "sound.m4a", 16000, 1) as preview:
            preview.write(np.zeros((1, 5000), np.float32))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def grey(jpeg: bytes, folder: Path) -> float:
    path = folder / "still.jpg"
    path.write_bytes(jpeg)
    with av.open(str(path)) as container:
        return float(next(container.decode(video=0)).to_ndarray(format="gray").mean())


@pytest.mark.parametrize("first", [0, 50])
def test_a_still_is_the_picture_shown_at_that_time(tmp_path: Path, first: int) -> None:
    source = picture(tmp_path / "source.mkv", (64, 48), first=first)
    times = [Fraction(1, 50), Fraction(25, 50), Fraction(47, 50), Fraction(5, 50), Fraction(9)]
    levels = [grey(jpeg, tmp_path) for jpeg in stills(source, times, 24)]
    assert levels == pytest.approx([8 * index for index in (0, 12, 23, 2, 24)], abs=3)


def test_a_still_has_the_height_that_was_asked_for(tmp_path: Path) -> None:
    (jpeg,) = stills(picture(tmp_path / "source.mov", (160, 80), count=3), [Fraction(0)], 24)
    (tmp_path / "still.jpg").write_bytes(jpeg)
    with av.open(str(tmp_path / "still.jpg")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (48, 24)
