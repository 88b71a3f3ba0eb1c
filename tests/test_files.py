"""Path to path with a fake network: stems that null, pictures in step, outputs that appear whole or not at all."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avsep_plugin.clip import Float32
from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.dsp.stft import analyse, synthesise
from avsep_plugin.errors import NoAudioError, NotMediaError, OutputError, TooShortError
from avsep_plugin.files import SeparateFileOptions, separate_arrays, separate_file, separation_outputs
from avsep_plugin.footage import Footage, SlidingPictures
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader, FrameReader
from avsep_plugin.pipeline import SeparateOptions, held

RATE = 16000
STFT = StftConfig(512, 128, 512)
CONFIG = ModelConfig(
    sample_rate_hz=8000,
    input_rms=None,
    stft=STFT,
    picture=PictureConfig(frame_rate=Fraction(25), stored_size=16, crop_size=8),
    fused=FusedConfig(video_strides=(2, 2), trunk_time_strides=(1, 1)),
    window=WindowConfig(12, 4, fixed=False),
)


class FakeSeparator(nn.Module):
    """On screen is what is louder than the average; fails in the window number `fails`."""

    def __init__(self, fails: int | None = None) -> None:
        super().__init__()
        self.config, self.calls, self.fails = CONFIG, 0, fails
        self.anchor = nn.Parameter(torch.zeros(1))
        self.brightness: list[float] = []

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        if self.calls == self.fails:
            raise KeyboardInterrupt
        self.calls += 1
        self.brightness += frames[0].float().mean(dim=(1, 2, 3)).tolist()
        magnitude = analyse(audio.mean(dim=1), STFT).abs()
        return magnitude / (magnitude + magnitude.mean() + 1e-9)

    def original(self, _: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        spectrum = analyse(audio[:, 0], STFT)
        return synthesise(spectrum, STFT), synthesise(-0.5 * spectrum, STFT)


def separator(fails: int | None = None) -> Any:
    return FakeSeparator(fails)


def write_clip(path: Path, sound: Float32 | None, pictures: int = 38, codec: str = "pcm_s16le") -> Path:
    """A clip of grey pictures, 25 a second, each brighter than the one before, with int16-valued sound [C, n]."""
    with av.open(str(path), "w") as container:
        if pictures:
            video = container.add_stream("png", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "rgb24"
        if sound is not None:
            audio = container.add_stream(codec, rate=RATE, layout="mono" if sound.shape[0] == 1 else "stereo")
        for number in range(pictures):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + 4 * number, np.uint8), "rgb24")
            container.mux(video.encode(frame))
        if sound is not None:
            whole = np.rint(sound * 32768).astype(np.int16).T.reshape(1, -1)
            chunk = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole), "s16", audio.layout.name)
            chunk.sample_rate, chunk.pts, chunk.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(audio.encode(chunk))
            container.mux(audio.encode(None))
        if pictures:
            container.mux(video.encode(None))
    return path


def noise(samples: int, channels: int = 2) -> Float32:
    values = np.random.default_rng(0).normal(scale=0.1, size=(channels, samples))
    return (np.rint(values * 32768) / 32768).astype(np.float32)


def read_all(path: Path) -> Float32:
    with AudioReader(path) as reader:
        return reader.read(10**7)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mov", noise(24001))


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def test_separation_writes_what_it_says(clip: Path, tmp_path: Path) -> None:
    result = separate_file(clip, tmp_path / "out", separator())
    assert result.outputs == separation_outputs(clip, tmp_path / "out")
    assert left_behind(tmp_path / "out") == ["clip.mov", "off-screen.wav", "on-screen.wav"]


def test_stems_of_an_integer_clip_add_up_to_it_bit_by_bit(clip: Path, tmp_path: Path) -> None:
    outputs = separate_file(clip, tmp_path, separator(), SeparateFileOptions(deliver=("stems",))).outputs
    on, off = (np.rint(read_all(outputs[kind]) * 32768).astype(int) for kind in ("on", "off"))
    assert np.array_equal(on + off, np.rint(read_all(clip) * 32768).astype(int))
    assert np.abs(on).max() > 100
    assert np.abs(off).max() > 100


@pytest.mark.parametrize(("depth", "bits", "is_float"), [("source", 16, False), ("16", 16, False), ("24", 24, False), ("32f", 32, True)])
def test_bit_depth_of_the_stems(clip: Path, tmp_path: Path, depth: Any, bits: int, is_float: bool) -> None:
    outputs = separate_file(clip, tmp_path, separator(), SeparateFileOptions(bit_depth=depth, deliver=("stems",))).outputs
    for kind in ("on", "off"):
        stem = probe(outputs[kind]).audio[0]
        assert (stem.bits_per_sample, stem.is_float, stem.sample_rate_hz, stem.channels) == (bits, is_float, RATE, 2)
        assert read_all(outputs[kind]).shape == (2, 24001)


def test_stems_of_a_lossy_clip_have_24_bits(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mov", noise(24001), codec="aac")
    outputs = separate_file(clip, tmp_path / "out", separator(), SeparateFileOptions(deliver=("stems",))).outputs
    assert probe(outputs["on"]).audio[0].bits_per_sample == 24


def test_flac_stems(clip: Path, tmp_path: Path) -> None:
    options = SeparateFileOptions(file_format="flac", deliver=("stems",))
    outputs = separate_file(clip, tmp_path, separator(), options).outputs
    assert outputs["on"].name == "on-screen.flac"
    assert read_all(outputs["on"]).shape == (2, 24001)


def test_file_and_array_give_the_same(clip: Path, tmp_path: Path) -> None:
    outputs = separate_file(clip, tmp_path, separator(), SeparateFileOptions(deliver=("stems",))).outputs
    pictures = held(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    stems = separate_arrays(separator(), read_all(clip), RATE, pictures)
    assert np.abs(stems.on - read_all(outputs["on"])).max() <= 0.5001 / 32768


def test_network_sees_the_pictures_of_its_time(clip: Path, tmp_path: Path) -> None:
    model = separator()
    separate_file(clip, tmp_path, model, SeparateFileOptions(deliver=("stems",)))
    numbers = [round((value - 40) / 4) for value in model.brightness]
    assert numbers == [*range(16), *range(8, 28), *range(20, 38), *range(32, 38), 37, 37]


def test_original_stems_are_mono_at_the_models_rate(clip: Path, tmp_path: Path) -> None:
    options = SeparateFileOptions(reconstruction="original")
    outputs = separate_file(clip, tmp_path / "out", separator(), options).outputs
    on, off = read_all(outputs["on"]), read_all(outputs["off"])
    assert on.shape == off.shape == (1, 12001)
    assert np.allclose(off, -0.5 * on, atol=1e-6)


def test_original_arrays_say_their_rate() -> None:
    pictures = held(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    stems = separate_arrays(separator(), noise(20000), RATE, pictures, SeparateOptions(reconstruction="original"))
    assert (stems.sample_rate_hz, stems.on.shape) == (8000, (1, 10000))


def test_interrupted_separation_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        separate_file(clip, tmp_path / "out", separator(fails=2))
    assert left_behind(tmp_path / "out") == []


def test_failed_separation_keeps_the_older_outputs(clip: Path, tmp_path: Path) -> None:
    before = separate_file(clip, tmp_path / "out", separator()).outputs["on"].read_bytes()
    with pytest.raises(KeyboardInterrupt):
        separate_file(clip, tmp_path / "out", separator(fails=1))
    assert left_behind(tmp_path / "out") == ["clip.mov", "off-screen.wav", "on-screen.wav"]
    assert (tmp_path / "out" / "on-screen.wav").read_bytes() == before


def test_clip_is_never_its_own_output(clip: Path) -> None:
    with pytest.raises(OutputError, match="replace the clip itself"):
        separate_file(clip, clip.parent, separator())
    assert left_behind(clip.parent) == ["clip.mov"]


def test_folder_that_cannot_be_made_is_one_clear_line(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        separate_file(clip, tmp_path / "taken" / "out", separator())


def test_clip_without_sound(tmp_path: Path) -> None:
    with pytest.raises(NoAudioError, match=r"silent\.mov has no sound"):
        separate_file(write_clip(tmp_path / "silent.mov", None), tmp_path / "out", separator())


def test_clip_with_a_few_samples(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "short.mov", noise(100), pictures=2)
    with pytest.raises(TooShortError, match=r"short\.mov.*lasts 6\.2 ms"):
        separate_file(clip, tmp_path / "out", separator())
    assert left_behind(tmp_path / "out") == []


def test_foreign_file(tmp_path: Path) -> None:
    (tmp_path / "notes.mov").write_bytes(b"not media at all, only words")
    with pytest.raises(NotMediaError):
        separate_file(tmp_path / "notes.mov", tmp_path / "out", separator())


def test_missing_sound_track(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(NoAudioError, match="no sound track 4; it has 1"):
        separate_file(clip, tmp_path / "out", separator(), SeparateFileOptions(track=3))


def test_progress_ends_at_the_clips_length(clip: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    separate_file(clip, tmp_path / "out", separator(), SeparateFileOptions(deliver=("stems",)), seen.append)
    assert seen[-1] == pytest.approx(24001 / RATE)


@pytest.fixture
def sliding(clip: Path) -> Iterator[SlidingPictures]:
    with FrameReader(clip, Fraction(25), Fraction(0), CONFIG.picture) as reader:
        yield SlidingPictures(reader)


def numbers(frames: Tensor) -> list[int]:
    return [round((value - 40) / 4) for value in frames.float().mean(dim=(1, 2, 3)).tolist()]


def test_pictures_slide_forwards(sliding: SlidingPictures) -> None:
    assert [numbers(sliding(start, 4)) for start in (0, 2, 2, 9)] == [[0, 1, 2, 3], [2, 3, 4, 5], [2, 3, 4, 5], [9, 10, 11, 12]]


def test_pictures_do_not_slide_back(sliding: SlidingPictures) -> None:
    sliding(5, 2)
    with pytest.raises(ValueError, match="frame 4 is gone"):
        sliding(4, 2)


def test_footage_gives_all_samples(clip: Path) -> None:
    with Footage(clip, CONFIG.picture) as footage:
        assert (footage.sample_rate_hz, footage.channels, footage.start_seconds) == (RATE, 2, 0)
        assert torch.cat(list(footage.blocks()), dim=1).shape == (2, 24001)
