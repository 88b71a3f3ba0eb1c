"""Fixed mixtures of held-out pieces: the same shards give the same list, so that before and after are compared sample by sample.

    voices    a piece under a piece of another recording and another speaker, at 0 dB; the wrong picture is the other one's
    noise     a piece under a noise, at 0 dB; the wrong picture is of somebody who is not heard

A mixture is as long as the shorter of its two sounds, so that there is something to take away in all of it.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from avsep_plugin.errors import DataError
from avsep_plugin.media.read import centre_crop

from .finetune_check import QUIET_RMS, loudness
from .finetune_prepare import FOOTAGE, NOISE, source
from .mixing import Mixture
from .shards import INT16_SCALE, Segment, Shards
from .takes import FEWEST_TEST, Take

Kind = Literal["voices", "noise"]
COUNTS: dict[Kind, int] = {"voices": 64, "noise": 32}
_SEED = 2018
_LEAST_SECONDS = 0.6


@dataclass(frozen=True)
class HeldOut:
    """One mixture; segments go by their keys in the shards of the test, recordings and noises by their names."""

    kind: Kind
    target: str
    other: str
    wrong: str
    """Whose picture is shown as the wrong one."""
    frames: int
    target_recording: str
    other_recording: str
    """For noise: the noise itself."""
    target_speaker: str


@dataclass(frozen=True)
class Piece:
    """A held-out piece and where it comes from."""

    segment: Segment
    recording: str
    speaker: str
    frames: int

    def may_meet(self, other: "Piece") -> bool:
        """Whether the two may be mixed."""
        return self.recording != other.recording and self.speaker != other.speaker


def held_out(shards: Shards, takes: Sequence[Take], counts: Mapping[Kind, int] = COUNTS) -> list[HeldOut]:
    """So many mixtures of each kind, recordings used as evenly as can be.

    Raises DataError where what is left of the recordings is of fewer than three, or nothing of it may be mixed.
    """
    of_source = {source(take): take for take in takes}
    pieces, noises = [], []
    for segment in shards.segments:
        frames = int(segment.audio.shape[1] / shards.store.samples_per_frame)
        if segment.corpus == FOOTAGE and frames >= _LEAST_SECONDS * shards.store.picture.frame_rate:
            take = of_source[segment.source]
            pieces.append(Piece(segment, take.recording, take.speaker, frames))
        elif segment.corpus == NOISE and loudness(shards, segment) >= QUIET_RMS:
            noises.append(Piece(segment, segment.source, segment.source, frames))
    recordings = {piece.recording for piece in pieces}
    if len(recordings) < FEWEST_TEST:
        raise DataError(
            f"Of the recordings to test {len(recordings)} have pieces whose sound belongs to the picture; it takes {FEWEST_TEST}."
        )
    rng = random.Random(_SEED)
    voices = _drawn("voices", pieces, pieces, pieces, counts["voices"], rng)
    return voices + (_drawn("noise", pieces, noises, pieces, counts["noise"], rng) if noises else [])


def _drawn(
    kind: Kind, targets: Sequence[Piece], others: Sequence[Piece], strangers: Sequence[Piece], count: int, rng: random.Random
) -> list[HeldOut]:
    """Recordings take turns as the target; the least used piece of each meets the least used of the others."""
    of_recording = defaultdict(list)
    for piece in targets:
        of_recording[piece.recording].append(piece)
    used: Counter[str] = Counter()

    def least_used(choices: Sequence[Piece]) -> Piece:
        chosen = min(choices, key=lambda piece: (used[piece.recording], used[piece.segment.key], rng.random()))
        used.update((chosen.recording, chosen.segment.key))
        return chosen

    drawn: dict[tuple[str, str], HeldOut] = {}
    for recording in (name for _ in range(-(-count // len(of_recording))) for name in sorted(of_recording)):
        target = min(of_recording[recording], key=lambda piece: (used[f"as target {piece.segment.key}"], rng.random()))
        free = [other for other in others if target.may_meet(other) and (target.segment.key, other.segment.key) not in drawn]
        if not free or len(drawn) >= count:
            continue
        used[f"as target {target.segment.key}"] += 1
        other = least_used(free)
        apart = [piece for piece in strangers if target.may_meet(piece)]
        wrong = other if kind == "voices" else rng.choice(apart) if apart else None
        if wrong is not None:
            drawn[target.segment.key, other.segment.key] = HeldOut(
                kind, target.segment.key, other.segment.key, wrong.segment.key, min(target.frames, other.frames),
                target.recording, other.recording, target.speaker,
            )  # fmt: skip
    if not drawn:
        raise DataError("Nothing of the recordings to test may be mixed: all that is left of them shows one person.")
    return list(drawn.values())


class Shelf:
    """The sounds and pictures of mixtures, out of the shards of the test."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._segments = {segment.key: segment for segment in shards.segments}

    def sounds(self, mixture: HeldOut) -> Mixture:
        """What is mixed, in two channels at the store's rate, of equal power on the mono means."""
        length = int(mixture.frames * self._shards.store.samples_per_frame)
        target, other = (self._sound(key)[:, :length] for key in (mixture.target, mixture.other))
        powers = [float(sound.mean(dim=0).double().square().sum()) for sound in (target, other)]
        return Mixture(target, other * (powers[0] / max(powers[1], 1e-12)) ** 0.5, self._shards.store.sample_rate_hz)

    def pictures(self, key: str, frames: int) -> Tensor:
        """[frames, c, c, C] uint8 of a piece, from its beginning; the last one is held where it is shorter."""
        stored = centre_crop(self._shards.frames(self._segments[key]), self._shards.store.picture)
        index: npt.NDArray[np.intp] = np.minimum(np.arange(frames), len(stored) - 1)
        return torch.from_numpy(np.ascontiguousarray(stored[index]))

    def _sound(self, key: str) -> Tensor:
        return torch.from_numpy(self._shards.audio(self._segments[key]).astype(np.float32) / INT16_SCALE)
