"""The rendered scenes on which localisation is measured: test identities only, one source that sounds, boxes in time.

talker      one talking face, anywhere
listener    two faces, left and right; one talks, the other listens with its mouth shut
any         a talking face, a bouncing ball or a struck object, under off-screen voice and noise
"""

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.scenes import TEST_IDENTITIES, SceneConfig, TalkingFace, Truth, random_config
from avsep_plugin.scenes.scene import Part

from .localize_hits import SoundingBox

_SIZE = (480, 270)
_DURATION_SECONDS = Fraction(4)
_AUDIBLE_DB = -30.0
"""A source sounds in a frame if the on-screen sound there is within this of its loudest frame."""


def talker(seed: int) -> SceneConfig:
    """One talking face at a random place and size."""
    rng = np.random.default_rng([1, seed])
    face = TalkingFace(
        int(rng.choice(TEST_IDENTITIES)),
        x=float(rng.uniform(0.25, 0.75)),
        y=float(rng.uniform(0.38, 0.52)),
        size=float(rng.uniform(0.3, 0.5)),
    )
    return _config(seed, face)


def talker_and_listener(seed: int) -> SceneConfig:
    """Two faces of one size; which of them talks is drawn."""
    rng = np.random.default_rng([2, seed])
    who = rng.choice(TEST_IDENTITIES, size=2, replace=False)
    size, left_talks = float(rng.uniform(0.3, 0.45)), bool(rng.integers(2))
    places = (float(rng.uniform(0.25, 0.33)), float(rng.uniform(0.67, 0.75)))
    faces = [
        TalkingFace(int(identity), x=x, size=size, speaks=talks)
        for identity, x, talks in zip(who, places, (left_talks, not left_talks), strict=True)
    ]
    return _config(seed, *faces)


def any_source(seed: int) -> SceneConfig:
    """The project's random scenes: faces and objects, with off-screen sound."""
    return random_config(seed, "test", _DURATION_SECONDS, _SIZE)


def _config(seed: int, *faces: TalkingFace) -> SceneConfig:
    width, height = _SIZE
    return SceneConfig(faces, seed=seed, split="test", width=width, height=height, duration_seconds=_DURATION_SECONDS)


SCENES: dict[str, Callable[[int], SceneConfig]] = {"talker": talker, "listener": talker_and_listener, "any": any_source}


def sounding_boxes(config: SceneConfig, truth: Truth) -> list[SoundingBox]:
    """The box of the source that sounds, frame by frame, where it is audible; a face's box is the whole face."""
    sounding = next(i for i, source in enumerate(config.on_screen) if not (isinstance(source, TalkingFace) and not source.speaks))
    part: Part = "face" if isinstance(config.on_screen[sounding], TalkingFace) else "object"
    boxes = truth.track(sounding, part)
    return [
        SoundingBox(index / float(truth.frame_rate), (index + 1) / float(truth.frame_rate), (x, y, width, height))
        for index, ((x, y, width, height), audible) in enumerate(zip(boxes.tolist(), _audible(truth, len(boxes)), strict=True))
        if audible
    ]


def _audible(truth: Truth, frames: int) -> Iterator[bool]:
    """For each frame: is the on-screen sound within `_AUDIBLE_DB` of its loudest frame?"""
    mono: Float32 = truth.on.mean(axis=0)
    edges = [round(index / truth.frame_rate * truth.sample_rate_hz) for index in range(frames + 1)]
    powers = [float(np.mean(np.square(mono[start:stop]))) for start, stop in itertools.pairwise(edges)]
    least = max(powers) * 10 ** (_AUDIBLE_DB / 10)
    yield from (power > 0 and power >= least for power in powers)
