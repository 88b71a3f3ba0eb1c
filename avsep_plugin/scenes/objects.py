"""Things that make sound when they are hit: bouncing balls and struck bells, drums and bars.

Both follow closed forms, so every picture and every onset is exact: a ball flies in parabolas between bounces,

    height(t) = 4 h s (1 - s),   s = (t - t_k) / T_k in [0, 1),   T_k proportional to sqrt(h),

and a mallet rises and falls between strikes by the same arch, touching at the very moment of the sound.
"""

import bisect
from itertools import pairwise

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.scenes.canvas import Box, Brush, Colour, Distance, Pose, above, both, box, either, ellipse, mix, stroke
from avsep_plugin.scenes.identity import generator
from avsep_plugin.scenes.impacts import Material, Modes, ring
from avsep_plugin.scenes.scene import Part

PAINTS: tuple[Colour, ...] = ((0.86, 0.24, 0.20), (0.95, 0.62, 0.15), (0.20, 0.55, 0.80), (0.30, 0.65, 0.35), (0.60, 0.35, 0.70))
WOOD: Colour = (0.55, 0.36, 0.20)
BRASS: Colour = (0.88, 0.70, 0.30)
SKIN: Colour = (0.86, 0.66, 0.52)


class BouncingBall:
    """A ball that bounces on a floor. x, floor_y: foot of its path in pixels; radius, reach (to either side), height: in pixels."""

    def __init__(
        self, identity: int, duration_seconds: float, x: float, floor_y: float, radius: float, reach: float, height: float, *key: int
    ) -> None:
        looks, rng = generator("ball", identity), generator("bounces", *key)
        self.modes = Modes.of("ball", identity)
        self.colour = PAINTS[looks.integers(len(PAINTS))]
        self.x, self.floor_y, self.radius, self.reach = x, floor_y, radius, reach
        self.x_hz, self.x_phase = float(rng.uniform(0.08, 0.2)), float(rng.uniform())
        longest_seconds = float(looks.uniform(0.7, 1.0))
        self.heights = [height * float(rng.uniform(0.4, 1.0))]
        self.times = [-float(rng.uniform(0.2, 0.8)) * longest_seconds * float(np.sqrt(self.heights[0] / height))]
        while self.times[-1] < duration_seconds:
            self.times.append(self.times[-1] + longest_seconds * float(np.sqrt(self.heights[-1] / height)))
            self.heights.append(height * float(rng.uniform(0.4, 1.0)))
        # A bounce is as strong as the fall before it is deep.
        strengths = [float(np.sqrt(before / height)) for before in self.heights[:-1]]
        self.hits = tuple(zip(self.times[1:], strengths, strict=True))

    @property
    def onsets(self) -> tuple[float, ...]:
        """Times of the bounces in seconds."""
        return tuple(time for time, _ in self.hits)

    def sound(self, length: int, sample_rate_hz: int) -> Float32:
        """[length] float32."""
        return ring(self.modes.strike(sample_rate_hz), self.hits, length, sample_rate_hz)

    def place(self, time_seconds: float) -> tuple[float, float, float]:
        """(x, y, squash) in pixels; squash is 0 in flight and up to 0.25 while the ball touches the floor."""
        k = min(max(bisect.bisect_right(self.times, time_seconds) - 1, 0), len(self.times) - 2)
        s = (time_seconds - self.times[k]) / (self.times[k + 1] - self.times[k])
        lift = 4 * self.heights[k] * s * (1 - s)
        nearest = min(abs(time_seconds - t) for t in self.times[max(0, k) : k + 2])
        squash = 0.25 * max(0.0, 1 - nearest / 0.04)
        swing = abs((self.x_hz * time_seconds + self.x_phase) % 1 * 2 - 1) * 2 - 1
        return self.x + self.reach * swing, self.floor_y - lift - self.radius * (1 - squash), squash

    def boxes(self, time_seconds: float) -> dict[Part, Box]:
        """{"object": left, top, right, bottom} in pixels."""
        x, y, squash = self.place(time_seconds)
        ru, rv = self.radius * (1 + squash), self.radius * (1 - squash)
        return {"object": (x - ru, y - rv, x + ru, y + rv)}

    def paint_still(self, picture: Float32) -> None:
        """Paint the table it bounces on."""
        brush = Brush(picture, Pose(self.x, self.floor_y, self.radius))
        half = self.reach / self.radius + 2.0
        brush.fill((-half, -0.1, half, 0.5), box(-half, -0.06, half, 0.4, 0.12), WOOD)
        brush.fill((-half, -0.1, half, 0.1), box(-half + 0.05, -0.06, half - 0.05, 0.06, 0.06), mix(WOOD, (1, 1, 1), 0.2))

    def paint(self, picture: Float32, time_seconds: float) -> None:
        """Paint the ball and its shadow."""
        x, y, squash = self.place(time_seconds)
        height = (self.floor_y - y) / self.radius
        ground = Brush(picture, Pose(x, self.floor_y, self.radius))
        ground.fill((-1.2, -0.1, 1.2, 0.2), ellipse(0, 0.05, 0.9, 0.1), (0, 0, 0), alpha=0.5 / (1 + 0.5 * height), soft=0.12)
        upright, area = Brush(picture, Pose(x, y, self.radius)), (-1.3, -1.1, 1.3, 1.1)
        body = ellipse(0, 0, 1 + squash, 1 - squash)
        upright.fill(area, body, self.colour)
        if not squash:
            rolled = Brush(picture, Pose(x, y, self.radius, 7 * time_seconds * self.x_hz))
            rolled.fill(area, both(body, box(-1.3, -0.2, 1.3, 0.2)), mix(self.colour, (1, 1, 1), 0.75))
        upright.fill(area, ellipse(0.5, 0.6, 0.7, 0.7), (0, 0, 0.1), alpha=0.25, soft=0.6, within=body)
        upright.fill(area, ellipse(-0.35, -0.4, 0.22, 0.16), (1, 1, 1), alpha=0.6, soft=0.2)


