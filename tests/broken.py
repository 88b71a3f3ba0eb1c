"""Clips that are damaged in all the ways that disks, cards and cables know, made from small whole ones; and a model that needs no weights.

It lies in a module of its own because the fuzzer in benchmarks/ begins with the same clips.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor, nn

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.dsp.stft import analyse

RATE_HZ = 16000
KINDS = ("mp4", "mov", "mkv", "avi", "ts")
_CODECS = {
    "mp4": ("mpeg4", "aac"), "mov": ("mjpeg", "pcm_s16le"), "mkv": ("mpeg4", "flac"), "avi": ("mpeg4", "pcm_s16le"),
    "ts": ("mpeg2video", "mp2"),
}  # fmt: skip
_STFT = StftConfig(512, 128, 512)
_CONFIG = ModelConfig(
    sample_rate_hz=8000,
    input_rms=None,
    stft=_STFT,
    picture=PictureConfig(frame_rate=Fraction(25), stored_size=16, crop_size=8),
    fused=FusedConfig(video_strides=(2, 2), trunk_time_strides=(1, 1)),
    window=WindowConfig(12, 4, fixed=False),
)


class Quarter(nn.Module):
    """A separator that says of everything that a quarter of it is on screen."""

    def __init__(self) -> None:
        super().__init__()
        self.config, self.anchor = _CONFIG, nn.Parameter(torch.zeros(1))

    def masks(self, _frames: Tensor, audio: Tensor) -> Tensor:
        return torch.full_like(analyse(audio.mean(dim=1), _STFT).abs(), 0.25)


def quarter() -> Any:
    """In the place of a real separator."""
    return Quarter()


def write_clip(
    path: Path, kind: str, pictures: int = 25, samples: int = RATE_HZ, first_picture: int = 0, first_sample: int = 0, **options: str
) -> Path:  # fmt: skip
    """Pictures, 25 a second, and noise beside them in small packets; both may begin at any time, also before 0."""
    picture_codec, sound_codec = _CODECS[kind]
    container_format = {"mkv": "matroska", "ts": "mpegts"}.get(kind, kind)
    with av.open(str(path), "w", format=container_format, options=options) as container:
        video = container.add_stream(picture_codec, rate=25)
        video.width, video.height = 64, 48
        video.pix_fmt = "yuvj420p" if picture_codec == "mjpeg" else "yuv420p"
        sound = container.add_stream(sound_codec, rate=RATE_HZ, layout="mono")
        for number in range(max(pictures, -(-samples * 25 // RATE_HZ))):  # interleaved, as a camera writes them
            if number < pictures:
                frame = av.VideoFrame.from_ndarray(_picture(number), "rgb24")
                frame.pts, frame.time_base = first_picture + number, Fraction(1, 25)
                container.mux(video.encode(frame.reformat(format=video.pix_fmt)))
            for part in _sound(sound, number * RATE_HZ // 25, min((number + 1) * RATE_HZ // 25, samples), first_sample):
                container.mux(sound.encode(part))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    return path


def _picture(number: int) -> np.ndarray:
    picture = np.random.default_rng(7).integers(0, 255, (48, 64, 3), np.uint8)
    picture[:, number % 56 : number % 56 + 8] = (220, 180, 40)
    return picture


def _sound(stream: Any, start: int, stop: int, first: int) -> Iterator[av.AudioFrame]:
    if stop <= start:
        return
    values = np.random.default_rng(start).integers(-9000, 9000, (1, stop - start)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(values, "s16", "mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, first + start, Fraction(1, RATE_HZ)
    yield from av.AudioResampler(stream.format.name, "mono", RATE_HZ).resample(frame)


Harm = Callable[[bytes], bytes]


def cut(sixteenths: int) -> Harm:
    """The copy was stopped."""
    return lambda content: content[: len(content) * sixteenths // 16]


def flip(seed: int, count: int = 20, first: float = 0.0) -> Harm:
    """Single bytes of the part from `first` (a share of the file) on are others."""

    def flipped(content: bytes) -> bytes:
        damaged, chance = bytearray(content), np.random.default_rng(seed)
        for place in chance.integers(int(len(content) * first), len(content), count):
            damaged[place] ^= int(chance.integers(1, 256))
        return bytes(damaged)

    return flipped


def wipe(seed: int) -> Harm:
    """A sector of zeros."""

    def wiped(content: bytes) -> bytes:
        start = int(np.random.default_rng(seed).integers(0, max(1, len(content) - 512)))
        return content[:start] + bytes(512) + content[start + 512 :]

    return wiped


HARMS: dict[str, Harm] = {
    **{f"cut {number}/16": cut(number) for number in range(16)},
    **{f"flip {seed}": flip(seed) for seed in range(8)},
    **{f"flip one {seed}": flip(seed, 1) for seed in range(4)},
    **{f"wipe {seed}": wipe(seed) for seed in range(4)},
    "header only": lambda content: content[:64],
    "tail only": lambda content: content[-len(content) // 2 :],
    "twice": lambda content: content + content,
    "last byte": lambda content: content[:-1],
}
"""Name -> what is done to the bytes of a whole clip."""
