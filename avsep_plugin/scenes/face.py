"""A drawn talking head: an illustration whose mouth follows an `Articulation`.

Everything is in face units: origin in the middle of the face, 1 = half its width, u to the right, v downwards.

    v = -1.3  top of the skull        v = -0.12 eyes        v = 0.30 tip of the nose        v = 0.66 mouth        v = 1.3 chin

Body and back hair stand still and are painted once; the head sways a little, nods with the emphasis, blinks and looks about.
"""

from dataclasses import dataclass

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.scenes.articulation import Articulation
from avsep_plugin.scenes.body import paint_body
from avsep_plugin.scenes.canvas import Box, Brush, Pose, arc, both, box, either, ellipse, mix, outline, outside, stroke
from avsep_plugin.scenes.hair import paint_back_hair, paint_front_hair
from avsep_plugin.scenes.identity import generator
from avsep_plugin.scenes.looks import FaceLook
from avsep_plugin.scenes.mouth import MouthShape, paint_mouth
from avsep_plugin.scenes.scene import Part
from avsep_plugin.scenes.skull import skull

MOUTH_V = 0.66
EYE_V = -0.12
BLINK_SECONDS = 0.16


@dataclass(frozen=True)
class Bearing:
    """The rhythm of a head that is not speech: amplitudes and rates of its sway, times of its blinks. All from the key."""

    rates_hz: tuple[float, ...]
    phases: tuple[float, ...]
    blinks: tuple[float, ...]

    @classmethod
    def of(cls, duration_seconds: float, *key: int) -> "Bearing":
        """Draw one for that long; the integers of the key decide."""
        rng = generator("bearing", *key)
        rates, phases = tuple(rng.uniform(0.12, 0.55, 5)), tuple(rng.uniform(0, 2 * np.pi, 5))
        blinks = [float(rng.uniform(0.2, 3.0))]
        while blinks[-1] < duration_seconds:
            blinks.append(blinks[-1] + float(rng.uniform(1.5, 5.0)))
        return cls(rates, phases, tuple(blinks))

    def wave(self, index: int, time_seconds: float) -> float:
        """One of five slow waves in [-1, 1]."""
        return float(np.sin(2 * np.pi * self.rates_hz[index] * time_seconds + self.phases[index]))

    def eyelid(self, time_seconds: float) -> float:
        """0 = open, 1 = shut."""
        nearest = min(abs(time_seconds - blink) for blink in self.blinks)
        return float(np.clip(1.6 * (1 - nearest / (BLINK_SECONDS / 2)), 0.0, 1.0))


class TalkingHead:
    """A face at a place of the picture. x, y: centre of the face in pixels; half_width: half of its width in pixels.

    sway: 0 = the head stands still, 1 = natural.
    """

    def __init__(self, look: FaceLook, mouth: Articulation, bearing: Bearing, x: float, y: float, half_width: float, sway: float) -> None:
        self.look, self.mouth, self.bearing, self.sway = look, mouth, bearing, sway
        self.rest = Pose(x, y, half_width)

    def pose(self, time_seconds: float) -> Pose:
        """Where the head is at a time."""
        wave = self.bearing.wave
        nod = self.mouth.at(time_seconds)[4]
        return Pose(
            self.rest.x + self.sway * self.rest.scale * 0.05 * wave(0, time_seconds),
            self.rest.y + self.sway * self.rest.scale * (0.02 * wave(1, time_seconds) + 0.035 * nod),
            self.rest.scale,
            self.sway * 0.035 * wave(2, time_seconds),
        )

    def mouth_shape(self, time_seconds: float) -> MouthShape:
        """The posture of the mouth at a time, in face units."""
        opening, width, closure, teeth, _ = self.mouth.at(time_seconds)
        return MouthShape.of(self.look, MOUTH_V, opening, width, closure, teeth)

    def boxes(self, time_seconds: float) -> dict[Part, Box]:
        """{"face", "mouth"}: left, top, right, bottom in pixels at a time."""
        pose, height = self.pose(time_seconds), self.look.height
        face = pose.bounds((-1.05, -height - 0.1, 1.05, height + 0.12))
        return {"face": face, "mouth": pose.bounds(self.mouth_shape(time_seconds).box)}

    def paint_still(self, picture: Float32) -> None:
        """Paint what does not move: hair behind the shoulders, neck, clothes."""
        brush = Brush(picture, self.rest)
        paint_back_hair(brush, self.look)
        paint_body(brush, self.look)

    def paint(self, picture: Float32, time_seconds: float) -> None:
        """Paint the head as it is at a time over the picture [3, H, W] float32 in [0, 1]."""
        look, shape = self.look, self.mouth_shape(time_seconds)
        turn = 0.05 * self.sway * self.bearing.wave(3, time_seconds)
        brush = Brush(picture, self.pose(time_seconds))
        _paint_skin(brush, look, jaw_drop=0.22 * shape.drop)
        inner = Brush(picture, Pose(*brush.pose.to_pixels(turn, 0.0), brush.pose.scale, brush.pose.tilt))
        _paint_nose(inner, look)
        gaze = 0.03 * np.sign(self.bearing.wave(4, time_seconds)) * self.sway
        lift = 0.05 * self.sway * self.mouth.at(time_seconds)[4]
        for side in (-1.0, 1.0):
            _paint_eye(inner, look, side, self.bearing.eyelid(time_seconds), gaze, lift)
        paint_mouth(brush, look, shape)
        paint_front_hair(brush, look)
        if look.glasses:
            _paint_glasses(inner, look)


