"""What the editor controls of a separation, on files: region, shots, abstention, confidence."""

import json
import pickle
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avsep_plugin.clip import Float32, UInt8
from avsep_plugin.config import ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.dsp.stft import analyse
from avsep_plugin.errors import ConfigError
from avsep_plugin.files import SeparateFileOptions, separate_file, separation_outputs
from avsep_plugin.media.read import AudioReader
from avsep_plugin.models.fused import Alignment

RATE = 16000
STFT = StftConfig(512, 128, 512)
CONFIG = ModelConfig(
    sample_rate_hz=8000,
    input_rms=None,
    stft=STFT,
    picture=PictureConfig(frame_rate=Fraction(25), stored_size=8, crop_size=8),
    window=WindowConfig(12, 4, fixed=False),
)
WIDTH, HEIGHT = 64, 48


class Looker(nn.Module):
    """A bright picture keeps more of the sound."""

    def __init__(self) -> None:
        super().__init__()
        self.config = CONFIG
        self.anchor = nn.Parameter(torch.zeros(1))

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        magnitude = analyse(audio.mean(dim=1), STFT).abs()
        return magnitude / (magnitude + magnitude.mean() * (255 - frames.float().mean()) / 64 + 1e-9)


class Believer(nn.Module):
    """Sound belongs to bright pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.config = CONFIG
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, frames: Tensor, _: Tensor) -> Alignment:
        logit = (frames.float().mean().reshape(1) - 128) / 16
        return Alignment(logit, logit.reshape(1, 1, 1, 1))


def separate(clip: Path, out: Path, **options: Any) -> dict[str, Path]:
    model, aligner = Looker(), Believer()
    fakes: Any = model, aligner
    return separate_file(clip, out, fakes[0], SeparateFileOptions(deliver=("stems",), **options), aligner=fakes[1]).outputs


def write_clip(path: Path, pictures: Sequence[UInt8], sound: Float32) -> Path:
    """Pictures [48, 64, 3], 25 a second, and 16-bit sound, both without loss."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "bgr0"
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        chunk = av.AudioFrame.from_ndarray(np.rint(sound * 32768).astype(np.int16), "s16", "mono")
        chunk.sample_rate, chunk.pts, chunk.time_base = RATE, 0, Fraction(1, RATE)
        container.mux([*audio.encode(chunk), *audio.encode(None), *video.encode(None)])
    return path


