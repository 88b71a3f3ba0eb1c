"""Hair: what falls behind the shoulders (painted with the body) and what frames the forehead (painted with the head)."""

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.scenes.canvas import Brush, Colour, Distance, both, box, either, ellipse, mix, stroke
from avsep_plugin.scenes.looks import FaceLook
from avsep_plugin.scenes.skull import skull


def _dark(look: FaceLook) -> Colour:
    return mix(look.hair_colour, (0.02, 0.01, 0.02), 0.4)


def paint_back_hair(brush: Brush, look: FaceLook) -> None:
    """Hair behind neck and shoulders."""
    h = look.height
    if look.hair == "long":
        shape = either(ellipse(0, -0.2, 1.27, h + 0.08), box(-1.27, -0.3, 1.27, h + 0.75, 0.4))
        brush.fill((-1.4, -h - 0.4, 1.4, h + 0.9), shape, _dark(look))
    elif look.hair == "bob":
        shape = either(ellipse(0, -0.2, 1.28, h + 0.06), box(-1.26, -0.3, 1.26, 0.85 * h, 0.35))
        brush.fill((-1.4, -h - 0.4, 1.4, h + 0.2), shape, _dark(look))
    elif look.hair == "bun":
        brush.fill((-0.6, -h - 0.75, 0.6, -h + 0.3), ellipse(0, -h - 0.16, 0.46, 0.38), _dark(look))
    elif look.hair == "curly":
        curls = [ellipse(1.08 * np.sin(a), -0.28 - 1.12 * np.cos(a), 0.36, 0.36) for a in np.linspace(-1.9, 1.9, 11)]
        brush.fill((-1.6, -h - 0.6, 1.6, 0.5), either(*curls), _dark(look))


def _above(line: Distance) -> Distance:
    """Everything above a hairline given as height v over u."""
    return lambda u, v: np.asarray((v - line(u, v)) * np.float32(0.8))


def _hairline(look: FaceLook) -> Distance:
    h = look.height

    def line(u: Float32, v: Float32) -> Float32:
        del v
        if look.hair == "buzz":
            return np.asarray(-0.72 * h + 0.5 * np.maximum(np.abs(u) - 0.45, 0) + 0.9 * np.maximum(np.abs(u) - 0.8, 0))
        if look.hair == "side":
            return np.asarray(-0.66 * h + 0.16 * u + 1.2 * np.maximum(np.abs(u) - 0.72, 0))
        if look.hair == "curly":
            return np.asarray(-0.60 * h + 0.04 * np.sin(14 * u) + 1.3 * np.maximum(np.abs(u) - 0.7, 0))
        if look.hair in ("bob", "long"):
            # Parted off the middle, falling to both sides.
            return np.asarray(-0.86 * h + 0.78 * np.abs(u + 0.25) ** 1.5 + 3.2 * np.maximum(np.abs(u) - 0.8, 0))
        if look.hair == "bun":
            return np.asarray(-0.76 * h + 0.42 * u * u + 1.0 * np.maximum(np.abs(u) - 0.8, 0))
        return np.asarray(-0.64 * h + 0.03 * np.sin(9 * u) + 1.2 * np.maximum(np.abs(u) - 0.72, 0))

    return line


def paint_front_hair(brush: Brush, look: FaceLook) -> None:
    """Hair on the head, down to the hairline."""
    h = look.height
    thickness = {"buzz": 0.05, "bun": 0.09, "short": 0.15, "side": 0.16, "curly": 0.2, "bob": 0.2, "long": 0.19}[look.hair]
    cap = both(skull(look, grow=thickness), _above(_hairline(look)))
    area = (-1.25, -h - 0.25, 1.25, 0.75)
    shadow = _above(lambda u, v: _hairline(look)(u, v) + np.float32(0.09))
    brush.fill((-1.0, -h, 1.0, 0.1), shadow, look.shade, alpha=0.3, soft=0.1, within=skull(look))
    brush.fill(area, cap, look.hair_colour)
    gloss, light = stroke(-0.62, -0.82 * h, 0.1, -0.98 * h, 0.05), mix(look.hair_colour, (1, 0.95, 0.9), 0.5)
    brush.fill((-0.8, -h - 0.2, 0.4, -0.5 * h), gloss, light, alpha=0.3, soft=0.16, within=cap)
    if look.hair == "curly":
        curls = [ellipse(0.98 * np.sin(a), -0.12 - 1.12 * np.cos(a), 0.25, 0.25) for a in np.linspace(-1.25, 1.25, 9)]
        brush.fill((-1.3, -h - 0.3, 1.3, 0.1), either(*curls), look.hair_colour)
    if look.hair in ("bob", "long"):
        end = 0.8 * h if look.hair == "bob" else h + 0.1
        for side in (-1.0, 1.0):
            lock = stroke(side * 1.03, -0.35, side * 1.1, end, 0.17)
            brush.fill((side * 1.07 - 0.3, -0.6, side * 1.07 + 0.3, end + 0.2), lock, look.hair_colour)