class StruckObject:
    """A bell, drum or bar that a hand strikes with a mallet. x, y: its middle in pixels; half_width in pixels."""

    def __init__(self, identity: int, kind: Material, duration_seconds: float, x: float, y: float, half_width: float, *key: int) -> None:
        looks, rng = generator("struck " + kind, identity), generator("strikes", *key)
        self.kind: Material = kind
        self.modes = Modes.of(kind, identity)
        self.colour = BRASS if kind == "bell" else PAINTS[looks.integers(len(PAINTS))]
        self.pose = Pose(x, y, half_width)
        self.contact = {"bell": (0.62, -0.15), "drum": (0.2, -0.55), "bar": (0.3, -0.2)}[kind]
        times = [-float(rng.uniform(0.1, 0.5))]
        while times[-1] < duration_seconds:
            times.append(times[-1] + float(rng.uniform(0.35, 0.95)))
        self.times = times
        self.hits = tuple((b, 0.5 + 0.5 * min(1.0, b - a)) for a, b in pairwise(times) if b >= 0)

    @property
    def onsets(self) -> tuple[float, ...]:
        """Times of the strikes in seconds."""
        return tuple(time for time, _ in self.hits)

    def sound(self, length: int, sample_rate_hz: int) -> Float32:
        """[length] float32."""
        return ring(self.modes.strike(sample_rate_hz), self.hits, length, sample_rate_hz)

    def lift(self, time_seconds: float) -> float:
        """How far the mallet is raised: 0 at every strike, 1 at most."""
        k = min(max(bisect.bisect_right(self.times, time_seconds) - 1, 0), len(self.times) - 2)
        gap = self.times[k + 1] - self.times[k]
        s = (time_seconds - self.times[k]) / gap
        return 4 * s * (1 - s) * min(1.0, gap / 0.7)

    def shake(self, time_seconds: float) -> float:
        """A decaying wobble in [-1, 1] after each strike, as the eye sees it."""
        k = bisect.bisect_right(self.times, time_seconds) - 1
        since = time_seconds - self.times[max(k, 0)]
        return float(np.exp(-since / 0.15) * np.sin(2 * np.pi * 7 * since)) if k >= 1 else 0.0

    def boxes(self, time_seconds: float) -> dict[Part, Box]:
        """{"object": left, top, right, bottom} in pixels, of the object and its mallet."""
        del time_seconds
        return {"object": self.pose.bounds((-1.15, -1.75, 2.15, 1.1))}

    def paint_still(self, picture: Float32) -> None:
        """Paint the stand."""
        brush = Brush(picture, self.pose)
        brush.fill((-1.2, 0.75, 1.2, 1.1), box(-1.1, 0.85, 1.1, 1.05, 0.06), WOOD)

    def paint(self, picture: Float32, time_seconds: float) -> None:
        """Paint object, mallet and hand as they are at a time."""
        shake, p = self.shake(time_seconds), self.pose
        swung = Pose(p.x, p.y, p.scale, 0.08 * shake) if self.kind == "bell" else Pose(p.x, p.y + 0.03 * p.scale * shake, p.scale)
        body = Brush(picture, swung)
        {"bell": _paint_bell, "drum": _paint_drum, "bar": _paint_bar}[self.kind](body, self.colour)
        self._paint_mallet(Brush(picture, p), self.lift(time_seconds))

    def _paint_mallet(self, brush: Brush, lift: float) -> None:
        hand_u, hand_v = 1.75, -0.75
        angle = 0.75 * lift
        cu, cv = self.contact[0] - hand_u, self.contact[1] - hand_v
        u = hand_u + cu * np.cos(angle) - cv * np.sin(angle)
        v = hand_v + cu * np.sin(angle) + cv * np.cos(angle)
        area = (-1.0, -1.9, 2.4, 0.4)
        brush.fill(area, stroke(hand_u, hand_v, u, v, 0.045), mix(WOOD, (1, 1, 1), 0.25))
        brush.fill(area, ellipse(u, v, 0.15, 0.15), (0.32, 0.12, 0.12))
        brush.fill((1.3, -1.2, 2.4, 0.4), stroke(hand_u + 0.15, hand_v + 0.1, hand_u + 0.4, hand_v + 0.9, 0.2), (0.22, 0.28, 0.42))
        brush.fill(area, ellipse(hand_u, hand_v, 0.2, 0.18), SKIN)


