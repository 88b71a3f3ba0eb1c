"""The outline of a face: an egg, broad above and tapered to the chin, whose chin follows the jaw."""

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.scenes.canvas import Distance
from avsep_plugin.scenes.looks import FaceLook


def skull(look: FaceLook, jaw_drop: float = 0.0, grow: float = 0.0) -> Distance:
    """Distance to the face's outline, grown outwards by `grow`; jaw_drop moves the chin down. All in face units."""
    top, bottom = np.float32(look.height + grow), np.float32(look.height + jaw_drop + grow)
    side, taper = np.float32(1 + grow), np.float32(look.jaw)

    def distance(u: Float32, v: Float32) -> Float32:
        below = np.maximum(v, 0)
        # Narrower towards the chin; fuller than an ellipse at the diagonals (nearly a superellipse of exponent 2.3).
        a = u / (side * (1 - taper * (below / bottom) ** 2))
        b = v / np.where(v > 0, bottom, top)
        a2, b2 = a * a, b * b
        sum2 = a2 + b2 + np.float32(1e-6)
        level = np.sqrt(sum2) * (1 - np.float32(0.18) * a2 * b2 / (sum2 * sum2))
        return np.asarray((level - 1) * np.sqrt((u * u + v * v) / sum2))

    return distance
