"""Neck, shoulders and clothes, in face units; the shoulders run out of the picture below."""

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.scenes.canvas import Brush, Distance, box, either, ellipse, mix, stroke
from avsep_plugin.scenes.looks import FaceLook

FLOOR = 6.0
"""Far below: the body goes on to the edge of the picture."""


def _shoulders(top: float) -> Distance:
    return either(ellipse(0, top + 1.15, 2.15, 1.2), box(-2.15, top + 1.15, 2.15, FLOOR, 0.0), box(-0.75, top - 0.15, 0.75, top + 0.8, 0.3))


def _wedge(top: float, bottom: float, half_top: float) -> Distance:
    """Open neck of a garment: a triangle with its point below."""

    def distance(u: Float32, v: Float32) -> Float32:
        half = np.float32(half_top) * (np.float32(bottom) - v) / np.float32(bottom - top)
        return np.asarray(np.maximum((np.abs(u) - half) * np.float32(0.9), np.float32(top) - v))

    return distance


def paint_body(brush: Brush, look: FaceLook) -> None:
    """Paint the body once; the head is painted over it."""
    neck_top, collar = 0.5, look.height + 0.3
    area = (-2.4, 0.3, 2.4, FLOOR)
    cloth, shadow = look.clothes_colour, mix(look.clothes_colour, (0.02, 0.02, 0.05), 0.4)
    body = _shoulders(collar)
    brush.fill(area, body, cloth)
    brush.fill(area, ellipse(1.9, collar + 2.0, 0.9, 2.2), shadow, alpha=0.6, soft=0.7, within=body)
    if look.clothes == "suit":
        brush.fill(area, _wedge(collar - 0.15, collar + 2.4, 0.78), look.shirt_colour)
    elif look.clothes == "blouse":
        brush.fill(area, _wedge(collar - 0.15, collar + 1.1, 0.72), look.skin)
    bottom = _wedge(collar - 0.1, collar + 0.42, 0.6) if look.clothes == "suit" else ellipse(0, collar + 0.02, 0.56, 0.3)
    neck = either(box(-0.56, neck_top, 0.56, collar + 0.05, 0.1), bottom)
    brush.fill(area, neck, look.skin)
    under_chin = ellipse(0.1, look.height - 0.1, 0.7, 0.42)
    brush.fill((-0.8, neck_top, 0.8, collar + 0.3), under_chin, look.shade, alpha=0.8, soft=0.2, within=neck)
    if look.clothes == "suit":
        _paint_suit(brush, look, collar)
    elif look.clothes in ("sweater", "shirt"):
        _paint_collar(brush, look, collar)


def _paint_suit(brush: Brush, look: FaceLook, collar: float) -> None:
    dark = mix(look.clothes_colour, (0, 0, 0), 0.3)
    tie = mix(look.clothes_colour, (0.7, 0.15, 0.2), 0.6)
    for side in (-1.0, 1.0):

        def flap(u: Float32, v: Float32, side: float = side) -> Float32:
            w = u * np.float32(side)
            edge = 0.78 * (collar + 2.4 - v) / 2.55
            return np.asarray(np.maximum(np.maximum(edge - w, w - edge - 0.26), collar - 0.12 - v))

        brush.fill((-1.3, collar - 0.2, 1.3, collar + 2.4), flap, dark)
        fold = stroke(side * 0.62, collar - 0.1, side * 0.16, collar + 0.36, 0.085)
        brush.fill((-0.8, collar - 0.2, 0.8, collar + 0.5), fold, mix(look.shirt_colour, (1, 1, 1), 0.5))
    brush.fill((-0.2, collar + 0.2, 0.2, collar + 0.5), box(-0.13, collar + 0.3, 0.13, collar + 0.5, 0.05), tie)
    brush.fill((-0.2, collar + 0.4, 0.2, FLOOR), box(-0.11, collar + 0.42, 0.11, collar + 2.2, 0.03), mix(tie, (0, 0, 0), 0.12))


def _paint_collar(brush: Brush, look: FaceLook, collar: float) -> None:
    def band(u: Float32, v: Float32) -> Float32:
        ring = ellipse(0, collar - 0.02, 0.7, 0.42)(u, v)
        return np.asarray(np.maximum(np.abs(ring) - np.float32(0.07), np.float32(collar - 0.02) - v))

    colour = mix(look.clothes_colour, (1, 1, 1) if look.clothes == "shirt" else (0, 0, 0), 0.25)
    brush.fill((-0.9, collar - 0.2, 0.9, collar + 0.6), band, colour)
