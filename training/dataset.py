"""shards -> batches. Item i of batch n is a function of the seed, n and i alone, so that a resumed run sees what it would have seen, and
several processes draw one batch between them, each its own items."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .pools import Pools, drawn, pick
from .recipe import Recipe
from .shards import Segment, Shards
from .splits import class_labels
from .windows import Audio, Random, Windows

_QUIET_RMS = 3e-3
_TRIES = 8
_SEAM_SECONDS = 0.06


@dataclass  # none of these is frozen: Fabric's mixed precision sets their tensors anew
class AlignBatch:
    """frames [B, T, c, c, C] uint8; the sound that belongs to them and one that does not, each [B, 2, N] float32."""

    frames: Tensor
    aligned: Tensor
    shifted: Tensor


@dataclass
class MixBatch:
    """frames [B, T, c, c, C] uint8; on-screen sound [B, 2, N] and R off-screen sounds for each [B, R, 2, N] float32."""

    frames: Tensor
    on: Tensor
    off: Tensor


@dataclass
class ActionBatch:
    """frames [B, T, c, c, C] uint8, sound [B, 2, N] float32, place of the right class in the model's list [B] int64."""

    frames: Tensor
    audio: Tensor
    labels: Tensor


Batch = AlignBatch | MixBatch | ActionBatch


