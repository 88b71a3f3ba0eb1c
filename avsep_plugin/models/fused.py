"""The fused audio-visual network of Owens & Efros (2018), sections 3 and 4 of the paper; every layer as in spec 1.

    frames --conv1, pool, conv2_1, conv2_2--> [B, 64, T/4, H/8, W/8] --+
                                                                       merge --conv3..conv5--> last map --1x1x1--> CAM, logit
    audio --conv1_1, pool, conv2_1..conv4_1, fractional pool, conv5_1--+

Scopes and layers carry the names of the TensorFlow graph, so that weights map in one by one (`release/graph.py`).
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from avsep_plugin.config import FusedConfig, ModelConfig
from avsep_plugin.errors import ConfigError
from avsep_plugin.models.layers import BatchNorm, SameConv, fractional_max_pool, max_pool_same


class Alignment(NamedTuple):
    """Evidence that sound and picture belong together."""

    logits: Tensor
    """[B] float32, positive = aligned; `cam` pooled as the config says."""
    cam: Tensor
    """[B, T', H', W'] float32 class activation map, signed."""


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, and ReLU unless it is a shortcut."""

    def __init__(
        self, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int], config: FusedConfig, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = SameConv(inputs, outputs, kernel, stride)
        self.norm = BatchNorm(outputs, momentum=config.bn_momentum, gamma=config.scale_gamma, biased=len(kernel) == 3)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        return torch.relu_(y) if self.relu else y


class Block(nn.Module):
    """Residual block: conv-BN-ReLU, conv with bias, add the shortcut, renorm BN, ReLU (spec 1.2).

    The shortcut is the input itself, its subsampling, or a 1x1 convolution where the channels change.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int], config: FusedConfig) -> None:
        super().__init__()
        ones = (1,) * len(kernel)
        self.short = ConvNorm(inputs, outputs, ones, stride, config, relu=False) if inputs != outputs else None
        self.first = ConvNorm(inputs, outputs, kernel, stride, config)
        self.second = SameConv(outputs, outputs, kernel, bias=True)
        self.norm = block_norm(outputs, config, biased=len(kernel) == 3)
        self.stride = tuple(stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(self.first(x))
        if self.short is not None:
            x = self.short(x)
        elif any(step != 1 for step in self.stride):
            x = x[(slice(None), slice(None), *(slice(None, None, step) for step in self.stride))]
        return torch.relu_(self.norm(y.add_(x)))


def block_norm(channels: int, config: FusedConfig, biased: bool = True) -> BatchNorm:
    """Batch norm after a residual sum: with renormalisation in training."""
    return BatchNorm(channels, momentum=config.bn_momentum, gamma=config.scale_gamma, renorm=True, biased=biased)


def compand(audio: Tensor) -> Tensor:
    """mu-law-like compression sign(x) ln(1 + 255 |x|) / ln 256 of `audio` in [-1, 1] (not clipped)."""
    return torch.sign(audio) * torch.log1p(255.0 * audio.abs()) / math.log(256.0)


class AudioBranch(nn.Module):
    """Raw stereo waveform [B, 2, N] -> [B, C, L], L = N / 1024 at the published strides. Scope `sf`."""

    def __init__(self, c: FusedConfig) -> None:
        super().__init__()
        w, s, (first, rest) = c.audio_widths, c.audio_strides, c.audio_kernels
        self.pool_stride = s[1]
        self.conv1_1 = ConvNorm(2, w[0], (first,), (s[0],), c)
        self.conv2_1 = Block(w[0], w[1], (rest,), (s[2],), c)
        self.conv3_1 = Block(w[1], w[2], (rest,), (s[3],), c)
        self.conv4_1 = Block(w[2], w[3], (rest,), (s[4],), c)
        self.conv5_1 = ConvNorm(w[3], c.audio_fused_width, (3,), (1,), c)

    def forward(self, audio: Tensor) -> Tensor:
        x = self.conv1_1(compand(audio))
        x = nn.functional.max_pool1d(x, self.pool_stride, self.pool_stride)
        return self.conv4_1(self.conv3_1(self.conv2_1(x)))  # type: ignore[no-any-return]


class FusedTrunk(nn.Module):
    """Everything with pictures in it: video stem, merge and the layers after it. Scope `im`."""

    def __init__(self, c: FusedConfig, picture_channels: int) -> None:
        super().__init__()
        v, (w3, w4, w5), (t1, t2), (t4, t5) = c.video_width, c.trunk_widths, c.video_strides, c.trunk_time_strides
        k, s5 = (3, 3, 3), c.last_spatial_stride
        if not v < w3 <= v + c.audio_fused_width:
            raise ConfigError("The merge shortcut needs video_width < trunk_widths[0] <= video_width + audio_fused_width.")
        self.conv1 = ConvNorm(picture_channels, v, c.video_kernel, (t1, 2, 2), c)
        self.conv2_1 = Block(v, v, k, (1, 1, 1), c)
        self.conv2_2 = Block(v, v, k, (t2, 2, 2), c)
        self.merge1 = ConvNorm(v + c.audio_fused_width, c.fusion_width, (1, 1, 1), (1, 1, 1), c)
        self.merge2 = SameConv(c.fusion_width, w3, (1, 1, 1), bias=True)
        self.merge_block = block_norm(w3, c)
        self.conv3_1 = Block(w3, w3, k, (1, 1, 1), c)
        self.conv3_2 = Block(w3, w3, k, (1, 1, 1), c)
        self.conv4_1 = Block(w3, w4, k, (t4, 2, 2), c)
        self.conv4_2 = Block(w4, w4, k, (1, 1, 1), c)
        self.conv5_1 = Block(w4, w5, k, (t5, s5, s5), c)
        self.conv5_2 = Block(w5, w5, k, (1, 1, 1), c)

    def see(self, frames: Tensor) -> Tensor:
        """Video stem: pictures in [-1, 1] [B, c, T, H, W] -> [B, v, T / 4, H / 8, W / 8] (published strides)."""
        x = max_pool_same(self.conv1(frames), (1, 3, 3), (1, 2, 2))
        return self.conv2_2(self.conv2_1(x))  # type: ignore[no-any-return]

    def merge(self, video: Tensor, audio: Tensor) -> Tensor:
        """Join `video` [B, v, T, H, W] with `audio` [B, a, T], the same at every place.

        A 1x1x1 convolution of a concatenation is the sum of two convolutions, and the audio's has one place only. The
        shortcut is the video's channels and the last of the audio's, as many as make up the output.
        """
        sound = audio[..., None, None]
        weight, split = self.merge1.conv.weight, video.shape[1]
        y = nn.functional.conv3d(video, weight[:, :split]) + nn.functional.conv3d(sound, weight[:, split:])
        y = self.merge2(torch.relu(self.merge1.norm(y)))
        rest = sound[:, sound.shape[1] - (y.shape[1] - split) :].expand(-1, -1, -1, *video.shape[3:])
        return torch.relu(self.merge_block(y + torch.cat([video, rest], dim=1)))


class FusedFeatures(NamedTuple):
    """Maps of the fused network, each [B, C, T, H, W]."""

    video: Tensor
    """scales[0]: video only."""
    merged: Tensor
    middle: Tensor
    """scales[1]: after conv3_2."""
    conv4: Tensor
    last: Tensor
    """scales[2]: after conv5_2."""
    audio: Tensor
    """[B, a, T] the sound as it is merged (conv5_1)."""

    @property
    def scales(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the separator reads."""
        return self.video, self.middle, self.last


class FusedNetwork(nn.Module):
    """Pictures and sound -> FusedFeatures."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config.fused
        self.picture_channels = config.picture.channels
        self.sf = AudioBranch(config.fused)
        self.im = FusedTrunk(config.fused, config.picture.channels)

    def forward(self, frames: Tensor, audio: Tensor) -> FusedFeatures:
        """frames [B, T, H, W, 3] (or [B, T, H, W, 1]) uint8, audio [B, 2, N] float32 -> FusedFeatures."""
        return self.fuse(self.see(frames), audio)

    def see(self, frames: Tensor) -> Tensor:
        """The part that no sound enters; can be used with several sounds."""
        if self.config.still:
            middle = frames.shape[1] // 2
            frames = frames[:, middle : middle + 1].expand_as(frames)
        frames = frames[:, :: self.config.frame_step]
        pictures = frames.movedim(-1, 1).float()
        if self.picture_channels == 1 and pictures.shape[1] == 3:
            pictures = pictures.mean(dim=1, keepdim=True)
        return self.im.see(pictures * (2.0 / 255.0) - 1.0)

    def fuse(self, video: Tensor, audio: Tensor) -> FusedFeatures:
        """Join the video stem's output with a sound [B, 2, N]."""
        im = self.im
        sound = self._hear(audio, video.shape[2])
        merged = im.merge(video, sound)
        middle = im.conv3_2(im.conv3_1(merged))
        conv4 = im.conv4_2(im.conv4_1(middle))
        return FusedFeatures(video, merged, middle, conv4, im.conv5_2(im.conv5_1(conv4)), sound)

    def _hear(self, audio: Tensor, steps: int) -> Tensor:
        """The sound [B, 2, N] as it is merged, [B, a, steps]; zero for a network that does not hear."""
        if not self.config.hears:
            return audio.new_zeros(len(audio), self.config.audio_fused_width, steps)
        if self.config.mono:
            audio = audio.mean(dim=1, keepdim=True).expand_as(audio)
        sound: Tensor = self.sf.conv5_1(fractional_max_pool(self.sf(audio), steps, random=self.training))
        return sound


class AlignmentHead(nn.Module):
    """One logit from the last map. Scope `joint`."""

    def __init__(self, channels: int, pooling: Literal["mean", "max"] = "mean") -> None:
        super().__init__()
        self.logits = SameConv(channels, 1, (1, 1, 1), bias=True)
        self.pooling = pooling

    def forward(self, last: Tensor) -> Alignment:
        return self.pooled(self.logits(last)[:, 0])

    def pooled(self, cam: Tensor) -> Alignment:
        """The logit of a map [B, T', H', W']."""
        places = cam.mean(dim=1).flatten(1)
        return Alignment(places.mean(dim=1) if self.pooling == "mean" else places.amax(dim=1), cam)


class Aligner(nn.Module):
    """Are sound and picture in sync? The pretext task of the paper, and with it the localiser."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.fused = FusedNetwork(config)
        self.joint = AlignmentHead(config.fused.trunk_widths[2], config.pooling)

    def forward(self, frames: Tensor, audio: Tensor) -> Alignment:
        """frames [B, T, c, c, 3] uint8, audio [B, 2, N] float32 -> Alignment."""
        alignment: Alignment = self.joint(self.fused(frames, audio).last)
        return alignment

    def look_around(self, frames: Tensor, audio: Tensor, margin_cells: int) -> Alignment:
        """The same of whole pictures [B, T, H, W, 3], for a model whose own square is cut out of them; the map covers all of the picture.

        The place comes from one run over the whole picture, laid in a margin of its own edge pixels whose cells are left out. (At its edges
        a convolution sees zeros, by which the network knows where it is; in the small square of training that is everywhere.) With so much
        more to see than in training the level of such a map sinks, by more in one picture than in another; where the square by itself has
        more evidence than the best place of the map, the map is lifted to that.
        """
        batch, count, height, width = frames.shape[:4]
        pixels, crop = margin_cells * self.config.fused.cell_pixels, self.config.picture.crop_size
        pictures = frames.flatten(0, 1).movedim(-1, 1).float()
        laid = nn.functional.pad(pictures, (pixels,) * 4, mode="replicate").movedim(1, -1)
        cam = self.joint(self.fused(laid.reshape(batch, count, *laid.shape[1:]), audio).last).cam
        inner = slice(margin_cells, -margin_cells or None)
        around = self.joint.pooled(cam[:, :, inner, inner])
        left, top = self.config.picture.square_in(width, height)
        lift = (self(frames[:, :, top : top + crop, left : left + crop], audio).logits - around.logits).clamp(min=0)
        return Alignment(around.logits + lift, around.cam + lift[:, None, None, None])
