"""Windows cut out of stored clips: pictures and sound from a random start, at a random speed, cropped, flipped, lit and moved about."""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from avsep_plugin.config import ModelConfig

from .recipe import DataConfig
from .shards import INT16_SCALE, Segment, Shards

Random = np.random.Generator
Audio = npt.NDArray[np.float32]

_SMALLEST, _FARTHEST = 0.5, 0.8
_SOFTEST, _GRAIN = 0.35, 14.0
"""Damaged pictures are stored at down to that share of their size, with noise of up to so many grey levels RMS."""
_LOWEST_TREBLE_HZ = 2500.0


class Windows:
    """Cuts as a recipe's data section says. homes: the folder of shards in which a clip is stored, by the clip's key."""

    def __init__(self, data: DataConfig, model: ModelConfig, homes: dict[str, Shards]) -> None:
        self.data, self.model, self._homes = data, model, homes
        self.samples = model.window_samples(data.window_frames)

    def speed(self, random: Random) -> float:
        """How many times as fast picture and sound are played."""
        return float(1 + random.uniform(-self.data.speed, self.data.speed))

    def slack(self, clip: Segment, speed: float) -> int:
        """Frames by which the clip is longer than the window."""
        frames = int(clip.audio.shape[1] / self.samples_per_frame)
        return max(frames - int(np.ceil(self.data.window_frames * speed)), 0)

    @property
    def samples_per_frame(self) -> float:
        """Of the sound, while one picture is shown."""
        return float(self.model.sample_rate_hz / self.model.picture.frame_rate)

    def start(self, random: Random, clip: Segment, speed: float) -> int:
        """A start frame from which the window lies in the clip, where it is long enough."""
        return int(random.integers(self.slack(clip, speed) + 1))

    def shifted_starts(self, random: Random, clip: Segment, speed: float) -> tuple[int, int | None]:
        """Start frames of the picture and of the shifted sound, every pair equally likely; None where the clip is too short."""
        low, high = (round(float(seconds * self.model.picture.frame_rate)) for seconds in self.data.shift_seconds)
        slack = self.slack(clip, speed)
        if slack < low:
            return self.start(random, clip, speed), None
        shifts = np.arange(low, min(high, slack) + 1)
        places = slack - shifts + 1
        shift = int(random.choice(shifts, p=places / places.sum()))
        first = int(random.integers(slack - shift + 1))
        return (first, first + shift) if random.random() < 0.5 else (first + shift, first)

    def frames(self, random: Random, clip: Segment, start: int, speed: float) -> npt.NDArray[np.uint8]:
        """Window of pictures with one random crop, flip and brightness for all of them; of no size for a network that sees nothing."""
        if not self.model.sees:
            return np.zeros((self.data.window_frames, 0, 0, self.model.picture.channels), np.uint8)
        stored = self._homes[clip.key].frames(clip)
        index = np.minimum(start + np.rint(np.arange(self.data.window_frames) * speed).astype(int), len(stored) - 1)
        size = self.model.picture.crop_size
        if self.data.scattered and random.random() < self.data.scattered:
            frames = _scattered(random, stored[index], size)
        else:
            top, left = random.integers(self.model.picture.stored_size - size + 1, size=2)
            frames = stored[index, top : top + size, left : left + size]
        if self.data.flip and random.random() < 0.5:
            frames = frames[:, :, ::-1]
        if self.data.brightness:
            gain = 2 ** random.uniform(-self.data.brightness, self.data.brightness)
            offset = 128 * random.uniform(-self.data.brightness, self.data.brightness)
            table = np.clip((np.arange(256) - 128) * gain + 128 + offset, 0, 255).astype(np.uint8)
            frames = table[frames]
        if self._is_damaged(random):
            frames = _damaged(random, frames)
        return np.ascontiguousarray(frames)

    def _is_damaged(self, random: Random) -> bool:
        return bool(self.data.damage and random.random() < self.data.damage)

    def dulled(self, random: Random, *sounds: Audio) -> list[Audio]:
        """Sounds [..., N] of one mixture as they are, or all of them without their treble from one frequency on."""
        if not self._is_damaged(random):
            return list(sounds)
        edge = random.uniform(_LOWEST_TREBLE_HZ, self.model.sample_rate_hz / 2)
        frequencies = np.fft.rfftfreq(self.samples, 1 / self.model.sample_rate_hz)
        gain = 1 / (1 + (frequencies / edge) ** 24)
        return [np.fft.irfft(np.fft.rfft(sound) * gain, self.samples).astype(np.float32) for sound in sounds]

    def sound(self, clip: Segment, start: float, speed: float) -> Audio:
        """Window of sound [2, N] from a start frame on (not before the clip's own); silence where the clip has ended."""
        stored = self._homes[clip.key].audio(clip)
        first = max(0, round(start * self.samples_per_frame))
        piece = stored[:, first : first + int(np.ceil(self.samples * speed)) + 1].astype(np.float32) / INT16_SCALE
        if speed != 1.0:
            places = np.arange(self.samples) * speed
            piece = np.stack([np.interp(places, np.arange(piece.shape[1]), channel, right=0.0) for channel in piece]).astype(np.float32)
        piece = piece[:, : self.samples]
        return np.pad(piece, ((0, 0), (0, self.samples - piece.shape[1])))


def _damaged(random: Random, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """[T, H, W, C] stored smaller and enlarged again, with noise of its own in every picture."""
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, 1).float()
    size = pictures.shape[-2:]
    small = [max(4, round(side * random.uniform(_SOFTEST, 1))) for side in size]
    soft = nn.functional.interpolate(pictures, small, mode="bilinear", antialias=True)
    large = nn.functional.interpolate(soft, size, mode="bilinear").movedim(1, -1).numpy()
    grain = random.uniform(0, _GRAIN) * random.standard_normal(large.shape, np.float32)
    return np.asarray(np.clip(np.rint(large + grain), 0, 255), np.uint8)


def _scattered(random: Random, frames: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """[T, S, S, C] made smaller by a factor from 1/2 to 1, its middle anywhere in the inner four fifths of [T, size, size, C]."""
    step = size / frames.shape[1] / random.uniform(_SMALLEST, 1)
    right, down = -step * random.uniform(-_FARTHEST, _FARTHEST, size=2)
    where = torch.tensor([[step, 0, right], [0, step, down]], dtype=torch.float32)
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, 1).float()
    shape = [len(pictures), pictures.shape[1], size, size]
    grid = nn.functional.affine_grid(where.expand(len(pictures), -1, -1), shape, align_corners=False)
    moved = nn.functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    scattered: npt.NDArray[np.uint8] = moved.round().byte().movedim(1, -1).numpy()
    return scattered
