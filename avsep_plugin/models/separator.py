"""The whole separator: fused network, spectrogram of the mixture, u-net or recurrent mask (spec 2)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from avsep_plugin.config import ModelConfig
from avsep_plugin.dsp.levels import decibels
from avsep_plugin.dsp.masks import ratio_mask
from avsep_plugin.dsp.stft import analyse, synthesise
from avsep_plugin.errors import ConfigError
from avsep_plugin.models.fused import Alignment, AlignmentHead, FusedFeatures, FusedNetwork
from avsep_plugin.models.recurrent import RecurrentMask
from avsep_plugin.models.unet import UNet


class Spectrum(NamedTuple):
    """A predicted spectrogram, each [B, bins, L]: level in dB and phase in radians."""

    level_db: Tensor
    phase: Tensor

    def complex(self) -> Tensor:
        """[B, bins, L] complex64."""
        return torch.polar(torch.pow(10.0, self.level_db / 20.0), self.phase)


class Separator(nn.Module):
    """Pictures and the mixture of a window -> what of the sound is on screen."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        c = config.separator
        if not 0 <= c.dropout < 1 or (c.dropout and c.kind != "recurrent"):
            raise ConfigError(f"Dropout is a share from 0 up to 1, for a recurrent separator, not {c.dropout:g} for a {c.kind} one.")
        if c.with_video:
            self.fused = FusedNetwork(config)
            self.joint = AlignmentHead(config.fused.trunk_widths[2])
        self.gen: UNet | RecurrentMask
        if c.kind == "unet":
            self.gen = UNet(config, outputs=2 if c.head == "spectrogram" else 1)
        else:
            self.gen = RecurrentMask(config)

    def features(self, frames: Tensor, audio: Tensor) -> FusedFeatures | None:
        """Fused features of frames [B, T, c, c, 3] uint8 and audio [B, 2, N]; None for the audio-only twin."""
        if not self.config.separator.with_video:
            return None
        features: FusedFeatures = self.fused(frames, audio)
        return features

    def align(self, features: FusedFeatures) -> Alignment:
        """The alignment head on features already computed (it gets no gradient in the paper's separation training)."""
        alignment: Alignment = self.joint(features.last)
        return alignment

    def mixture(self, audio: Tensor) -> Tensor:
        """STFT of the mono sum of `audio` [B, 2, N] -> [B, bins, L] complex64."""
        mono = audio.mean(dim=1) if self.config.separator.spectrogram_channel == "mean" else audio[:, 0]
        return analyse(mono, self.config.stft)

    def mask_logits(self, mixture: Tensor, features: FusedFeatures | None) -> Tensor:
        """Mask head: mixture STFT [B, bins, L] -> logits [B, bins, L] of the on-screen ratio."""
        scales = features.scales if features is not None else None
        level = self.normalise(decibels(mixture.abs()))
        if isinstance(self.gen, RecurrentMask):
            logits: Tensor = self.gen(level, scales)
            return logits
        fg, bg = self._run_unet(torch.stack([level, mixture.angle() / math.pi], dim=1), scales)
        top = (fg - bg)[:, 0]
        return torch.cat([top, top[:, -1:]], dim=1)

    def spectra(self, mixture: Tensor, features: FusedFeatures | None) -> tuple[Spectrum, Spectrum]:
        """Spectrogram head: the paper's two predictions (on, off), cropped to whole u-net steps.

        The Nyquist bin, which the u-net does not see, is at the floor with the mixture's phase (spec 2.3).
        """
        scales = features.scales if features is not None else None
        level = self.normalise(decibels(mixture.abs()))
        heads = self._run_unet(torch.stack([level, mixture.angle() / math.pi], dim=1), scales)
        steps, c = heads[0].shape[3], self.config.separator
        top = mixture[:, -1:, :steps].angle()

        def spectrum(head: Tensor) -> Spectrum:
            level_db = (torch.tanh(head[:, 0]) + 1) / 2 * (c.max_db - c.min_db) + c.min_db
            phase = torch.tanh(head[:, 1]) * math.pi
            return Spectrum(torch.cat([level_db, torch.full_like(top, c.min_db)], 1), torch.cat([phase, top], 1))

        return spectrum(heads[0]), spectrum(heads[1])

    def _run_unet(self, x: Tensor, scales: tuple[Tensor, Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """[B, 2, bins, L] -> heads [B, C, bins - 1, steps]; the u-net runs on [time, frequency] without the Nyquist bin.

        For the spectrogram head a window of fixed length is cropped to whole u-net steps, as the original does; any other is padded
        and cut back.
        """
        assert isinstance(self.gen, UNet)
        steps, multiple = x.shape[3], self.gen.time_multiple
        if self.config.window.fixed and self.config.separator.head == "spectrogram":
            steps = steps // multiple * multiple
            x = x[..., :steps]
        else:
            x = nn.functional.pad(x, (0, -steps % multiple), value=-1.0)
        fg, bg = self.gen(x[:, :, :-1].transpose(2, 3), scales)
        return fg.transpose(2, 3)[..., :steps], bg.transpose(2, 3)[..., :steps]

    def normalise(self, level_db: Tensor) -> Tensor:
        """dB in [min_db, max_db] -> [-1, 1], not clipped."""
        c = self.config.separator
        return 2 * (level_db - c.min_db) / (c.max_db - c.min_db) - 1

    def masks(self, frames: Tensor, audio: Tensor) -> Tensor:
        """On-screen amplitude ratio [B, bins, L] in [0, 1] on the STFT of the window, L = stft.frame_count(N).

        The spectrogram head's two predictions give on^2 / (on^2 + off^2), the Wiener ratio.
        """
        mixture = self.mixture(audio)
        features = self.features(frames, audio)
        if self.config.separator.head == "mask":
            return torch.sigmoid(self.mask_logits(mixture, features))
        on, off = self.spectra(mixture, features)
        ratio = ratio_mask(on.level_db, off.level_db)
        missing = mixture.shape[-1] - ratio.shape[-1]
        return torch.cat([ratio, ratio[..., -1:].expand(-1, -1, missing)], dim=-1)

    def original(self, frames: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """The paper's own reconstruction: predicted level and phase, raw inverse STFT (1.5 times the level).

        Returns (on, off), each [B, M] float32. Raises ConfigError for a model that writes a mask and predicts no spectrograms.
        """
        if self.config.separator.head != "spectrogram":
            raise ConfigError(f"Model '{self.config.name}' writes masks, so its only reconstruction is 'editor'.")
        on, off = self.spectra(self.mixture(audio), self.features(frames, audio))
        return (
            synthesise(on.complex(), self.config.stft, raw=True),
            synthesise(off.complex(), self.config.stft, raw=True),
        )
