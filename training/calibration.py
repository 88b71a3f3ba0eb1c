"""What an aligner's logit is worth: logistic calibration, and the curve that shows whether it can be believed.

Platt (1999): p = sigmoid(slope * logit + offset), the two by maximum likelihood; the targets are not 0 and 1 but 1 / (n- + 2) and
(n+ + 1) / (n+ + 2), so that two kinds that a threshold separates perfectly do not ask for an endless slope.

The curve of a calibration on the clips it was fitted on flatters it. Here everybody's probabilities come from a fit on all the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from avsep_plugin.config import CalibrationConfig
from avsep_plugin.errors import DataError

_STEPS = 200
_FLAT = 1e-10
"""A slope of the likelihood, or a spread of the logits, that is none."""


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
    scale = spread if spread > _FLAT else 1.0
    scaled, wanted = torch.from_numpy((x - centre) / scale), torch.from_numpy(targets)
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=_STEPS, tolerance_grad=_FLAT, tolerance_change=0.0, line_search_fn="strong_wolfe")

    def distance() -> float:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(weights[0] * scaled + weights[1], wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    optimizer.step(distance)  # type: ignore[no-untyped-call]
    first, second = weights.tolist()
    slope = first / scale
    return CalibrationConfig(slope, second - slope * centre)


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
