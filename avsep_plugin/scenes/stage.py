"""Puts a scene on: every source performs, the camera and the microphone record.

The performance has a clock of its own. For an offset d >= 0 the picture is recorded from d on and the sound from 0 on, for d < 0 the
sound from -d on and the picture from 0 on; both for the clip's duration. So the sound is late by exactly d, and nothing is padded:

    performance  0 ------ d ------------------------- duration ---- duration + d
    sound        [==================================)
    picture               [==================================)
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from avsep_plugin.clip import Float32, UInt8
from avsep_plugin.scenes import canvas
from avsep_plugin.scenes.articulation import CONTROL_RATE_HZ, Articulation
from avsep_plugin.scenes.backdrop import paint_backdrop
from avsep_plugin.scenes.face import Bearing, TalkingHead
from avsep_plugin.scenes.identity import identities, scene_generator
from avsep_plugin.scenes.looks import FaceLook
from avsep_plugin.scenes.noise import make_noise
from avsep_plugin.scenes.objects import BouncingBall, StruckObject
from avsep_plugin.scenes.scene import (
    Ball,
    BoxTrack,
    OffScreen,
    OffScreenVoice,
    OnScreen,
    Part,
    RenderedScene,
    SceneConfig,
    TalkingFace,
    Truth,
)
from avsep_plugin.scenes.voice import Speaker, Utterance, speak

LOUDEST = 0.98
"""Mixtures are turned down to this peak."""


class Figure(Protocol):
    """Something in the picture. Boxes are left, top, right, bottom in pixels."""

    def paint_still(self, picture: Float32) -> None: ...
    def paint(self, picture: Float32, time_seconds: float) -> None: ...
    def boxes(self, time_seconds: float) -> dict[Part, canvas.Box]: ...


@dataclass(frozen=True)
class Performance:
    """One on-screen source: its figure, its sound [n] float32 on the performance's clock (None: it is silent) and when that sets in."""

    figure: Figure
    sound: Float32 | None
    onsets: tuple[float, ...]


class Stage:
    """A scene ready to be recorded: sound and boxes are there, pictures are drawn when asked for."""

    def __init__(self, config: SceneConfig) -> None:
        self.config = config
        offset = config.offset_samples
        self._picture_start = Fraction(max(offset, 0), config.sample_rate_hz)
        self._sound_start = max(-offset, 0)
        length = config.sample_count + abs(offset)
        cast = [_perform(config, number, source, length) for number, source in enumerate(config.on_screen)]
        self._figures = [performance.figure for performance in cast]
        self._still = paint_backdrop(config.width, config.height, scene_generator("backdrop", config.split, config.seed))
        for figure in self._figures:
            figure.paint_still(self._still)
        self.truth = self._record(cast, length)

    def frames(self) -> Iterator[UInt8]:
        """The pictures one by one, each [H, W, 3] uint8."""
        for index in range(self.config.frame_count):
            picture = self._still.copy()
            for figure in self._figures:
                figure.paint(picture, self._time(index))
            yield canvas.to_frame(picture)

    def _time(self, index: int) -> float:
        """Middle of frame `index` on the performance's clock."""
        return float(self._picture_start + (index + Fraction(1, 2)) / self.config.frame_rate)

    def _record(self, cast: list[Performance], length: int) -> Truth:
        config = self.config
        on = np.zeros((config.channels, length), dtype=np.float32)
        off = np.zeros_like(on)
        for source, performance in zip(config.on_screen, cast, strict=True):
            if performance.sound is not None:
                on += _placed(performance.sound, source.level_db, 0.3 + 0.4 * source.x, config.channels)
        for number, outside in enumerate(config.off_screen):
            side = float(scene_generator("pan", config.split, config.seed, number).uniform(0.3, 0.7))
            off += _placed(_off_screen_sound(config, number, outside, length), outside.level_db, side, config.channels)
        window = slice(self._sound_start, self._sound_start + config.sample_count)
        on, off = _balance(on[:, window], off[:, window], config.snr_db)
        start_seconds = self._sound_start / config.sample_rate_hz
        end_seconds = start_seconds + float(config.duration_seconds)
        sounding = sum(performance.sound is not None for performance in cast)
        return Truth(
            on=on,
            off=off,
            sample_rate_hz=config.sample_rate_hz,
            tracks=tuple(self._tracks(cast)),
            onsets=tuple(tuple(t - start_seconds for t in p.onsets if start_seconds <= t < end_seconds) for p in cast),
            frame_rate=config.frame_rate,
            offset_seconds=Fraction(config.offset_samples, config.sample_rate_hz),
            source_count=sounding + len(config.off_screen),
            on_count=sounding,
        )

    def _tracks(self, cast: list[Performance]) -> Iterator[BoxTrack]:
        size = np.array([self.config.width, self.config.height] * 2, dtype=np.float64)
        for number, performance in enumerate(cast):
            seen = [performance.figure.boxes(self._time(index)) for index in range(self.config.frame_count)]
            for part in seen[0]:
                corners = np.clip(np.array([boxes[part] for boxes in seen]) / size, 0.0, 1.0)
                xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
                yield BoxTrack(number, part, xywh.astype(np.float32))


