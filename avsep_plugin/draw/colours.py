"""Colour tables of 256 entries, made from a few anchors by linear interpolation.

`jet` is what the original tool drew with. `lagoon` is ours: violet over blue and teal to bright yellow, hues that stand out
from skin. Its lightness rises by the same amount at every step (CIE L* 24 to 92), so that it reads the same in grey and to
colour-blind eyes, and no jump of the lightness pretends an edge where the values have none.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

# Anchors (position, value) of each channel: https://en.wikipedia.org/wiki/Color_map, "jet"; values in [0, 1].
_JET_RED = ((0.0, 0.0), (0.35, 0.0), (0.66, 1.0), (0.89, 1.0), (1.0, 0.5))
_JET_GREEN = ((0.0, 0.0), (0.125, 0.0), (0.375, 1.0), (0.64, 1.0), (0.91, 0.0), (1.0, 0.0))
_JET_BLUE = ((0.0, 0.5), (0.11, 1.0), (0.34, 1.0), (0.65, 0.0), (1.0, 0.0))

# Equally spaced in CIE L*: 24, 32.5, ... 92; as saturated as sRGB allows.
_LAGOON = (
    (59, 40, 132),
    (45, 68, 163),
    (5, 94, 191),
    (9, 126, 172),
    (2, 154, 172),
    (1, 183, 153),
    (113, 206, 88),
    (182, 223, 64),
    (254, 235, 46),
)


def _interpolate(anchors: Sequence[tuple[float, float]]) -> Float64:
    positions, values = zip(*anchors, strict=True)
    values_at_entries: Float64 = np.interp(np.linspace(0.0, 1.0, 256), positions, values)
    return values_at_entries


@cache
def colour_table(name: str) -> Float64:
    """The colour map of that name as [256, 3] float64 RGB in [0, 1]; raises KeyError naming the known maps."""
    if name == "jet":
        return np.stack([_interpolate(channel) for channel in (_JET_RED, _JET_GREEN, _JET_BLUE)], axis=1)
    if name == "lagoon":
        anchors = np.linspace(0.0, 1.0, len(_LAGOON))
        return np.stack([np.interp(np.linspace(0.0, 1.0, 256), anchors, channel) for channel in np.transpose(_LAGOON)], axis=1) / 255.0
    raise KeyError(f"unknown colours '{name}'; known: jet, lagoon")
