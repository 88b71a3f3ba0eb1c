"""Clips through `separate_file` with masks that are known: rates, channels, parts, tracks, and what the video gets."""

import hashlib
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
from avsep_plugin.dsp.stft import analyse
from avsep_plugin.errors import ConfigError
from avsep_plugin.files import SeparateFileOptions, separate_file, separation_outputs
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader
from avsep_plugin.plain import from_dict

STFT = StftConfig(512, 128, 512)
CONFIG = ModelConfig(
    sample_rate_hz=8000,
    input_rms=None,
    stft=STFT,
    picture=PictureConfig(frame_rate=Fraction(25), stored_size=16, crop_size=8),
    fused=FusedConfig(video_strides=(2, 2), trunk_time_strides=(1, 1)),
    window=WindowConfig(12, 4, fixed=False),
)
RATE = 48000
QUIET, LOUD = 0.02, 0.2


class Masks(nn.Module):
    """A mask that is the same everywhere: `value`, or None: all of what is loud and nothing of what is quiet."""

    def __init__(self, value: float | None) -> None:
        super().__init__()
        self.config, self.value = CONFIG, value
        self.anchor = nn.Parameter(torch.zeros(1))
        self.brightness: list[int] = []

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        self.brightness += [round(value) for value in frames[0].float().mean(dim=(1, 2, 3)).tolist()]
        mask = torch.ones_like(analyse(audio.mean(dim=1), STFT).abs())
        if self.value is not None:
            return mask * self.value
        return mask * float(audio.abs().mean() > QUIET / 2)


def masks(value: float | None = 0.25) -> Any:
    return Masks(value)


def noise(samples: int, channels: int = 2, level: float = 0.3, seed: int = 0) -> Float32:
    """On the grid of 16 bits."""
    values = np.random.default_rng(seed).uniform(-level, level, (channels, samples))
    return (np.rint(values * 32768) / 32768).astype(np.float32)


LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def write_clip(path: Path, tracks: list[Float32], rate: int = RATE, codec: str = "pcm_s16le", late: float = 0, pictures: int = 50) -> Path:
    """Pictures, 25 a second, each two steps of grey brighter; its sound tracks start `late` seconds after the first of them."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        if path.suffix in (".mov", ".mp4"):
            video.metadata["timecode"] = "01:00:00:00"
        sounds = [container.add_stream(codec, rate=rate, layout=LAYOUTS[track.shape[0]]) for track in tracks]
        for number in range(pictures):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + 2 * number, np.uint8), "rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for sound, track in zip(sounds, tracks, strict=True):
            for start in range(0, track.shape[1], 1024):
                values = np.rint(track[:, start : start + 1024] * 32768).astype(np.int16)
                part = av.AudioFrame.from_ndarray(np.ascontiguousarray(values.T).reshape(1, -1), "s16", LAYOUTS[track.shape[0]])
                part.sample_rate, part.pts, part.time_base = rate, start + round(late * rate), Fraction(1, rate)
                for converted in av.AudioResampler(sound.format.name, sound.layout, rate).resample(part):
                    container.mux(sound.encode(converted))
            container.mux(sound.encode(None))
    return path


def read(path: Path, track: int = 0) -> Float32:
    with AudioReader(path, track) as reader:
        return reader.read(10**7)


def grid(sound: Float32) -> np.ndarray:
    return np.rint(sound.astype(np.float64) * 32768).astype(int)


def packets(path: Path, place: int) -> list[str]:
    with av.open(str(path)) as container:
        return [hashlib.sha256(bytes(packet)).hexdigest() for packet in container.demux(container.streams[place]) if packet.size]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds, stereo."""
    return write_clip(tmp_path / "clip.mov", [noise(2 * RATE + 1)])


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 192000])
def test_stems_of_any_rate_and_layout_add_up_to_every_sample(tmp_path: Path, rate: int, channels: int) -> None:
    sound = noise(3 * rate // 10 | 1, channels)
    source = write_clip(tmp_path / "clip.mov", [sound], rate, pictures=8)
    outputs = separate_file(source, tmp_path / "out", masks(), SeparateFileOptions(deliver=("stems",))).outputs
    on, off = read(outputs["on"]), read(outputs["off"])
    assert on.shape == off.shape == sound.shape
    assert np.array_equal(grid(on) + grid(off), grid(sound))
    track = probe(outputs["on"]).audio[0]
    assert (track.sample_rate_hz, track.channels) == (rate, channels)
    assert channels <= 2 or track.layout == "5.1"  # a plain WAV header has no names for one channel or two
    assert np.abs(on - 0.25 * sound).max() <= 1 / 32768


@pytest.mark.parametrize("odd", [-1, 0, 1])
def test_lengths_around_a_window(tmp_path: Path, odd: int) -> None:
    sound = noise(12 * RATE // 25 + odd, 1)
    source = write_clip(tmp_path / "clip.mov", [sound], pictures=12)
    outputs = separate_file(source, tmp_path / "out", masks(), SeparateFileOptions(deliver=("stems",))).outputs
    assert np.array_equal(grid(read(outputs["on"])) + grid(read(outputs["off"])), grid(sound))


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_the_video_gets_the_mixture_less_some_and_the_stems_do_not_care(clip: Path, tmp_path: Path, amount: float) -> None:
    outputs = separate_file(clip, tmp_path / "out", masks(), SeparateFileOptions(amount=amount)).outputs
    sound = read(clip)
    assert np.abs(read(outputs["video"]) - (1 - 0.75 * amount) * sound).max() <= 2.0**-20
    assert np.abs(read(outputs["on"]) - 0.25 * sound).max() <= 1 / 32768


@pytest.mark.parametrize(("value", "amount"), [(0.25, 0.0), (1.0, 1.0)])
def test_where_nothing_changed_the_original_packets_are_copied(tmp_path: Path, value: float, amount: float) -> None:
    source = write_clip(tmp_path / "clip.mp4", [noise(RATE)], codec="aac")
    result = separate_file(source, tmp_path / "out", masks(value), SeparateFileOptions(amount=amount))
    assert packets(result.outputs["video"], 1) == packets(source, 1)
    assert np.array_equal(read(result.outputs["video"]), read(source))
    assert result.warnings == []


def test_a_part_is_exact_in_stems_and_video(clip: Path, tmp_path: Path) -> None:
    options = SeparateFileOptions(start="01:00:00:10", end="1.5", handles_seconds=0.1)
    outputs = separate_file(clip, tmp_path / "out", masks(), options).outputs
    sound, start, stop = read(clip), round(0.3 * RATE), round(1.6 * RATE)
    on, video = read(outputs["on"]), read(outputs["video"])
    assert np.array_equal(grid(on) + grid(read(outputs["off"])), grid(sound[:, start:stop]))
    assert np.abs(on - 0.25 * sound[:, start:stop]).max() <= 1 / 32768
    assert np.array_equal(video[:, :start], sound[:, :start])
    assert np.array_equal(video[:, stop:], sound[:, stop:])
    assert np.abs(video[:, start + 480 : stop - 480] - 0.25 * sound[:, start + 480 : stop - 480]).max() <= 2.0**-20
    assert packets(outputs["video"], 0) == packets(clip, 0)


def test_the_network_sees_the_pictures_of_the_part(clip: Path, tmp_path: Path) -> None:
    model = masks()
    separate_file(clip, tmp_path / "out", model, SeparateFileOptions(start="1", end="1.2", deliver=("stems",)))
    first = round((model.brightness[0] - 40) / 2)
    assert abs(first - (25 - 4)) <= 1  # four pictures of context before the part


def test_a_part_beyond_the_sound(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"clip\.mov: the part starts at 5\.000 s of the sound, which lasts 2\.000 s"):
        separate_file(clip, tmp_path / "out", masks(), SeparateFileOptions(start="5"))
    assert list((tmp_path / "out").iterdir()) == []


def time_reference(path: Path) -> int:
    with av.open(str(path)) as container:
        return int(container.metadata["time_reference"])


@pytest.mark.parametrize("late", [0, 0.4])
def test_stems_say_when_they_sound(tmp_path: Path, late: float) -> None:
    source = write_clip(tmp_path / "clip.mov", [noise(RATE)], late=late)
    hour = 3600 * RATE
    whole = separate_file(source, tmp_path / "whole", masks(), SeparateFileOptions(deliver=("stems",))).outputs
    part = separate_file(source, tmp_path / "part", masks(), SeparateFileOptions(deliver=("stems",), start="0.5", end="0.9")).outputs
    assert time_reference(whole["on"]) == time_reference(whole["off"]) == hour + round(late * RATE)
    assert time_reference(part["on"]) == hour + RATE // 2


def test_a_clip_without_timecode_counts_from_its_first_picture(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mkv", [noise(RATE)], late=0.4)
    outputs = separate_file(source, tmp_path / "out", masks(), SeparateFileOptions(deliver=("stems",))).outputs
    assert time_reference(outputs["on"]) == round(0.4 * RATE)


def test_padded_stems_begin_and_end_with_the_picture(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "clip.mov", [noise(RATE)], late=0.4)
    options = SeparateFileOptions(deliver=("stems",), pad_to_picture=True)
    on = read(separate_file(source, tmp_path / "out", masks(1.0), options).outputs["on"])
    late = round(0.4 * RATE)
    assert on.shape == (2, 2 * RATE)
    assert np.array_equal(on[:, late : late + RATE], read(source))
    assert not on[:, :late].any()
    assert not on[:, late + RATE :].any()
    assert time_reference(tmp_path / "out" / "on-screen.wav") == 3600 * RATE


def test_channels_are_judged_together_or_alone(tmp_path: Path) -> None:
    """Loud boom left, quiet lavalier right; the mask keeps what is loud."""
    sound = np.concatenate([noise(RATE, 1, LOUD), noise(RATE, 1, QUIET, seed=1)])
    source = write_clip(tmp_path / "clip.mov", [sound])
    linked, split = (
        separate_file(source, tmp_path / way, masks(None), SeparateFileOptions(deliver=("stems",), channels=way)).outputs  # type: ignore[arg-type]
        for way in ("linked", "split")
    )
    assert np.array_equal(read(linked["on"]), sound)
    assert np.array_equal(read(split["on"]), sound * [[1], [0]])
    assert np.array_equal(read(split["off"]), sound * [[0], [1]])


def test_split_is_what_each_channel_would_be_as_a_track_of_its_own(tmp_path: Path) -> None:
    sound = np.concatenate(
        [noise(RATE + 7, 1, LOUD), noise(RATE + 7, 1, QUIET, seed=1), *[noise(RATE + 7, 1, LOUD, seed=n) for n in range(4)]]
    )
    whole = write_clip(tmp_path / "whole.mov", [sound])
    alone = write_clip(tmp_path / "alone.mov", [sound[channel : channel + 1] for channel in range(6)])
    split = separate_file(whole, tmp_path / "1", masks(None), SeparateFileOptions(deliver=("stems",), channels="split")).outputs
    each = separate_file(alone, tmp_path / "2", masks(None), SeparateFileOptions(deliver=("stems",), track="all")).outputs
    assert np.array_equal(read(split["on"]), np.concatenate([read(each[f"track{number}-on"]) for number in range(1, 7)]))


def test_all_tracks_of_a_camera_file(tmp_path: Path) -> None:
    tracks = [noise(RATE, 1, seed=number) for number in range(4)]
    source = write_clip(tmp_path / "card.mov", tracks, pictures=25)
    options = SeparateFileOptions(track="all", deliver=("stems", "replace"))
    seen: list[float] = []
    result = separate_file(source, tmp_path / "out", masks(), options, seen.append)
    assert result.outputs == separation_outputs(source, tmp_path / "out", options)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        ["card.mov", *(f"track{number}-{kind}-screen.wav" for number in range(1, 5) for kind in ("on", "off"))]
    )
    for number, track in enumerate(tracks):
        assert np.abs(read(result.outputs[f"track{number + 1}-on"]) - 0.25 * track).max() <= 1 / 32768
        assert np.abs(read(result.outputs["video"], number) - 0.25 * track).max() <= 2.0**-20
    assert seen[-1] == pytest.approx(1.0)
    assert seen == sorted(seen)


def test_one_of_several_tracks_leaves_the_others_alone(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "card.mov", [noise(RATE, 1, seed=number) for number in range(3)])
    outputs = separate_file(source, tmp_path / "out", masks(), SeparateFileOptions(track=1)).outputs
    assert set(outputs) == {"on", "off", "video"}
    assert packets(outputs["video"], 1) == packets(source, 1)
    assert packets(outputs["video"], 3) == packets(source, 3)
    assert np.abs(read(outputs["video"], 1) - 0.25 * read(source, 1)).max() <= 2.0**-20


def test_tracks_of_a_file_that_cannot_be_read_are_one(tmp_path: Path) -> None:
    (tmp_path / "broken.mov").write_bytes(b"nothing")
    outputs = separation_outputs(tmp_path / "broken.mov", tmp_path, SeparateFileOptions(track="all"))
    assert set(outputs) == {"track1-on", "track1-off", "video"}


def test_stems_and_original_as_tracks_of_the_video(clip: Path, tmp_path: Path) -> None:
    options = SeparateFileOptions(deliver=("replace", "add-tracks"))
    result = separate_file(clip, tmp_path / "out", masks(), options)
    assert (set(result.outputs), result.warnings) == ({"video"}, [])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip.mov"]
    video, sound = result.outputs["video"], read(clip)
    for track, part in enumerate((0.25, 0.25, 0.75, 1.0)):
        assert np.abs(read(video, track) - part * sound).max() <= 1 / 32768
    assert packets(video, 4) == packets(clip, 1)
    with av.open(str(video)) as container:
        assert [stream.metadata.get("name") for stream in container.streams.audio] == [None, "On-screen", "Off-screen", "Original"]


def test_added_tracks_alone_leave_the_original_where_it_is(clip: Path, tmp_path: Path) -> None:
    video = separate_file(clip, tmp_path / "out", masks(), SeparateFileOptions(deliver=("add-tracks",))).outputs["video"]
    assert packets(video, 1) == packets(clip, 1)
    with av.open(str(video)) as container:
        assert [stream.metadata["name"] for stream in container.streams.audio] == ["Original", "On-screen", "Off-screen"]


def test_a_video_in_another_container(clip: Path, tmp_path: Path) -> None:
    outputs = separate_file(clip, tmp_path / "out", masks(), SeparateFileOptions(container="mkv")).outputs
    assert outputs["video"] == tmp_path / "out" / "clip.mkv"
    assert probe(outputs["video"]).audio[0].codec == "flac"
    assert np.abs(read(outputs["video"]) - 0.25 * read(clip)).max() <= 2.0**-20


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"deliver": ()}, "deliver must name"),
        ({"deliver": ("video",)}, "not 'video'"),
        ({"amount": 1.5}, "between 0 and 1"),
        ({"handles_seconds": -1.0}, "cannot be negative"),
        ({"reconstruction": "original", "start": "1"}, "cannot replace a part"),
    ],
)
def test_options_that_make_no_sense(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SeparateFileOptions(**values)


@pytest.mark.parametrize("track", [2, "all"])
def test_options_are_plain_values(track: int | str) -> None:
    assert from_dict(SeparateFileOptions, {"track": track, "deliver": ["stems"]}).track == track