def shot(level: int, pictures: int, seed: int = 0) -> list[UInt8]:
    """Pictures of one brightness, a little noise in them."""
    chooser = np.random.default_rng(seed)
    return [np.clip(level + chooser.normal(0, 3, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8) for _ in range(pictures)]


def noise(samples: int, seed: int = 0) -> Float32:
    values = np.random.default_rng(seed).normal(scale=0.1, size=(1, samples))
    return (np.rint(values * 32768) / 32768).astype(np.float32)


def samples(path: Path) -> Float32:
    with AudioReader(path) as reader:
        return reader.read(10**7)


def test_pixels_outside_the_region_change_no_sample(tmp_path: Path) -> None:
    """The other half becomes noise, with cuts of its own; the stems stay the same bit by bit."""
    one = shot(150, 50)
    two = [picture.copy() for picture in one]
    for number, picture in enumerate(two):
        picture[:, WIDTH // 2 :] = np.random.default_rng(number).integers(0, 100 if number < 25 else 256, (HEIGHT, WIDTH // 2, 3))
    clips = [write_clip(tmp_path / f"{n}.mkv", pictures, noise(2 * RATE)) for n, pictures in enumerate((one, two))]
    stems = [samples(separate(clip, tmp_path / clip.stem, region="left")["on"]) for clip in clips]
    assert np.array_equal(*stems)
    assert not np.array_equal(*(samples(separate(clip, tmp_path / f"{clip.stem}-whole")["on"]) for clip in clips))


def test_left_and_right_see_their_own_half(tmp_path: Path) -> None:
    pictures = [np.concatenate([dark[:, :32], bright[:, :32]], axis=1) for dark, bright in zip(shot(20, 50), shot(230, 50), strict=True)]
    clip = write_clip(tmp_path / "a.mkv", pictures, noise(2 * RATE))
    left, right = (np.square(samples(separate(clip, tmp_path / side, region=side)["on"])).mean() for side in ("left", "right"))
    assert right > 2 * left


def test_what_comes_before_a_cut_changes_nothing_after_it(tmp_path: Path) -> None:
    """Two clips of the same second shot: picture and sound of the first are others."""
    second, cut = shot(120, 30), 25 * RATE // 25 + STFT.frame_samples * 2
    clips = [
        write_clip(tmp_path / f"{n}.mkv", shot(level, 25, n) + second, np.concatenate([noise(RATE, n), noise(30 * RATE // 25, 5)], axis=1))
        for n, level in enumerate((20, 230))
    ]
    ons = [samples(separate(clip, tmp_path / clip.stem)["on"])[:, cut:] for clip in clips]
    assert np.array_equal(*ons)
    without = [samples(separate(clip, tmp_path / f"{clip.stem}-one", shots=False)["on"])[:, cut:] for clip in clips]
    assert not np.array_equal(*without)


def test_a_clip_without_cuts_is_separated_as_if_none_had_been_looked_for(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", shot(100, 60), noise(60 * RATE // 25))
    with_shots, without = (separate(clip, tmp_path / str(shots), shots=shots) for shots in (True, False))
    assert with_shots["on"].read_bytes() == without["on"].read_bytes()


@pytest.fixture
def dark_then_bright(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mkv", shot(30, 30) + shot(220, 30), noise(60 * RATE // 25))


def test_a_shot_without_evidence_is_left_as_it_is(dark_then_bright: Path, tmp_path: Path) -> None:
    model: Any = Looker()
    aligner: Any = Believer()
    options = SeparateFileOptions(deliver=("stems",), abstain_below=0.3)
    result = separate_file(dark_then_bright, tmp_path / "out", model, options, aligner=aligner)
    source, off, on = (samples(path) for path in (dark_then_bright, result.outputs["off"], result.outputs["on"]))
    cut, fade = 30 * RATE // 25, STFT.frame_samples * 2
    assert not off[:, : cut - fade].any()
    assert np.abs(off[:, cut + fade :]).max() > 0.01
    assert np.array_equal(on + off, source)
    assert [note for note in result.warnings if note.startswith("1 of 2 shots are left untouched")]


def test_nothing_is_left_alone_unless_it_is_asked_for(dark_then_bright: Path, tmp_path: Path) -> None:
    assert np.abs(samples(separate(dark_then_bright, tmp_path / "out")["off"])[:, :RATE]).max() > 0.01


def test_a_clip_without_any_evidence_gives_back_the_source(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mkv", shot(30, 50), noise(2 * RATE))
    outputs = separate(clip, tmp_path / "out", abstain_below=0.5)
    assert np.array_equal(samples(outputs["on"]), samples(clip))
    assert not samples(outputs["off"]).any()


def test_confidence_is_written_beside_the_stems(dark_then_bright: Path, tmp_path: Path) -> None:
    outputs = separate(dark_then_bright, tmp_path / "out", abstain_below=0.3, confidence="json")
    windows = json.loads(outputs["confidence"].read_text())
    assert outputs["confidence"] == tmp_path / "out" / "confidence.json"
    assert [window["shot"] for window in windows] == [0, 0, 0, 1, 1, 1]
    assert [window["abstained"] for window in windows] == [True] * 3 + [False] * 3
    assert (windows[0]["start_seconds"], windows[3]["start_seconds"], windows[-1]["end_seconds"]) == (0.0, 1.2, 2.4)
    assert all((window["probability"] > 0.5) == (window["shot"] == 1) for window in windows)


def test_confidence_alone_changes_no_sample(dark_then_bright: Path, tmp_path: Path) -> None:
    plain, told = (separate(dark_then_bright, tmp_path / str(form), confidence=form) for form in (None, "csv"))
    assert plain["on"].read_bytes() == told["on"].read_bytes()
    assert told["confidence"].read_text().startswith("start_seconds,end_seconds,shot,logit,probability,abstained\n")


def test_progress_of_all_passes_goes_on_to_the_clips_length(dark_then_bright: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    model: Any = Looker()
    aligner: Any = Believer()
    separate_file(dark_then_bright, tmp_path / "out", model, SeparateFileOptions(confidence="csv"), seen.append, aligner)
    assert seen == sorted(seen)
    assert seen[0] < 0.1
    assert seen[-1] == pytest.approx(2.4, abs=0.01)


def test_an_aligner_is_needed_where_it_is_asked(dark_then_bright: Path, tmp_path: Path) -> None:
    model: Any = Looker()
    with pytest.raises(ValueError, match="need an aligner"):
        separate_file(dark_then_bright, tmp_path / "out", model, SeparateFileOptions(abstain_below=0.1))


def test_a_bad_region_leaves_nothing_behind(dark_then_bright: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not lie in the picture"):
        separate(dark_then_bright, tmp_path / "out", region="0.5,0,0.6,1")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"amount": 1.5}, "amount must lie between 0 and 1"),
        ({"abstain_below": -0.1}, "a probability between 0 and 1"),
        ({"abstain_below": 0.1, "reconstruction": "original"}, "no shot can be left untouched"),
    ],
)
def test_options_that_make_no_sense_are_errors(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        SeparateFileOptions(**options)


def test_options_travel_to_other_processes() -> None:
    options = SeparateFileOptions(amount=0.5, region="25%,0,50%,1", abstain_below=0.2, confidence="csv", shots=False)
    assert pickle.loads(pickle.dumps(options)) == options
    assert separation_outputs(Path("a.mov"), Path("out"), options)["confidence"] == Path("out/confidence.csv")
