"""A small anti-aliased painter: shapes are signed distances, colours are laid over pictures by coverage.

A shape is a function of two coordinate arrays that returns the signed distance to its edge (negative inside). A `Patch` carries the
coordinates of a part of a picture in some figure's own units, so that a figure is described once and drawn at any place, size and tilt:

    coverage = clip(1/2 - distance_in_pixels / softness, 0, 1)          picture += coverage * alpha * (colour - picture)

Pictures are planar here, [3, H, W] float32 in [0, 1] (long rows make numpy quick); `to_frame` gives the usual [H, W, 3] uint8.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from avsep_plugin.clip import Float32, UInt8

Colour = tuple[float, float, float]
"""Red, green, blue in [0, 1]."""
Box = tuple[float, float, float, float]
"""left, top, right, bottom in a figure's own units."""
Distance = Callable[[Float32, Float32], Float32]


@dataclass(frozen=True)
class Pose:
    """Where a figure stands: its origin in pixels, pixels per unit, and its tilt in radians (clockwise in the picture)."""

    x: float
    y: float
    scale: float
    tilt: float = 0.0

    def to_pixels(self, u: float, v: float) -> tuple[float, float]:
        """A point of the figure in pixels."""
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        return self.x + self.scale * (u * cos - v * sin), self.y + self.scale * (u * sin + v * cos)

    def bounds(self, box: Box) -> Box:
        """The upright rectangle in pixels around a box of the figure."""
        corners = [self.to_pixels(u, v) for u in (box[0], box[2]) for v in (box[1], box[3])]
        xs, ys = [c[0] for c in corners], [c[1] for c in corners]
        return min(xs), min(ys), max(xs), max(ys)


def mix(first: Colour, second: Colour, part: float) -> Colour:
    """The colour `part` of the way from the first to the second."""
    r, g, b = (x + part * (y - x) for x, y in zip(first, second, strict=True))
    return r, g, b


def to_frame(picture: Float32) -> UInt8:
    """Picture [3, H, W] float32 in [0, 1] -> [H, W, 3] uint8, rounded."""
    return np.ascontiguousarray((picture * np.float32(255) + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0))


class Brush:
    """Paints the shapes of one figure in one pose onto a picture [3, H, W] float32 in [0, 1], in place."""

    def __init__(self, picture: Float32, pose: Pose) -> None:
        self.picture = picture
        self.pose = pose
        self._cos = np.float32(np.cos(pose.tilt) / pose.scale)
        self._sin = np.float32(np.sin(pose.tilt) / pose.scale)

    def fill(
        self, box: Box, shape: Distance, colour: Colour, alpha: float = 1.0, soft: float = 0.0, within: Distance | None = None
    ) -> None:
        """Fill a shape that lies inside `box`.

        soft: width of its edge in the figure's units (0 = one pixel). within: a second shape with a sharp edge that cuts it.
        """
        height, width = self.picture.shape[1:]
        margin = soft + 1 / self.pose.scale
        left, top, right, bottom = self.pose.bounds((box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin))
        x0, x1 = max(0, int(left)), min(width, int(right) + 2)
        y0, y1 = max(0, int(top)), min(height, int(bottom) + 2)
        if x0 >= x1 or y0 >= y1:
            return
        dx = np.arange(x0, x1, dtype=np.float32) + np.float32(0.5 - self.pose.x)
        dy = (np.arange(y0, y1, dtype=np.float32) + np.float32(0.5 - self.pose.y))[:, None]
        u, v = dx * self._cos + dy * self._sin, dy * self._cos - dx * self._sin
        coverage = np.clip(np.float32(0.5) - shape(u, v) * np.float32(1 / max(soft, 1 / self.pose.scale)), 0, 1)
        if within is not None:
            coverage *= np.clip(np.float32(0.5) - within(u, v) * np.float32(self.pose.scale), 0, 1)
        if alpha != 1.0:
            coverage *= np.float32(alpha)
        part = self.picture[:, y0:y1, x0:x1]
        part += coverage * (np.array(colour, dtype=np.float32)[:, None, None] - part)


