"""From evidence to what is drawn: one scale for the whole clip, nothing where there is no positive evidence.

    evidence    --------|=========|===========|-----
    level               0         0 .. 1      1           drawn: from threshold * strong on, up to strong
                    threshold * strong     strong

`strong` is a percentile of the whole clip's evidence, so the colours mean the same from its first picture to its last. It has a floor:
without one, a clip in which nothing fits would have its noise blown up to full colour. Nothing fades over a cut: pictures of one shot
are drawn with steps of this shot only.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from avsep_plugin.clip import Float32, HeatMap

STRONG_PERCENTILE = 97.0


def at_time(heat_map: HeatMap, seconds: Fraction) -> Float32 | None:
    """The map [h, w] at a time on the clock of `start_seconds`, interpolated between the centres of the cells of the shot shown then.

    None where that shot is too short for any.
    """
    shot = heat_map.shot_at(seconds - heat_map.start_seconds)
    if shot.start == shot.stop:
        return None
    place = float((seconds - heat_map.start_seconds) / heat_map.step_seconds) - 0.5
    place = min(max(place, float(shot.start)), shot.stop - 1.0)
    before = int(place)
    after = min(before + 1, shot.stop - 1)
    share = np.float32(place - before)
    values: Float32 = heat_map.values[before] * (1 - share) + heat_map.values[after] * share
    return values


class Levels:
    """A heat map on the scale on which it is drawn.

    believed: [T], False for the steps of which nothing is to be drawn; the colour fades in and out within one step of them.
    threshold: share of the strong evidence, in [0, 1), from which on it is drawn. floor: the least that counts as strong, > 0.
    """

    def __init__(self, heat_map: HeatMap, believed: npt.NDArray[np.bool_], threshold: float = 0.5, floor: float = 1e-6) -> None:
        if believed.shape != heat_map.values.shape[:1]:
            raise ValueError(f"need one word for each of the {heat_map.values.shape[0]} steps, not {believed.shape}")
        if not 0 <= threshold < 1 or floor <= 0:
            raise ValueError("the threshold must lie in [0, 1), the floor above 0")
        seen = heat_map.values[believed]
        self.strong = max(float(np.percentile(seen.clip(min=0), STRONG_PERCENTILE)) if seen.size else 0.0, floor)
        """The evidence that gets the strongest colour."""
        self.threshold = threshold
        self.shown = replace(heat_map, values=heat_map.values * believed[:, None, None])
        """The map without what is not believed."""

    def of(self, values: Float32) -> Float32:
        """The levels of some values, in [-1, 1]: nothing is drawn up to 0, the strongest colour at 1."""
        levels: Float32 = np.clip((values / np.float32(self.strong) - self.threshold) / (1 - self.threshold), -1, 1).astype(np.float32)
        return levels

    def at(self, seconds: Fraction) -> Float32 | None:
        """The levels [h, w] at a time on the clock of the map; None where nothing is drawn.

        Before the map begins and after it has ended there is no evidence; there it fades within one step, because the pictures of a clip
        often end a little after its sound.
        """
        steps = (seconds - self.shown.start_seconds) / self.shown.step_seconds
        beyond = max(-steps, steps - self.shown.values.shape[0], Fraction(0))
        if beyond >= 1:
            return None
        values = at_time(self.shown, seconds)
        if values is None:
            return None
        levels = self.of(values * np.float32(1 - beyond))
        return levels if levels.max(initial=0) > 0 else None
