"""A stand-in for the aligner whose evidence can be worked out, and what it looks at: pictures that are white or black, sound that is loud
or soft. Its logit says how much the two agree."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import av
import numpy as np
import torch
from torch import Tensor, nn

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, StftConfig, WindowConfig

RATE = 8000
FRAME = RATE // 25


class Features(NamedTuple):
    last: Tensor


class Blinking(nn.Module):
    """A stand-in for `Aligner`: a picture is white or black, its sound is loud or soft, and the logit says how often the two agree."""

    def __init__(self, stride: int = 1, rate_hz: int = RATE, frame_rate: Fraction = Fraction(25)) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = ModelConfig(
            sample_rate_hz=rate_hz,
            input_rms=None,
            picture=PictureConfig(frame_rate=frame_rate, stored_size=8, crop_size=8),
            stft=StftConfig(256, 64, 256),
            fused=FusedConfig(video_strides=(stride, 1)),
            window=WindowConfig(fixed=False),
        )
        self.stride = stride
        self.seen: list[int] = []

    @property
    def fused(self) -> "Blinking":
        """No attribute: as a module of its own it would hold itself without end."""
        return self

    def see(self, frames: Tensor) -> Tensor:
        self.seen.append(frames.shape[1])
        bright = frames.float().mean(dim=(2, 3, 4)) / 255
        return torch.stack([part.mean(dim=1) for part in bright.split(self.stride, dim=1)], dim=1)[:, None]

    def fuse(self, video: Tensor, audio: Tensor) -> Features:
        loud = audio.abs().mean(dim=1)
        loud = nn.functional.interpolate(loud[:, None], video.shape[2], mode="area")
        assert video.shape[0] == audio.shape[0]
        assert audio.shape[-1] >= video.shape[2]
        return Features(1 - 4 * (video - loud).abs())

    def joint(self, last: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=last.mean(dim=(1, 2)))


def blinks(count: int, seed: int = 0) -> torch.Tensor:
    """[count] of 0 and 1."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 2, count))


def pictures(states: Tensor) -> Tensor:
    return (255 * states)[:, None, None, None].expand(-1, 8, 8, 3).to(torch.uint8)


def sound(states: Tensor, late_samples: int = 0) -> Tensor:
    """[2, n] that is loud where the picture is white, so many samples later (its end is cut off, its beginning is a half)."""
    values = states.float().repeat_interleave(FRAME)
    values = torch.cat([torch.full((max(late_samples, 0),), 0.5), values])[: len(values)] if late_samples >= 0 else values[-late_samples:]
    return values[None].expand(2, -1).contiguous()


def write_blinks(path: Path, states: Tensor, late_seconds: float = 0.0, channels: int = 2) -> Path:
    """A clip of 25 pictures a second that blink, with their sound; its end (beginning) is cut off to make it late (early)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = sound(states, round(late_seconds * RATE))[:1].numpy()
    noise = np.random.default_rng(0).choice([-1.0, 1.0], values.shape)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="stereo" if channels == 2 else "mono")
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        for index, state in enumerate(states.tolist()):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 255 * state, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        samples = (20000 * values * noise).astype(np.int16).repeat(channels, axis=0).T.reshape(1, -1).copy()
        block = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo" if channels == 2 else "mono")
        block.sample_rate, block.pts, block.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(audio.encode(block))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path