def render(config: SceneConfig) -> RenderedScene:
    """Render a whole scene into memory; for long scenes take `Stage(config)` and its `frames()` one by one."""
    stage = Stage(config)
    truth = {field.name: getattr(stage.truth, field.name) for field in dataclasses.fields(stage.truth)}
    return RenderedScene(**truth, frames=np.stack(list(stage.frames())))


def _key(config: SceneConfig, *numbers: int) -> tuple[int, ...]:
    return (identities(config.split).start, config.seed, *numbers)


def _perform(config: SceneConfig, number: int, source: OnScreen, length: int) -> Performance:
    seconds = length / config.sample_rate_hz
    short, x, y = min(config.width, config.height), source.x * config.width, source.y * config.height
    if isinstance(source, TalkingFace):
        return _talk(config, number, source, length)
    if isinstance(source, Ball):
        radius = source.size * short / 2
        height = max(radius, 0.9 * y - 2 * radius)
        key = _key(config, number)
        ball = BouncingBall(source.identity, seconds, x, y, radius, source.reach * config.width, height, *key)
        return Performance(ball, ball.sound(length, config.sample_rate_hz), ball.onsets)
    struck = StruckObject(source.identity, source.kind, seconds, x, y, source.size * short / 2, *_key(config, number))
    return Performance(struck, struck.sound(length, config.sample_rate_hz), struck.onsets)


def _talk(config: SceneConfig, number: int, source: TalkingFace, length: int) -> Performance:
    seconds = length / config.sample_rate_hz
    spoken = speak(Speaker.of(source.identity), seconds, config.sample_rate_hz, *_key(config, number)) if source.speaks else None
    head = TalkingHead(
        FaceLook.of(source.identity),
        spoken.score.articulation if spoken else Articulation.at_rest(),
        Bearing.of(seconds, *_key(config, number)),
        x=source.x * config.width,
        y=source.y * config.height,
        half_width=source.size * min(config.width, config.height) / 2,
        sway=source.sway,
    )
    if spoken is None:
        return Performance(head, None, ())
    return Performance(head, spoken.samples, _phrase_onsets(spoken))


def _phrase_onsets(spoken: Utterance) -> tuple[float, ...]:
    """Where the planned loudness first passes a tenth of a full vowel after each pause."""
    score = spoken.score
    loud = np.hypot(np.hypot(score.voiced, score.breath), score.friction) > 0.1
    onsets = []
    for start in score.phrases:
        first = max(0, int((start - 0.05) * CONTROL_RATE_HZ))
        hits = np.flatnonzero(loud[first:])
        if len(hits):
            onsets.append((first + int(hits[0])) / CONTROL_RATE_HZ)
    return tuple(onsets)


def _off_screen_sound(config: SceneConfig, number: int, source: OffScreen, length: int) -> Float32:
    key = _key(config, 1000 + number)
    if isinstance(source, OffScreenVoice):
        return speak(Speaker.of(source.identity), length / config.sample_rate_hz, config.sample_rate_hz, *key).samples
    return make_noise(source.kind, length, config.sample_rate_hz, *key)


def _placed(sound: Float32, level_db: float, side: float, channels: int) -> Float32:
    """[n] -> [channels, n]: one channel takes it as it is; else the first two share it (side 0 = left, 1 = right), others get half."""
    gains = np.full((channels, 1), 0.5 if channels > 2 else 1.0, dtype=np.float32)
    if channels > 1:
        gains[:2, 0] = np.sqrt(2 * (1 - side)), np.sqrt(2 * side)
    return np.asarray(gains * np.float32(10 ** (level_db / 20)) * sound, dtype=np.float32)


def _balance(on: Float32, off: Float32, snr_db: float | None) -> tuple[Float32, Float32]:
    """Bring the off-screen sound to the wanted distance from the on-screen sound; both down together where the mixture is too loud."""
    on_rms, off_rms = (float(np.sqrt(np.mean(stem.astype(np.float64) ** 2))) for stem in (on, off))
    if snr_db is not None and on_rms > 0 and off_rms > 0:
        off = off * np.float32(on_rms / off_rms * 10 ** (-snr_db / 20))
    peak = max(float(np.abs(stem).max()) for stem in (on + off, on, off))
    gain = np.float32(min(1.0, LOUDEST / peak) if peak > 0 else 1.0)
    return np.ascontiguousarray(on * gain), np.ascontiguousarray(off * gain)