def ellipse(u0: float, v0: float, ru: float, rv: float) -> Distance:
    """Ellipse with centre and half-axes; distance by the gradient of its implicit form, exact on the edge."""

    def distance(u: Float32, v: Float32) -> Float32:
        a, b = (u - np.float32(u0)) / np.float32(ru), (v - np.float32(v0)) / np.float32(rv)
        level = np.sqrt(a * a + b * b)
        slope = np.sqrt((a / np.float32(ru)) ** 2 + (b / np.float32(rv)) ** 2) + np.float32(1e-6)
        return np.asarray(level * (level - 1) / slope - np.float32(1e-6))

    return distance


def box(u0: float, v0: float, u1: float, v1: float, radius: float = 0.0) -> Distance:
    """Rectangle with rounded corners."""
    cu, cv, hu, hv = (u0 + u1) / 2, (v0 + v1) / 2, (u1 - u0) / 2 - radius, (v1 - v0) / 2 - radius

    def distance(u: Float32, v: Float32) -> Float32:
        a, b = np.abs(u - np.float32(cu)) - np.float32(hu), np.abs(v - np.float32(cv)) - np.float32(hv)
        outside = np.hypot(np.maximum(a, 0), np.maximum(b, 0))
        return np.asarray(outside + np.minimum(np.maximum(a, b), 0) - np.float32(radius))

    return distance


def stroke(u0: float, v0: float, u1: float, v1: float, radius: float) -> Distance:
    """Straight stroke with round ends."""
    du, dv = u1 - u0, v1 - v0
    length2 = max(du * du + dv * dv, 1e-12)

    def distance(u: Float32, v: Float32) -> Float32:
        a, b = u - np.float32(u0), v - np.float32(v0)
        along = np.clip((a * np.float32(du) + b * np.float32(dv)) / np.float32(length2), 0, 1)
        return np.asarray(np.hypot(a - along * np.float32(du), b - along * np.float32(dv)) - np.float32(radius))

    return distance


def arc(u0: float, v0: float, half: float, rise: float, radius: float) -> Distance:
    """Thin parabolic stroke around (u0, v0), `half` to either side, its middle `rise` higher than its ends."""

    def distance(u: Float32, v: Float32) -> Float32:
        t = np.clip((u - np.float32(u0)) / np.float32(half), -1, 1)
        line = np.float32(v0) + np.float32(rise) * (t * t)
        thick = np.float32(radius) * (1 - np.float32(0.5) * t * t)
        return np.asarray(np.hypot(u - np.float32(u0) - t * np.float32(half), v - line) - thick)

    return distance


def both(*shapes: Distance) -> Distance:
    """Intersection."""

    def distance(u: Float32, v: Float32) -> Float32:
        result = shapes[0](u, v)
        for shape in shapes[1:]:
            result = np.maximum(result, shape(u, v))
        return result

    return distance


def either(*shapes: Distance) -> Distance:
    """Union."""

    def distance(u: Float32, v: Float32) -> Float32:
        result = shapes[0](u, v)
        for shape in shapes[1:]:
            result = np.minimum(result, shape(u, v))
        return result

    return distance


def outside(shape: Distance) -> Distance:
    """Complement."""
    return lambda u, v: -shape(u, v)


def above(v0: float) -> Distance:
    """Everything higher in the picture than v0."""

    def distance(u: Float32, v: Float32) -> Float32:
        return np.asarray(v - np.float32(v0) + np.zeros_like(u))

    return distance


def below(v0: float) -> Distance:
    """Everything lower in the picture than v0."""
    return outside(above(v0))


def amid(half: float) -> Distance:
    """The upright band |u| < half."""

    def distance(u: Float32, v: Float32) -> Float32:
        return np.asarray(np.abs(u) - np.float32(half) + np.zeros_like(v))

    return distance


def outline(shape: Distance, radius: float) -> Distance:
    """The edge of a shape, drawn `radius` to either side."""
    return lambda u, v: np.asarray(np.abs(shape(u, v)) - np.float32(radius))
