"""The rendered scenes on which localisation is measured: test identities only, one source that sounds, boxes in time.

talker      one talking face, anywhere in the picture
listener    two faces, left and right; one talks, the other listens with its mouth shut
two         two faces, left and right, that both talk; only one of them is heard
object      a bouncing ball or a struck bell, drum or bar, anywhere
any         a talking face, a ball or a struck object nearer to the middle, under off-screen voice and noise
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.scenes import TEST_IDENTITIES, SceneConfig, TalkingFace, Truth, random_config
from avsep_plugin.scenes.scene import STRUCK_KINDS, Ball, OnScreen, Part, Struck

from .localize_score import SoundingBox

_SIZE = (480, 270)
_DURATION_SECONDS = Fraction(4)
_UNHEARD_DB = -120.0
_AUDIBLE_DB = -30.0
"""A source sounds in a frame if the on-screen sound there is within this of its loudest frame."""


def talker(seed: int) -> SceneConfig:
    """One talking face whose middle is anywhere, as far as it fits into the picture."""
    rng = np.random.default_rng([1, seed])
    size = float(rng.uniform(0.25, 0.5))
    half_width = size / 2 * _SIZE[1] / _SIZE[0]
    face = TalkingFace(
        int(rng.choice(TEST_IDENTITIES)), x=float(rng.uniform(half_width, 1 - half_width)), y=float(rng.uniform(0.35, 0.7)), size=size
    )
    return _config(seed, face)


def talker_and_listener(seed: int) -> SceneConfig:
    """Two faces of one size; which of them talks is drawn."""
    return _config(seed, *_pair(np.random.default_rng([2, seed]), TalkingFace(0, speaks=False)))


def two_talkers(seed: int) -> SceneConfig:
    """Two faces of one size that move their mouths; which of them is heard is drawn."""
    return _config(seed, *_pair(np.random.default_rng([4, seed]), TalkingFace(0, level_db=_UNHEARD_DB)))


def _pair(rng: np.random.Generator, other: TalkingFace) -> list[TalkingFace]:
    """One face that is heard, and one like `other`, side by side."""
    who = rng.choice(TEST_IDENTITIES, size=2, replace=False)
    size, left_talks = float(rng.uniform(0.3, 0.45)), bool(rng.integers(2))
    places = (float(rng.uniform(0.25, 0.33)), float(rng.uniform(0.67, 0.75)))
    return [
        replace(TalkingFace(0) if talks else other, identity=int(identity), x=x, size=size)
        for identity, x, talks in zip(who, places, (left_talks, not left_talks), strict=True)
    ]


def thing(seed: int) -> SceneConfig:
    """A ball or a struck object anywhere."""
    rng = np.random.default_rng([3, seed])
    identity, x = int(rng.choice(TEST_IDENTITIES)), float(rng.uniform(0.2, 0.8))
    if rng.integers(2):
        return _config(seed, Ball(identity, x=x, y=float(rng.uniform(0.65, 0.95)), size=float(rng.uniform(0.12, 0.22))))
    body = STRUCK_KINDS[int(rng.integers(len(STRUCK_KINDS)))]
    return _config(seed, Struck(identity, kind=body, x=x, y=float(rng.uniform(0.35, 0.7)), size=float(rng.uniform(0.25, 0.45))))


def any_source(seed: int) -> SceneConfig:
    """The project's random scenes: faces and objects, with off-screen sound."""
    return random_config(seed, "test", _DURATION_SECONDS, _SIZE)


def _config(seed: int, *sources: OnScreen) -> SceneConfig:
    width, height = _SIZE
    return SceneConfig(sources, seed=seed, split="test", width=width, height=height, duration_seconds=_DURATION_SECONDS)


SCENES: dict[str, Callable[[int], SceneConfig]] = {
    "talker": talker,
    "listener": talker_and_listener,
    "two": two_talkers,
    "object": thing,
    "any": any_source,
}


def sounding_boxes(config: SceneConfig, truth: Truth) -> list[SoundingBox]:
    """The box of the source that sounds, frame by frame, where it is audible; a face's box is the whole face."""
    sounding = next(i for i, source in enumerate(config.on_screen) if _is_heard(source))
    part: Part = "face" if isinstance(config.on_screen[sounding], TalkingFace) else "object"
    boxes = truth.track(sounding, part)
    return [
        SoundingBox(index / float(truth.frame_rate), (index + 1) / float(truth.frame_rate), (x, y, width, height))
        for index, ((x, y, width, height), audible) in enumerate(zip(boxes.tolist(), _audible(truth, len(boxes)), strict=True))
        if audible
    ]


def _is_heard(source: OnScreen) -> bool:
    return source.level_db > _UNHEARD_DB and not (isinstance(source, TalkingFace) and not source.speaks)


def _audible(truth: Truth, frames: int) -> Iterator[bool]:
    """For each frame: is the on-screen sound within `_AUDIBLE_DB` of its loudest frame?"""
    mono: Float32 = truth.on.mean(axis=0)
    edges = [round(index / truth.frame_rate * truth.sample_rate_hz) for index in range(frames + 1)]
    powers = [float(np.mean(np.square(mono[start:stop]))) for start, stop in itertools.pairwise(edges)]
    least = max(powers) * 10 ** (_AUDIBLE_DB / 10)
    yield from (power > 0 and power >= least for power in powers)
