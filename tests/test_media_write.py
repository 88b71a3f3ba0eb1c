"""Stems: exact sums, true depth, exact counts; overlays: the pictures' own times and the source's sound."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.errors import ConfigError, OutputError
from avsep_plugin.media.planes import hd_tags
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader, PictureReader
from avsep_plugin.media.write import OverlaySound, OverlayWriter, StemWriter, quantize_pair


def noise(channels: int, samples: int, level: float = 0.5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-level, level, (channels, samples)).astype(np.float32)


def write_stems(
    folder: Path, mixture: np.ndarray, on: np.ndarray, depth: str, kind: str, rate_hz: int = 48000, block: int = 1000
) -> tuple[Path, Path]:
    paths = folder / f"on.{kind}", folder / f"off.{kind}"
    with StemWriter(*paths, rate_hz, mixture.shape[0], depth, kind) as writer:  # type: ignore[arg-type]
        for start in range(0, mixture.shape[1], block):
            writer.write(mixture[:, start : start + block], on[:, start : start + block])
    return paths


def read_all(path: Path) -> np.ndarray:
    with AudioReader(path) as reader:
        return reader.read(10**9)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("level", [1e-5, 0.7, 3.0])
def test_integers_add_up_to_the_rounded_mixture_and_stay_in_range(bits: int, level: float) -> None:
    mixture, stray = noise(2, 9999, level), noise(2, 9999, 4.0, seed=1)
    on, off = quantize_pair(mixture, stray, bits)
    full = 2 ** (bits - 1)
    assert np.array_equal(on + off, np.clip(np.rint(mixture.astype(np.float64) * full), -full, full - 1))
    assert min(on.min(), off.min()) >= -full
    assert max(on.max(), off.max()) <= full - 1


@pytest.mark.parametrize("bits", [16, 24])
def test_on_is_rounded_where_nothing_clips(bits: int) -> None:
    mixture, on = noise(1, 999), noise(1, 999, 0.3, seed=1)
    assert np.array_equal(quantize_pair(mixture, on, bits)[0], np.rint(on.astype(np.float64) * 2 ** (bits - 1)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("depth", ["16", "24", "32f"])
def test_values_that_are_no_numbers_raise_and_leave_nothing(tmp_path: Path, depth: str, value: float) -> None:
    mixture, on = noise(1, 100), noise(1, 100)
    on[0, 50] = value
    with pytest.raises(OutputError, match="not numbers"):
        write_stems(tmp_path, mixture, on, depth, "wav")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("depth", "kind"), [("16", "wav"), ("24", "wav"), ("16", "flac"), ("24", "flac")])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_files_add_up_to_the_rounded_source_exactly(tmp_path: Path, depth: str, kind: str, channels: int) -> None:
    mixture, on = noise(channels, 12_345, 0.9), noise(channels, 12_345, 1.2, seed=1)
    first, second = (read_all(path).astype(np.float64) for path in write_stems(tmp_path, mixture, on, depth, kind))
    full = 2 ** (int(depth) - 1)
    assert np.array_equal((first + second) * full, np.clip(np.rint(mixture.astype(np.float64) * full), -full, full - 1))


def test_float_files_add_up_to_a_millionth(tmp_path: Path) -> None:
    mixture, on = noise(2, 12_345, 0.9), noise(2, 12_345, 1.2, seed=1)
    first, second = (read_all(path) for path in write_stems(tmp_path, mixture, on, "32f", "wav"))
    assert np.array_equal(first, on)
    assert np.abs(first.astype(np.float64) + second - mixture).max() < 1e-6


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_24_bit_file_uses_its_lowest_bits(tmp_path: Path, kind: str) -> None:
    path, _ = write_stems(tmp_path, noise(1, 5000), noise(1, 5000, 0.3, seed=1), "24", kind)
    values = np.rint(read_all(path).astype(np.float64) * 2**23).astype(np.int64)
    assert set(np.unique(values & 255)) == set(range(256))
    assert probe(path).audio[0].bits_per_sample == 24


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_rate_and_count_are_exact(tmp_path: Path, rate_hz: int, kind: str) -> None:
    for path in write_stems(tmp_path, noise(2, 10_007), noise(2, 10_007), "24", kind, rate_hz):
        with AudioReader(path) as reader:
            assert (reader.sample_rate_hz, reader.read(10**6).shape) == (rate_hz, (2, 10_007))


@pytest.mark.parametrize("samples", [0, 1, 2])
def test_hardly_any_samples(tmp_path: Path, samples: int) -> None:
    path, _ = write_stems(tmp_path, noise(2, samples), noise(2, samples), "16", "wav")
    with wave.open(str(path)) as file:
        assert (file.getnframes(), file.getnchannels(), file.getsampwidth()) == (samples, 2, 2)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with StemWriter(tmp_path / "on.wav", tmp_path / "off.wav", 48000, 2) as writer:
            writer.write(noise(2, 100), noise(2, 100))
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"on\.wav cannot be written: No such file"):
        write_stems(tmp_path / "gone", noise(1, 10), noise(1, 10), "16", "wav")


@pytest.mark.parametrize(("depth", "channels"), [("32f", 2), ("24", 9)])
def test_what_flac_cannot_hold(tmp_path: Path, depth: str, channels: int) -> None:
    with pytest.raises(ConfigError, match="choose WAV"):
        write_stems(tmp_path, noise(channels, 10), noise(channels, 10), depth, "flac")


def yuv(picture: np.ndarray) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    return hd_tags(frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"))


def write_overlay(path: Path, times: list[Fraction], size: tuple[int, int] = (48, 64), source: Path | None = None) -> OverlayWriter:
    with OverlayWriter(path, size[1], size[0], OverlaySound(source) if source else None, Fraction(25)) as writer:
        for index, time in enumerate(times):
            writer.write(time, yuv(np.full((*size, 3), 40 + 20 * (index % 10), np.uint8)))
    return writer


def source_clip(path: Path, codec: str, sound_start: float = 0, rate_hz: int = 48000) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono")
        values = np.sin(np.arange(rate_hz) ** 2 * 1e-6).astype(np.float32)[None] * 0.5
        frame = av.AudioFrame.from_ndarray(values, "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, round(sound_start * rate_hz), Fraction(1, rate_hz)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_overlay_keeps_the_pictures_times(tmp_path: Path) -> None:
    times = [Fraction(0), Fraction(1, 25), Fraction(1, 9), Fraction(1, 2)]
    write_overlay(tmp_path / "a.mp4", times)
    with PictureReader(tmp_path / "a.mp4") as reader:
        shown = list(reader)
    assert [time for time, _ in shown] == times
    assert [abs(float(picture.mean()) - 40 - 20 * index) < 4 for index, (_, picture) in enumerate(shown)] == [True] * 4


def test_overlay_keeps_colours(tmp_path: Path) -> None:
    colours = [(220, 30, 40), (30, 200, 60), (40, 60, 210), (230, 200, 20)]
    with OverlayWriter(tmp_path / "a.mp4", 64, 48) as writer:
        for index, colour in enumerate(colours):
            writer.write(Fraction(index, 25), yuv(np.broadcast_to(np.array(colour, np.uint8), (48, 64, 3))))
    with PictureReader(tmp_path / "a.mp4") as reader:
        shown = [picture.mean(axis=(0, 1)) for _, picture in reader]
    assert np.abs(np.array(shown) - colours).max() < 5


def test_overlay_is_h264_that_every_player_takes(tmp_path: Path) -> None:
    write_overlay(tmp_path / "a.mp4", [Fraction(0)])
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, stream.width, stream.height) == ("h264", "yuv420p", 64, 48)


@pytest.mark.parametrize(("suffix", "codec", "copied"), [(".mp4", "aac", True), (".mkv", "flac", False), (".mkv", "pcm_s16le", False)])
@pytest.mark.parametrize("sound_start", [0, 0.5])
def test_overlay_carries_the_sources_sound_in_sync(tmp_path: Path, suffix: str, codec: str, copied: bool, sound_start: float) -> None:
    source = source_clip(tmp_path / f"a{suffix}", codec, sound_start)
    times = [Fraction(index, 25) for index in range(30)]
    assert write_overlay(tmp_path / "b.mp4", times, source=source).warnings == []
    with AudioReader(source) as old, AudioReader(tmp_path / "b.mp4") as new:
        expected, got = old.read(10**6)[0], new.read(10**6)[0]
        late = round((new.start_seconds - old.start_seconds) * 48000)
    length = 1 << 17
    peak = int(np.argmax(np.fft.irfft(np.fft.rfft(got, length) * np.fft.rfft(expected, length).conj())))
    assert ((peak + late) + length // 2) % length - length // 2 == 0
    assert probe(tmp_path / "b.mp4").audio[0].codec == "aac"
    assert (abs(len(got) - len(expected)) == 0) if copied else (abs(len(got) - len(expected)) <= 1024)
    with PictureReader(tmp_path / "b.mp4") as reader:
        assert [time for time, _ in reader] == times
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, "b.mp4"])


def test_failed_overlay_leaves_nothing(tmp_path: Path) -> None:
    source = source_clip(tmp_path / "a.mp4", "aac")

    def fail() -> None:
        with OverlayWriter(tmp_path / "b.mp4", 64, 48, OverlaySound(source)) as writer:
            writer.write(Fraction(0), yuv(np.zeros((48, 64, 3), np.uint8)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_overlay_without_a_picture_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"b\.mp4 cannot be written: there is no picture"), OverlayWriter(tmp_path / "b.mp4", 64, 48):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("late", "seconds"), [(Fraction(1, 4), None), (Fraction(0), Fraction(1, 2))])
def test_another_files_sound_is_moved_and_cut(tmp_path: Path, late: Fraction, seconds: Fraction | None) -> None:
    source = source_clip(tmp_path / "a.mp4", "aac")
    with OverlayWriter(tmp_path / "b.mp4", 64, 48, OverlaySound(source, 0, late, seconds), Fraction(25)) as writer:
        for index in range(30):
            writer.write(Fraction(index, 25), yuv(np.zeros((48, 64, 3), np.uint8)))
    with AudioReader(source) as old, AudioReader(tmp_path / "b.mp4") as new:
        assert new.start_seconds - old.start_seconds == late
        assert new.read(10**6).shape[1] == pytest.approx(48000 * (seconds or 1), abs=1024)
