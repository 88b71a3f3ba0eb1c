"""What stands behind: a graded wall with softly drawn things on it. Drawn once for each scene."""

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.scenes.canvas import Brush, Colour, Pose, box, ellipse, mix

WALLS: tuple[tuple[Colour, Colour], ...] = (
    ((0.10, 0.22, 0.45), (0.20, 0.42, 0.70)),
    ((0.80, 0.78, 0.74), (0.62, 0.62, 0.62)),
    ((0.20, 0.34, 0.33), (0.42, 0.56, 0.52)),
    ((0.36, 0.28, 0.34), (0.58, 0.46, 0.48)),
    ((0.86, 0.80, 0.68), (0.68, 0.56, 0.44)),
    ((0.14, 0.16, 0.22), (0.30, 0.34, 0.44)),
)


def paint_backdrop(width: int, height: int, rng: np.random.Generator) -> Float32:
    """A background picture [3, height, width] float32 in [0, 1]: a gradient and four to nine blurred panels, shelves or lights."""
    first, second = WALLS[rng.integers(len(WALLS))]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (np.linspace(-1, 1, width)[None] * np.cos(angle) + np.linspace(-1, 1, height)[:, None] * np.sin(angle)) / 2.83 + 0.5
    dark, light = np.array(first)[:, None, None], np.array(second)[:, None, None]
    picture: Float32 = (dark + ramp * (light - dark)).astype(np.float32)
    brush = Brush(picture, Pose(0.0, 0.0, float(height)))
    aspect = width / height
    for _ in range(int(rng.integers(4, 10))):
        tone: Colour = (float(rng.uniform()), float(rng.uniform()), float(rng.uniform()))
        colour = mix(mix(first, second, float(rng.uniform())), tone, 0.35)
        u, v = float(rng.uniform(0, aspect)), float(rng.uniform(0, 0.9))
        ru, rv = float(rng.uniform(0.03, 0.3)), float(rng.uniform(0.02, 0.22))
        shape = ellipse(u, v, rv, rv) if rng.random() < 0.25 else box(u - ru, v - rv, u + ru, v + rv, 0.01)
        brush.fill((u - ru - rv, v - rv, u + ru + rv, v + rv), shape, colour, alpha=float(rng.uniform(0.3, 0.8)), soft=0.02)
    return picture
