"""Ready-made scenes: clips for training, the demo, and random scenes of a split."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from avsep_plugin.clip import Float32, UInt8
from avsep_plugin.scenes.identity import Split, identities, scene_generator
from avsep_plugin.scenes.noise import NOISE_KINDS
from avsep_plugin.scenes.scene import (
    STRUCK_KINDS,
    Ball,
    OffScreen,
    OffScreenNoise,
    OffScreenVoice,
    OnScreen,
    SceneConfig,
    Struck,
    TalkingFace,
)
from avsep_plugin.scenes.stage import render

TRAINING_SAMPLE_RATE_HZ = 48000
_UNHEARD_DB = -120.0


@dataclass(frozen=True)
class TalkingClip:
    """One talking face and nothing else. frames: [N, H, W, 3] uint8; audio: [C, n] float32; identity: of the training split."""

    frames: UInt8
    frame_rate: Fraction
    audio: Float32
    sample_rate_hz: int
    identity: int


def training_clip(
    seed: int,
    seconds: float | Fraction = Fraction(3, 2),
    size: int | tuple[int, int] = 128,
    frame_rate: Fraction = Fraction(25),
    sample_rate_hz: int = TRAINING_SAMPLE_RATE_HZ,
    channels: int = 1,
) -> TalkingClip:
    """A talking face of the training split, alone, framed like news footage with some freedom of place and size.

    seed decides person, words and framing. size: width and height in pixels, or one number for a square.
    About a quarter of a second of processor time for 1.5 s of 128x128.
    """
    config = training_config(seed, seconds, size, frame_rate, sample_rate_hz, channels)
    scene = render(config)
    return TalkingClip(scene.frames, config.frame_rate, scene.on, sample_rate_hz, config.on_screen[0].identity)


def training_config(
    seed: int, seconds: float | Fraction, size: int | tuple[int, int], frame_rate: Fraction, sample_rate_hz: int, channels: int
) -> SceneConfig:
    """The scene of `training_clip`."""
    rng = scene_generator("training clip", "train", seed)
    width, height = (size, size) if isinstance(size, int) else size
    face = TalkingFace(
        identity=int(rng.choice(identities("train"))),
        x=float(rng.uniform(0.44, 0.56)),
        y=float(rng.uniform(0.39, 0.48)),
        size=float(rng.uniform(0.38, 0.52)),
        sway=float(rng.uniform(0.3, 1.5)),
    )
    return SceneConfig(
        on_screen=(face,),
        seed=seed,
        split="train",
        width=width,
        height=height,
        frame_rate=frame_rate,
        duration_seconds=Fraction(seconds).limit_denominator(1000),
        sample_rate_hz=sample_rate_hz,
        channels=channels,
    )


def places_config(seed: int, seconds: float | Fraction = Fraction(8, 5), size: tuple[int, int] = (144, 144)) -> SceneConfig:
    """A small face, ball or struck object of the training split at any place of the part that `mini` looks at, for training to tell where
    a sound comes from. Some faces have another one beside them, which listens with a shut mouth or talks without being heard."""
    rng = scene_generator("places", "train", seed)
    return SceneConfig(
        on_screen=_placed(rng),
        seed=seed,
        split="train",
        width=size[0],
        height=size[1],
        duration_seconds=Fraction(seconds).limit_denominator(1000),
        sample_rate_hz=TRAINING_SAMPLE_RATE_HZ,
        channels=1,
        snr_db=None,
    )


def _placed(rng: np.random.Generator) -> tuple[OnScreen, ...]:
    """The source that sounds comes first: the clip is named after it."""
    first, second = (int(identity) for identity in rng.choice(identities("train"), size=2, replace=False))

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    kind = float(rng.random())
    if kind < 0.4:
        return (TalkingFace(first, x=between(0.3, 0.72), y=between(0.4, 0.8), size=between(0.2, 0.5)),)
    if kind < 0.65:
        size, (x, other_x) = between(0.2, 0.28), rng.permutation([between(0.3, 0.38), between(0.64, 0.72)]).tolist()
        other = TalkingFace(second, x=other_x, y=between(0.4, 0.8), size=size, level_db=_UNHEARD_DB, speaks=bool(rng.integers(2)))
        return TalkingFace(first, x=x, y=between(0.4, 0.8), size=size), other
    if kind < 0.83:
        return (Ball(first, x=between(0.35, 0.67), y=between(0.65, 0.9), size=between(0.1, 0.2)),)
    struck = STRUCK_KINDS[int(rng.integers(len(STRUCK_KINDS)))]
    return (Struck(first, kind=struck, x=between(0.3, 0.7), y=between(0.45, 0.8), size=between(0.2, 0.4)),)


def demo_config(seed: int = 0, duration_seconds: Fraction = Fraction(10)) -> SceneConfig:
    """The demo: a talker in 640x360 at 25 pictures a second, with an off-screen voice and noise at 0 dB together; test split."""
    rng = scene_generator("demo", "test", seed)
    talker, other = (int(identity) for identity in rng.choice(identities("test"), size=2, replace=False))
    noise = NOISE_KINDS[int(rng.integers(len(NOISE_KINDS)))]
    return SceneConfig(
        on_screen=(TalkingFace(talker),),
        off_screen=(OffScreenVoice(other), OffScreenNoise(noise, level_db=-10.0)),
        seed=seed,
        duration_seconds=duration_seconds,
        snr_db=0.0,
    )


def random_config(
    seed: int, split: Split = "test", duration_seconds: Fraction = Fraction(4), size: tuple[int, int] = (640, 360)
) -> SceneConfig:
    """A scene of the split with one on-screen source of any kind at any place, and off-screen voice, noise, both or neither."""
    rng = scene_generator("random scene", split, seed)
    first, second = (int(identity) for identity in rng.choice(identities(split), size=2, replace=False))
    outside: list[OffScreen] = []
    if rng.random() < 0.6:
        outside.append(OffScreenVoice(second))
    if rng.random() < 0.6:
        outside.append(OffScreenNoise(NOISE_KINDS[int(rng.integers(len(NOISE_KINDS)))], level_db=float(rng.uniform(-12, 0))))
    return SceneConfig(
        on_screen=(_random_source(rng, first),),
        off_screen=tuple(outside),
        seed=seed,
        split=split,
        width=size[0],
        height=size[1],
        duration_seconds=duration_seconds,
        snr_db=float(rng.uniform(-3, 6)),
    )


def _random_source(rng: np.random.Generator, identity: int) -> OnScreen:
    """A face (every other time), ball or struck object somewhere in the picture."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    kind = int(rng.integers(4))
    if kind < 2:
        return TalkingFace(identity, x=between(0.25, 0.75), y=between(0.35, 0.5), size=between(0.25, 0.55))
    if kind == 2:
        return Ball(identity, x=between(0.3, 0.7), size=between(0.1, 0.22))
    body = STRUCK_KINDS[int(rng.integers(len(STRUCK_KINDS)))]
    return Struck(identity, kind=body, x=between(0.25, 0.65), y=between(0.5, 0.7), size=between(0.25, 0.45))