class Batches:
    """Draws batches from one or more folders of shards, which must be stored alike.

    Raises DataError where a corpus that the recipe names is not there, or nothing has a picture.
    """

    def __init__(self, shards: list[Shards], recipe: Recipe) -> None:
        self.recipe, self.data, self.model = recipe, recipe.data, recipe.model
        self.pools = Pools(shards, recipe)
        self.labels = class_labels(self.pools.seen, self.model.classes) if self.model.task == "action" else {}
        self.windows = Windows(self.data, self.model, self.pools.homes)

    def batch(self, step: int, size: int, first: int = 0) -> Batch:
        """Items [first, first + size) of batch number `step` of the recipe's task."""
        if self.recipe.loss == "action":
            return self.action(step, size, first)
        return self.align(step, size, first) if self.recipe.loss == "align" else self.mix(step, size, first)

    def action(self, step: int, size: int, first: int = 0) -> ActionBatch:
        """Items [first, first + size) of a batch of clips with the classes that they belong to."""
        items = [self._action_item(self._random(step, number)) for number in range(first, first + size)]
        return ActionBatch(*(torch.from_numpy(np.stack(parts)) for parts in zip(*items, strict=True)))

    def align(self, step: int, size: int, first: int = 0) -> AlignBatch:
        """Items [first, first + size) of a batch of the pretext task."""
        items = [self._align_item(self._random(step, number)) for number in range(first, first + size)]
        return AlignBatch(*(torch.from_numpy(np.stack(parts)) for parts in zip(*items, strict=True)))

    def mix(self, step: int, size: int, first: int = 0) -> MixBatch:
        """Items [first, first + size) of a batch of mix-and-separate; they are drawn in pairs, of which one may lie outside."""
        pairs = range(first // 2, (first + size + 1) // 2)
        items = [item for number in pairs for item in self._whole_pair(self._random(step, number))][first % 2 :][:size]
        return MixBatch(*(torch.from_numpy(np.stack(parts)) for parts in zip(*items, strict=True)))

    def _random(self, step: int, number: int) -> Random:
        return np.random.default_rng((self.recipe.seed, step, number))

    def _whole_pair(self, random: Random) -> list[tuple[npt.NDArray[np.uint8], Audio, Audio]]:
        """A pair with the damage that its sounds have in common."""
        (seen, on, off), (other_seen, other_on, other_off) = self._pair(random)
        on, off, other_on, other_off = self.windows.dulled(random, on, off, other_on, other_off)
        return [(seen, on, off), (other_seen, other_on, other_off)]

    def _pair(self, random: Random) -> list[tuple[npt.NDArray[np.uint8], Audio, Audio]]:
        return self._partners(random) if random.random() < self.data.partners else [self._mix_item(random), self._mix_item(random)]

    def _align_item(self, random: Random) -> tuple[npt.NDArray[np.uint8], Audio, Audio]:
        pool = self.pools.clips(random)
        clip = pick(random, pool)
        speed = self.windows.speed(random)
        start, other_start = self.windows.shifted_starts(random, clip, speed)
        frames, aligned = self.windows.frames(random, clip, start, speed), self.windows.sound(clip, start, speed)
        if self.data.negatives == "other" or other_start is None or (self.data.negatives == "both" and random.random() < 0.5):
            other = pick(random, pool, unlike=clip)
            wrong = self.windows.sound(other, self.windows.start(random, other, speed), speed)
        else:
            wrong = self.windows.sound(clip, other_start, speed)
        if self.data.mixed and random.random() < self.data.mixed:
            off = self._interferer(random, clip, aligned)
            aligned, wrong = aligned + off, wrong + off
        if self.data.silent and random.random() < self.data.silent:
            wrong = np.zeros_like(wrong)
        return frames, aligned, wrong

    def _action_item(self, random: Random) -> tuple[npt.NDArray[np.uint8], Audio, np.int64]:
        clip = pick(random, self.pools.clips(random))
        speed = self.windows.speed(random)
        start = self.windows.start(random, clip, speed)
        frames = self.windows.frames(random, clip, start, speed)
        late = random.uniform(-self.data.jitter_frames, self.data.jitter_frames)
        return frames, self.windows.sound(clip, start + late, speed), np.int64(self.labels[clip.key])

    def _partners(self, random: Random) -> list[tuple[npt.NDArray[np.uint8], Audio, Audio]]:
        """Two clips of one corpus, or one and itself turned, each with the other's sound as its first off-screen one: one mixture, two
        pictures."""
        pool = self.pools.clips(random)
        first = pick(random, pool)
        if self.data.turned and random.random() < self.data.turned:
            clips = (first, first)
            seen = self._turned(random, *self._window(random, first))
        else:
            clips = (first, pick(random, pool, unlike=first))
            seen = [self._window(random, clip) for clip in clips]
        (_, sound), (_, other) = seen
        level = self._level(random) * _rms(sound) / max(_rms(other), 1e-6)
        under = self._background(random, first, sound)  # of the one mixture that both pictures belong to
        partners = (level * other + under, (sound + under) / max(level, 1e-6))
        return [
            (frames, on, self._interferers(random, clip, on, partner))
            for clip, (frames, on), partner in zip(clips, seen, partners, strict=True)
        ]

    def _turned(self, random: Random, frames: npt.NDArray[np.uint8], sound: Audio) -> list[tuple[npt.NDArray[np.uint8], Audio]]:
        """A window, and the same window begun somewhere in its middle and gone on with at its beginning.

        One has a seam and the other has none, which must not tell them apart: both sounds are faded out and in where the seam is.
        """
        quarter = self.data.window_frames // 4
        turn = int(random.integers(quarter, self.data.window_frames - quarter))
        shift = round(turn * self.windows.samples_per_frame)
        seam = self.windows.samples - shift
        turned = np.roll(frames, -turn, axis=0), self._faded(np.roll(sound, -shift, axis=1), seam)
        return [(frames, self._faded(sound, seam)), turned]

    def _faded(self, sound: Audio, seam: int) -> Audio:
        """The sound with a gap of _SEAM_SECONDS around a sample, a raised cosine deep to silence."""
        half = round(_SEAM_SECONDS / 2 * self.model.sample_rate_hz)
        away = np.clip(np.abs(np.arange(sound.shape[1]) - seam) / half, 0, 1)
        return (sound * (0.5 - 0.5 * np.cos(np.pi * away))).astype(np.float32)

    def _mix_item(self, random: Random) -> tuple[npt.NDArray[np.uint8], Audio, Audio]:
        """A clip with off-screen sounds of the corpora that the recipe names."""
        clip = pick(random, self.pools.clips(random))
        frames, on = self._window(random, clip)
        if self.data.alone and random.random() < self.data.alone:
            return frames, on, np.zeros((self.data.mixtures_per_clip, *on.shape), np.float32)
        return frames, on, self._interferers(random, clip, on)

    def _window(self, random: Random, clip: Segment) -> tuple[npt.NDArray[np.uint8], Audio]:
        """Pictures and sound of a random window."""
        speed = self.windows.speed(random)
        start = self.windows.start(random, clip, speed)
        frames, sound = self.windows.frames(random, clip, start, speed), self.windows.sound(clip, start, speed)
        return self._rested(random, frames, sound) if self.data.resting and random.random() < self.data.resting else (frames, sound)

    def _rested(self, random: Random, frames: npt.NDArray[np.uint8], sound: Audio) -> tuple[npt.NDArray[np.uint8], Audio]:
        """The window begun later: its first picture is held until then, in silence."""
        quarter = self.data.window_frames // 4
        rest = int(random.integers(quarter, self.data.window_frames - quarter + 1))
        late = round(rest * self.windows.samples_per_frame)
        held = np.concatenate([np.repeat(frames[:1], rest, axis=0), frames[:-rest]])
        return held, np.pad(sound, ((0, 0), (late, 0)))[:, : self.windows.samples]

    def _interferers(self, random: Random, clip: Segment, on: Audio, *given: Audio) -> Audio:
        """[R, 2, N]: the given off-screen sounds, and drawn ones for the rest."""
        count = self.data.mixtures_per_clip - len(given)
        drawn = [self._interferer(random, clip, on) + self._background(random, clip, on) for _ in range(count)]
        return np.stack([*given, *drawn]).astype(np.float32)

    def _background(self, random: Random, clip: Segment, on: Audio) -> Audio:
        """A third sound, or most often silence."""
        if not self.data.background or random.random() >= self.data.background:
            return np.zeros_like(on)
        return self._against(random, clip, on, self.pools.corpora[drawn(random, self.data.backgrounds)])

    def _level(self, random: Random) -> float:
        return float(10 ** (random.uniform(-self.data.level_db, self.data.level_db) / 20))

    def _interferer(self, random: Random, clip: Segment, on: Audio) -> Audio:
        """An off-screen sound at a random level against the on-screen one."""
        kind = drawn(random, self.data.interferers)
        return self._against(random, clip, on, self.pools.corpora[clip.corpus if kind == "same" else kind])

    def _against(self, random: Random, clip: Segment, on: Audio, pool: list[Segment]) -> Audio:
        """A sound of `pool` at a random level against the on-screen one."""
        sound = np.zeros_like(on)
        for _ in range(_TRIES):
            other = pick(random, pool, unlike=clip)
            speed = self.windows.speed(random)
            sound = self.windows.sound(other, self.windows.start(random, other, speed), speed)
            if _rms(sound) > _QUIET_RMS:
                break
        return np.asarray(sound * (self._level(random) * _rms(on) / max(_rms(sound), 1e-6)), np.float32)


def _rms(sound: Audio) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))
