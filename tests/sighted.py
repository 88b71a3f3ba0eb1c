"""Clips and a fake network for the tests of localisation; a module of its own because several of them share it."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, VideoReformatter
from torch import Tensor, nn

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.media.planes import copy_tags, matrix
from avsep_plugin.models.fused import Alignment

RATE = 16000
TICKS_HZ = 90_000
STEP = Fraction(4, 25)
WINDOW = Fraction(12, 25)
CONFIG = ModelConfig(
    sample_rate_hz=8000,
    input_rms=None,
    stft=StftConfig(512, 128, 512),
    picture=PictureConfig(frame_rate=Fraction(25), stored_size=16, crop_size=16, fit="squash"),
    fused=FusedConfig(video_strides=(2, 2), trunk_time_strides=(1, 1)),
    window=WindowConfig(12, 4, fixed=False),
)
"""Looks at the whole picture; four frames make a step of the map, three steps a window."""

Cells = Callable[[Tensor], Tensor]
"""Brightness in [0, 1] of the picture in the middle of each step of a window, [T] -> [T, 2, 2] of the map."""


def top_left(brightness: Tensor) -> Tensor:
    """The sound is always in the top left of four cells."""
    cam = torch.full((brightness.shape[0], 2, 2), -1.0)
    cam[:, 0, 0] = 5.0
    return cam


class FakeAligner(nn.Module):
    """A network whose map is a function of the picture; it believes what it sees as much as `logit` says (None: the mean of the map)."""

    def __init__(self, cells: Cells = top_left, logit: float | None = None) -> None:
        super().__init__()
        self.config, self.cells, self.logit = CONFIG, cells, logit
        self.anchor = nn.Parameter(torch.zeros(1))
        self.heard: list[int] = []

    def forward(self, frames: Tensor, audio: Tensor) -> Alignment:
        self.heard.append(audio.shape[-1])
        brightness = frames[0].float().mean(dim=(1, 2, 3)) / 255
        steps = -(-frames.shape[1] // 4)
        middles = torch.arange(steps).mul(4).add(2).clamp(max=frames.shape[1] - 1)
        cam = self.cells(brightness[middles])[None]
        logits = cam.mean(dim=(1, 2, 3)) if self.logit is None else torch.full((1,), self.logit)
        return Alignment(logits, cam)


def aligner(cells: Cells = top_left, logit: float | None = None) -> Any:
    return FakeAligner(cells, logit)


def steady(seconds: float, rate: Fraction | int = 25) -> list[Fraction]:
    """Times of pictures at a constant rate."""
    return [number / Fraction(rate) for number in range(round(seconds * rate))]


def sound(seconds: float, level: float = 0.2) -> np.ndarray:
    return (level * 32768 * np.random.default_rng(0).uniform(-1, 1, (1, round(seconds * RATE)))).astype(np.int16)


def write_clip(
    path: Path, times: Sequence[Fraction], *, size: tuple[int, int] = (64, 48), grey: Callable[[float], int] = lambda _: 100,
    samples: np.ndarray | None = None, rotation: int = 0, aspect: Fraction | None = None, timecode: str | None = None,
    rate: Fraction | int = 25, pixel_format: str = "yuv420p",
) -> Path:  # fmt: skip
    """Grey pictures (width, height) as coded, as bright as `grey(seconds)` says, at those times; int16 sound [1, n] from 0 on.

    rotation: degrees clockwise to show them upright.
    """
    samples = sound(float(times[-1]) + 1 / 25) if samples is None else samples
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264" if path.suffix != ".webm" else "libvpx-vp9", rate=rate, options={"bf": "0", "crf": "1"})
        (video.width, video.height), video.pix_fmt = size, pixel_format
        video.time_base = video.codec_context.time_base = Fraction(1, TICKS_HZ)
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        if rotation:
            video.set_display_rotation(-rotation)
        if timecode:
            video.metadata["timecode"] = timecode
        audio = container.add_stream("aac" if path.suffix == ".mp4" else "pcm_s16le", rate=RATE, layout="mono") if samples.size else None
        for time in times:
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), grey(float(time)), np.uint8), "rgb24")
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = round(time * TICKS_HZ), Fraction(1, TICKS_HZ)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start in range(0, samples.shape[1], 1024):
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, start : start + 1024]), "s16", "mono")
            block.sample_rate, block.pts, block.time_base = RATE, start, Fraction(1, RATE)
            for converted in av.AudioResampler(audio.format.name, "mono", RATE).resample(block):
                container.mux(audio.encode(converted))
        if audio is not None:
            container.mux(audio.encode(None))
    return path


def shown(path: Path, codec: str | None = None, pixel_format: str = "rgb24") -> list[tuple[Fraction, np.ndarray]]:
    """Time and [H, W, c] of every picture; codec: a decoder to be asked for by name."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if codec is None:
            frames = list(container.decode(stream))
        else:
            decoder = av.CodecContext.create(codec, "r")
            frames = [frame for packet in container.demux(stream) for frame in decoder.decode(packet if packet.size else None)]
        return [(frame.pts * stream.time_base, frame.to_ndarray(format=pixel_format)) for frame in frames]


def colourful(picture: np.ndarray) -> np.ndarray:
    """[H, W] how far a picture is from grey."""
    return np.ptp(picture[..., :3].astype(int), axis=2)


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """[H, W, 3] of a picture in YUV."""
    rgb = VideoReformatter().reformat(
        frame, format="rgb24", src_colorspace=matrix(frame), dst_color_range=ColorRange.JPEG, interpolation="BICUBIC", threads=1
    )
    return rgb.to_ndarray()


def from_rgb(picture: np.ndarray, like: av.VideoFrame) -> av.VideoFrame:
    """[H, W, 3] as YUV 4:2:0 with the matrix, time and colours of another picture."""
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    flat = VideoReformatter().reformat(rgb, format="yuv420p", dst_colorspace=matrix(like), dst_color_range=ColorRange.MPEG, threads=1)
    return copy_tags(like, flat)
