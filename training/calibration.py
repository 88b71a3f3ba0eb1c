"""What an aligner's logit is worth: logistic calibration, and the curve that shows whether it can be believed.

Platt (1999): p = sigmoid(slope * logit + offset), the two by maximum likelihood; the targets are not 0 and 1 but 1 / (n- + 2) and
(n+ + 1) / (n+ + 2), so that two kinds that a threshold separates perfectly do not ask for an endless slope.

The curve of a calibration on the clips it was fitted on flatters it. Here everybody's probabilities come from a fit on all the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from avsep_plugin.config import CalibrationConfig
from avsep_plugin.errors import DataError

Floats = npt.NDArray[np.float64]
_STEPS = 100
_CONVERGED = 1e-10


@dataclass(frozen=True)
class Bin:
    """Windows whose predicted probability lies in [low, high)."""

    low: float
    high: float
    predicted: float
    """Their mean predicted probability."""
    observed: float
    """The share of them in which sound and picture do belong together."""
    n: int


def fit(logits: Sequence[float], together: Sequence[bool]) -> CalibrationConfig:
    """The calibration under which the answers `together` to the logits are likeliest. Raises DataError unless both answers occur."""
    x, answers = np.asarray(logits, np.float64), np.asarray(together, bool)
    positive, negative = int(answers.sum()), int((~answers).sum())
    if not positive or not negative:
        raise DataError("A calibration needs windows that belong together and windows that do not.")
    targets = np.where(answers, (positive + 1) / (positive + 2), 1 / (negative + 2))
    centre, spread = float(x.mean()), float(x.std())
    scale = spread if spread > _CONVERGED else 1.0
    design = np.stack([(x - centre) / scale, np.ones_like(x)], axis=1)
    weights = _likeliest(design, targets)
    slope = float(weights[0]) / scale
    return CalibrationConfig(slope, float(weights[1]) - slope * centre)


def _likeliest(design: Floats, targets: Floats) -> Floats:
    """Newton's method; the log-likelihood is concave, a step that does not raise it is halved."""

    def likelihood(w: Floats) -> float:
        z = design @ w
        return float((targets * z - np.logaddexp(0, z)).sum())

    weights = np.zeros(2)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-(design @ weights)))
        curvature = design.T @ (design * (p * (1 - p))[:, None]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (targets - p))
        while likelihood(weights + step) < likelihood(weights) and np.abs(step).max() > _CONVERGED:
            step = step / 2
        weights = weights + step
        if np.abs(step).max() <= _CONVERGED:
            break
    return weights


def cross_fitted(logits: Sequence[float], together: Sequence[bool], groups: Sequence[str]) -> list[float]:
    """The probability of each logit under the calibration that is fitted on all other groups (speakers).

    Raises DataError for a single group.
    """
    if len(set(groups)) < 2:
        raise DataError("Held-out probabilities need the clips of two people at least.")
    of_group = {
        group: fit(*zip(*((x, t) for x, t, g in zip(logits, together, groups, strict=True) if g != group), strict=True))
        for group in set(groups)
    }
    return [of_group[group].probability(logit) for logit, group in zip(logits, groups, strict=True)]


def reliability(probabilities: Sequence[float], together: Sequence[bool], bins: int = 10) -> list[Bin]:
    """The reliability curve: bins of equal width that hold any window."""
    p, answers = np.asarray(probabilities, np.float64), np.asarray(together, bool)
    place = np.minimum((p * bins).astype(int), bins - 1)
    return [
        Bin(k / bins, (k + 1) / bins, float(p[place == k].mean()), float(answers[place == k].mean()), int((place == k).sum()))
        for k in range(bins)
        if (place == k).any()
    ]


def brier(probabilities: Sequence[float], together: Sequence[bool]) -> float:
    """Mean squared distance of the probabilities from the answers (Brier 1950): 0 is perfect, 0.25 what always saying 1/2 gets."""
    return float(np.square(np.asarray(probabilities) - np.asarray(together, np.float64)).mean())