def _paint_skin(brush: Brush, look: FaceLook, jaw_drop: float) -> None:
    h = look.height
    neck = box(-0.5, 0.5, 0.5, h + 0.6)
    brush.fill((-0.5, 0.7, 0.5, h + 0.5), ellipse(0, h - 0.02 + jaw_drop, 0.8, 0.24), look.shade, alpha=0.55, soft=0.18, within=neck)
    for side in (-1.0, 1.0):
        ear = ellipse(side * 1.0, 0.02, 0.13, 0.24)
        brush.fill((side * 1.0 - 0.14, -0.25, side * 1.0 + 0.14, 0.3), ear, mix(look.skin, look.shade, 0.35))
        if look.earrings:
            brush.fill((side * 1.04 - 0.1, 0.2, side * 1.04 + 0.1, 0.4), ellipse(side * 1.04, 0.3, 0.055, 0.055), (0.93, 0.82, 0.45))
    whole = (-1.05, -h - 0.05, 1.05, h + jaw_drop + 0.05)
    face = skull(look, jaw_drop)
    brush.fill(whole, face, look.skin)
    # Light falls from the upper left: the right side and the jaw lie in a soft shade.
    light = outside(ellipse(-0.22, -0.12, 1.12, 1.34))
    brush.fill(whole, light, look.shade, alpha=0.4, soft=0.35, within=face)
    for side in (-1.0, 1.0):
        blush = ellipse(side * 0.56, 0.34, 0.22, 0.15)
        brush.fill((side * 0.56 - 0.25, 0.15, side * 0.56 + 0.25, 0.55), blush, (0.90, 0.42, 0.38), alpha=0.16, soft=0.2)
        fold = stroke(side * 0.3, 0.38, side * (look.mouth_width + 0.1), 0.58, 0.012)
        brush.fill((-0.6, 0.35, 0.6, 0.62), fold, look.shade, alpha=0.2 + 0.4 * look.age_lines, soft=0.04)


def _paint_nose(brush: Brush, look: FaceLook) -> None:
    w = look.nose_width
    brush.fill((-0.1, -0.2, 0.25, 0.3), stroke(0.07, -0.05, 0.1, 0.22, 0.03), look.shade, alpha=0.5, soft=0.08)
    brush.fill((-0.05, -0.15, 0.06, 0.3), stroke(-0.01, -0.05, -0.01, 0.2, 0.03), (1, 1, 1), alpha=0.18, soft=0.08)
    tip = either(ellipse(0, 0.27, 0.11, 0.09), ellipse(-0.6 * w, 0.29, 0.4 * w, 0.06), ellipse(0.6 * w, 0.29, 0.4 * w, 0.06))
    brush.fill((-0.3, 0.15, 0.3, 0.42), tip, look.shade, alpha=0.42, soft=0.05)
    brush.fill((-0.15, 0.15, 0.15, 0.36), ellipse(-0.015, 0.235, 0.09, 0.06), mix(look.skin, (1, 1, 1), 0.25), alpha=0.6, soft=0.07)
    for side in (-1.0, 1.0):
        nostril = ellipse(side * 0.5 * w, 0.325, 0.3 * w, 0.02)
        brush.fill((-0.25, 0.28, 0.25, 0.37), nostril, mix(look.shade, (0.15, 0.05, 0.04), 0.6), alpha=0.9)


def _paint_eye(brush: Brush, look: FaceLook, side: float, eyelid: float, gaze: float, lift: float) -> None:
    u, size = side * look.eye_distance, look.eye_size
    height = 0.56 * size * (1 - 0.94 * eyelid)
    area = (u - size - 0.06, EYE_V - 0.2, u + size + 0.06, EYE_V + 0.17)
    brush.fill(area, ellipse(u, EYE_V - 0.03, size * 1.1, 0.11), look.shade, alpha=0.38, soft=0.1)
    ball = ellipse(u, EYE_V, size, height)
    brush.fill(area, ball, (0.97, 0.96, 0.95))
    iris = 0.55 * size
    brush.fill(area, both(ball, ellipse(u + gaze, EYE_V - 0.005, iris, iris)), look.eye_colour)
    brush.fill(area, both(ball, ellipse(u + gaze, EYE_V - 0.005, 0.5 * iris, 0.5 * iris)), (0.03, 0.03, 0.04))
    brush.fill(area, both(ball, ellipse(u + gaze - 0.035, EYE_V - 0.035, 0.025, 0.025)), (1, 1, 1), alpha=0.9)
    dark = mix(look.hair_colour, (0.08, 0.05, 0.05), 0.7)
    brush.fill(area, arc(u, EYE_V - height, size, 0.93 * height, 0.022), dark)
    top = EYE_V - 0.27 - lift
    brow = arc(u + 0.02 * side, top, 1.25 * size, 0.07, look.brow_thickness)
    brush.fill((u - 0.3, top - 0.1, u + 0.3, top + 0.16), brow, mix(look.hair_colour, (0.1, 0.07, 0.06), 0.35))


def _paint_glasses(brush: Brush, look: FaceLook) -> None:
    frame = (0.12, 0.12, 0.14)
    for side in (-1.0, 1.0):
        u = side * look.eye_distance
        rim = box(u - 0.29, EYE_V - 0.2, u + 0.29, EYE_V + 0.22, 0.12)
        area = (u - 0.32, EYE_V - 0.25, u + 0.32, EYE_V + 0.26)
        brush.fill(area, rim, (0.9, 0.95, 1.0), alpha=0.10)
        brush.fill(area, outline(rim, 0.018), frame)
        arm = stroke(side * (look.eye_distance + 0.29), EYE_V - 0.06, side * 0.98, EYE_V - 0.08, 0.018)
        brush.fill((-1, EYE_V - 0.12, 1, EYE_V), arm, frame)
    brush.fill((-0.2, EYE_V - 0.12, 0.2, EYE_V + 0.06), stroke(-0.13, EYE_V - 0.03, 0.13, EYE_V - 0.03, 0.018), frame)