def _paint_bell(brush: Brush, colour: Colour) -> None:
    area = (-1.1, -1.2, 1.1, 1.0)

    def flank(u: Float32, v: Float32) -> Float32:
        half = np.float32(0.42) + np.float32(0.5) * np.clip((v + 0.6) / 1.4, 0, 1) ** 2
        return np.asarray(np.maximum(np.maximum(np.abs(u) - half, v - np.float32(0.78)), np.float32(-0.62) - v))

    bell: Distance = either(flank, both(ellipse(0, -0.6, 0.42, 0.42), above(-0.58)))
    brush.fill(area, ellipse(0, 0.8, 0.18, 0.16), mix(colour, (0, 0, 0), 0.5))
    brush.fill(area, bell, colour)
    brush.fill(area, box(0.2, -1.2, 1.2, 0.9), (0.3, 0.15, 0), alpha=0.3, soft=0.3, within=bell)
    brush.fill(area, stroke(-0.25, -0.6, -0.35, 0.6, 0.06), (1, 1, 0.9), alpha=0.6, soft=0.15, within=bell)
    brush.fill(area, box(-0.95, 0.68, 0.95, 0.82, 0.06), mix(colour, (0.3, 0.15, 0), 0.25))


def _paint_drum(brush: Brush, colour: Colour) -> None:
    area = (-1.1, -0.9, 1.1, 1.0)
    side = either(box(-0.95, -0.45, 0.95, 0.75), ellipse(0, 0.72, 0.95, 0.24))
    brush.fill(area, side, colour)
    brush.fill(area, box(0.35, -1.0, 1.4, 1.4), (0, 0, 0.1), alpha=0.3, soft=0.5, within=side)
    brush.fill(area, both(side, box(-1, 0.5, 1, 0.64)), mix(colour, (1, 1, 1), 0.7))
    brush.fill(area, ellipse(0, -0.45, 0.97, 0.3), mix(colour, (1, 1, 1), 0.7))
    brush.fill(area, ellipse(0, -0.46, 0.87, 0.25), (0.95, 0.92, 0.86))


def _paint_bar(brush: Brush, colour: Colour) -> None:
    area = (-1.1, -0.4, 1.1, 0.9)
    for u in (-0.6, 0.6):
        brush.fill(area, box(u - 0.08, 0.1, u + 0.08, 0.88), mix(WOOD, (0, 0, 0), 0.3))
    brush.fill(area, box(-1.02, -0.1, 1.02, 0.22, 0.08), colour)
    brush.fill(area, box(-0.98, -0.08, 0.98, 0.0, 0.04), mix(colour, (1, 1, 1), 0.45))
