"""Evaluation mixtures in memory: a row of a list -> target, interferer and pictures, exactly as an editor's file would hold them."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from avsep_plugin.config import PictureConfig
from avsep_plugin.dsp.resample import resample
from avsep_plugin.errors import DataError, MediaNotFoundError
from avsep_plugin.media.read import AudioReader, FrameReader, centre_crop

from .mixtures import MixtureRow

_CLIPS_KEPT = 64
LONGEST_SECONDS = 60
"""No more of a file is looked at."""
BLANK_LEVEL = 128
"""The blank picture is a uniform mid-grey: no face, no motion."""


@dataclass(frozen=True)
class Mixture:
    """Two sounds [C, n] float32 of one rate and length; their sum is what the separator gets."""

    target: Tensor
    interferer: Tensor
    sample_rate_hz: int

    @property
    def sound(self) -> Tensor:
        """[C, n] the mixture."""
        return self.target + self.interferer


@dataclass(frozen=True)
class Sound:
    """A decoded clip: samples [C, n] and the time of the first one on the file's clock."""

    samples: Tensor
    sample_rate_hz: int
    start_seconds: Fraction


class ClipShelf:
    """Decoded clips of a data folder; the last few dozen are kept, so that all rows of a mixture decode each clip once."""

    def __init__(self, data: Path) -> None:
        if not data.is_dir():
            raise DataError(f"{data} is not a folder with evaluation data.")
        self.data = data
        self.sound = lru_cache(_CLIPS_KEPT)(self._sound)
        self.frames = lru_cache(_CLIPS_KEPT)(self._frames)

    def _sound(self, name: str) -> Sound:
        """The whole sound of a clip. Raises DataError where the list names a clip that is not there."""
        try:
            with AudioReader(self.data / name) as reader:
                samples = torch.from_numpy(reader.read(reader.sample_rate_hz * LONGEST_SECONDS).copy())
                return Sound(samples, reader.sample_rate_hz, reader.start_seconds)
        except MediaNotFoundError as exc:
            raise DataError(f"{self.data} lacks {name}, which the list of mixtures names; is it the right data folder?") from exc

    def _frames(self, name: str, start_seconds: float, duration_seconds: float, picture: PictureConfig) -> Tensor:
        """[N, c, c, 3] uint8 of a part of a clip, counted from its first sample."""
        start = self.sound(name).start_seconds + Fraction(start_seconds).limit_denominator(10000)
        count = max(1, round(Fraction(duration_seconds) * picture.frame_rate))
        with FrameReader(self.data / name, picture.frame_rate, start, picture) as reader:
            return torch.from_numpy(centre_crop(reader.read(count), picture).copy())

    def mixture(self, row: MixtureRow) -> Mixture:
        """The sounds of a row at the target's own rate and channels.

        The interferer is resampled, cut or padded with silence to the target's length and scaled to the row's level, which is
        the power ratio of the two mono means over that length.
        """
        target, interferer = self.sound(row.target), self.sound(row.interferer)
        rate = target.sample_rate_hz
        length = round(row.duration_seconds * rate)
        wanted = part(target.samples, row.target_start_seconds, length, rate)
        other = with_channels(resample(interferer.samples, interferer.sample_rate_hz, rate), wanted.shape[0])
        other = part(other, row.interferer_start_seconds, length, rate)
        energies = [sound.mean(dim=0).double().square().sum() for sound in (wanted, other)]
        if min(energies) == 0:
            raise DataError(f"{row.target} and {row.interferer} cannot be mixed at {row.level_db:g} dB: one of them is silent.")
        gain = torch.sqrt(energies[0] / energies[1]) * 10 ** (-row.level_db / 20)
        return Mixture(wanted, other * gain.float(), rate)


def part(samples: Tensor, start_seconds: float, length: int, sample_rate_hz: int) -> Tensor:
    """[C, length] from a start on, zero-padded where the sound ends before."""
    start = round(start_seconds * sample_rate_hz)
    found = samples[:, start : start + length]
    return torch.nn.functional.pad(found, (0, length - found.shape[1]))


def with_channels(samples: Tensor, channels: int) -> Tensor:
    """[C, n] -> [channels, n] with the same mono mean: unchanged where C fits, otherwise the mean in every channel."""
    if samples.shape[0] == channels:
        return samples
    return samples.mean(dim=0, keepdim=True).expand(channels, -1)


def blank(picture: PictureConfig) -> Tensor:
    """[1, c, c, 3] uint8: the picture that shows nothing."""
    return torch.full((1, picture.crop_size, picture.crop_size, 3), BLANK_LEVEL, dtype=torch.uint8)
