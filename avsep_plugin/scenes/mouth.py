"""The mouth of a drawn face, in face units (half-widths of the face).

      ______  ______            upper lip, cupid's bow
     /      \\/      \\
    <   ==========   >          upper teeth on the dark of the mouth
     \\   (tongue)   /
      \\____________/            lower lip; the jaw carries it down

The inside lies between two curves over t = u / half_width in [-1, 1]: v = -rise (1 - t^2) above and v = drop (1 - t^2)^(3/4) below.
"""

from dataclasses import dataclass

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.scenes.canvas import Box, Brush, Colour, Distance, amid, below, both, ellipse, mix
from avsep_plugin.scenes.looks import FaceLook

INSIDE: Colour = (0.22, 0.05, 0.07)
TEETH: Colour = (0.96, 0.95, 0.92)
TONGUE: Colour = (0.72, 0.28, 0.32)


@dataclass(frozen=True)
class MouthShape:
    """One posture of the mouth around its centre (0, v): half its width, how far the lips part upwards and downwards, lip thickness."""

    v: float
    half_width: float
    rise: float
    drop: float
    upper: float
    lower: float
    teeth: float

    @classmethod
    def of(cls, look: FaceLook, v: float, opening: float, width: float, closure: float, teeth: float) -> "MouthShape":
        """The posture that articulation curves ask for (see `Articulation`)."""
        press = 1 - 0.35 * closure
        pout = 1 + 0.25 * max(-width, 0.0)
        return cls(
            v=v,
            half_width=look.mouth_width * (1 + 0.16 * max(width, 0.0) + 0.36 * min(width, 0.0) - 0.1 * opening),
            rise=0.07 * opening,
            drop=0.36 * opening,
            upper=0.85 * look.lip_thickness * press * pout,
            lower=1.1 * look.lip_thickness * press * pout,
            teeth=teeth,
        )

    @property
    def box(self) -> Box:
        """Around lips and inside, in face units."""
        reach = self.half_width + 0.07
        return -reach, self.v - self.rise - self.upper - 0.02, reach, self.v + self.drop + self.lower + 0.02


def _between(half_width: float, rise: float, drop: float, v0: float, bow: float) -> Distance:
    """Region between an upper and a lower curve that meet at the corners; bow: depth of the cupid's bow in the upper one."""

    def distance(u: Float32, v: Float32) -> Float32:
        t = u / np.float32(half_width)
        inner = np.maximum(1 - t * t, np.float32(1e-4))
        top = np.float32(v0) - np.float32(rise) * inner
        if bow:
            top = top + np.float32(bow) * np.exp(-((t / np.float32(0.16)) ** 2))
        bottom = np.float32(v0) + np.float32(drop) * inner ** np.float32(0.75)
        sides = np.abs(u) - np.float32(half_width)
        return np.asarray(np.maximum(np.maximum(top - v, v - bottom), sides))

    return distance


def paint_mouth(brush: Brush, look: FaceLook, shape: MouthShape) -> None:
    """Draw lips, teeth, tongue and the dark between them."""
    m = shape
    outer_width = m.half_width + 0.06
    lips_box = m.box
    shade = (-0.3, m.v + m.drop + m.lower, 0.3, m.v + m.drop + m.lower + 0.16)
    brush.fill(shade, ellipse(0, m.v + m.drop + m.lower + 0.05, 0.26, 0.06), look.shade, alpha=0.45, soft=0.08)
    upper = _between(outer_width, m.rise + m.upper, 0.02, m.v, bow=0.35 * m.upper)
    lower = _between(outer_width, 0.01, m.drop + m.lower, m.v, bow=0.0)
    brush.fill(lips_box, upper, mix(look.lip_colour, (0.25, 0.05, 0.08), 0.16))
    brush.fill(lips_box, lower, look.lip_colour)
    shine = (-0.2, m.v + m.drop, 0.2, m.v + m.drop + m.lower)
    brush.fill(shine, ellipse(0, m.v + m.drop + 0.5 * m.lower, 0.45 * m.half_width, 0.2 * m.lower), (1, 0.9, 0.88), alpha=0.25, soft=0.05)
    seam = 0.012 + 0.004 * (m.drop < 0.02)
    inside = _between(m.half_width, m.rise + seam, m.drop + seam, m.v, bow=0.0)
    brush.fill(lips_box, inside, INSIDE)
    if m.drop > 0.015:
        _paint_teeth_and_tongue(brush, m, inside)


def _paint_teeth_and_tongue(brush: Brush, m: MouthShape, inside: Distance) -> None:
    box = m.box
    tongue = ellipse(0, m.v + m.drop + 0.02, 0.62 * m.half_width, 0.42 * m.drop)
    brush.fill(box, both(inside, tongue), TONGUE, soft=0.02)
    edge = m.v - m.rise + min(0.1, 0.55 * (m.drop + m.rise))
    upper_teeth = both(inside, lambda u, v: v - np.float32(edge) + np.float32(0.04) * (u / np.float32(m.half_width)) ** 2)
    brush.fill(box, both(upper_teeth, amid(0.78 * m.half_width)), TEETH)
    if m.teeth > 0.05:
        lower_edge = m.v + m.drop - 0.45 * (m.drop + m.rise) * m.teeth
        lower_teeth = both(inside, below(lower_edge), amid(0.7 * m.half_width))
        brush.fill(box, lower_teeth, TEETH, alpha=0.95 * m.teeth)
