"""The networks that Owens & Efros (2018) released, as configurations of this code (spec 3).

Windows are what the original tools feed at once; a longer one of the same network is `with_frames(config, frames)`.
"""

import dataclasses
from collections.abc import Callable
from types import MappingProxyType

from avsep_plugin.config import FusedConfig, ModelConfig, SeparatorConfig, WindowConfig

ALIGN_FRAMES = 125
"""4.17 s, what shift and cam were trained on."""
SEPARATE_FRAMES = 63
"""2.1 s, what full and unet_pit were trained on; 125 and 248 give 256 and 512 spectrogram steps."""


def shift() -> ModelConfig:
    """Is the sound in sync with the picture? 125 frames, class-activation map of 16x7x7 cells, no level correction."""
    config = ModelConfig(name="multisensory/shift", task="align", input_rms=None)
    return with_frames(config, ALIGN_FRAMES)


def cam() -> ModelConfig:
    """shift with the last spatial stride taken out and trained on: a map of 16x14x14 cells."""
    return dataclasses.replace(shift(), name="multisensory/cam", fused=FusedConfig(last_spatial_stride=1))


def full() -> ModelConfig:
    """On- and off-screen sound from 63 frames and the mixture; its batch normalisation has a gamma everywhere."""
    config = ModelConfig(name="multisensory/full", fused=FusedConfig(scale_gamma=True))
    return with_frames(config, SEPARATE_FRAMES)


def large() -> ModelConfig:
    """The separator that was trained longest. Its own settings were never published; those of `full`, 64-ms frames, are assumed."""
    return dataclasses.replace(full(), name="multisensory/large")


def unet_pit() -> ModelConfig:
    """The audio-only u-net, trained to separate two voices in any order."""
    return dataclasses.replace(full(), name="multisensory/unet-pit", separator=SeparatorConfig(with_video=False))


def with_frames(config: ModelConfig, frames: int) -> ModelConfig:
    """The same network on windows of `frames` pictures, the middle half of which is kept."""
    hop = frames // 2 + (frames - frames // 2) % 2
    return dataclasses.replace(config, window=WindowConfig(hop_frames=hop, context_frames=(frames - hop) // 2, fixed=True))


CONFIGS: MappingProxyType[str, Callable[[], ModelConfig]] = MappingProxyType(
    {"shift": shift, "cam": cam, "full": full, "unet_pit": unet_pit}
)
"""Every network of which there are recordings, by the name of its recording."""
