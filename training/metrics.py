"""Figures of merit of a separated sound, and intervals for their means.

All sounds are mono and float; computation is in float64. Decibels are clamped to +-`CLAMP_DB`, so that a perfect or a silent
estimate stays a number that can be averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import fast_bss_eval
import numpy as np
import torch
from torch import Tensor

from avsep_plugin.dsp import levels

CLAMP_DB = 80.0
_SILENCE = 1e-10
"""Energy (full scale = 1) under which an estimate counts as silent: nothing of the target is in it."""
_DIAGONAL = 1e-10
"""Added to the normalised system of BSS-eval's filters: band-limited sound (lossy codecs) makes it singular otherwise."""


@dataclass(frozen=True)
class Score:
    """One estimate of the on-screen sound, in dB.

    `right_voice`: it is nearer (SI-SDR) to the target than to the interferer.
    """

    si_sdr: float
    si_sdr_improvement: float
    sdr: float
    sir: float
    sar: float
    right_voice: bool


def si_sdr(estimate: Tensor, reference: Tensor) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of [n] against [n] (Le Roux et al. 2019), means removed."""
    estimate, reference = estimate.double(), reference.double()
    if float((estimate - estimate.mean()).square().sum()) < _SILENCE:
        return -CLAMP_DB
    value = float(levels.si_sdr(estimate, reference, eps=1e-15))
    return min(CLAMP_DB, max(-CLAMP_DB, value))


def bss_eval(estimates: Tensor, references: Tensor) -> tuple[float, float, float]:
    """SDR, SIR, SAR in dB of the first of two estimates [2, n] against the references [2, n] in the same order.

    BSS-eval v3 (Vincent et al. 2006): distortion filters of 512 taps are forgiven, so a delay or a colouring costs nothing;
    always read SI-SDR beside it.
    """
    if float(estimates[0].double().square().sum()) < _SILENCE:
        return -CLAMP_DB, -CLAMP_DB, -CLAMP_DB
    found = fast_bss_eval.bss_eval_sources(
        references.double(), estimates.double(), compute_permutation=False, clamp_db=CLAMP_DB, load_diag=_DIAGONAL
    )
    sdr, sir, sar = (float(torch.nan_to_num(values[0], nan=-CLAMP_DB)) for values in found)
    return sdr, sir, sar


def score(estimate: Tensor, target: Tensor, interferer: Tensor) -> Score:
    """All figures of one estimate [n] of `target` in the mixture `target + interferer`; what it leaves out is the other estimate."""
    mixture = target + interferer
    reached = si_sdr(estimate, target)
    sdr, sir, sar = bss_eval(torch.stack([estimate, mixture - estimate]), torch.stack([target, interferer]))
    return Score(
        si_sdr=reached,
        si_sdr_improvement=reached - si_sdr(mixture, target),
        sdr=sdr,
        sir=sir,
        sar=sar,
        right_voice=reached > si_sdr(estimate, interferer),
    )


@dataclass(frozen=True)
class Mean:
    """A mean over n values with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def clustered_mean(values: Sequence[float], clusters: Sequence[str], resamples: int = 2000, seed: int = 0) -> Mean:
    """The mean of `values` and its 95 % bootstrap interval when whole clusters are drawn.

    Values of one cluster (the same two speakers) resemble each other, so they count as one draw: k clusters are drawn out of k
    with replacement, and the mean over all their values is taken. The same seed gives the same interval. Raises ValueError for no values.
    """
    if not values or len(values) != len(clusters):
        raise ValueError(f"need as many values as clusters and at least one, got {len(values)} and {len(clusters)}")
    names, member = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(member, weights=np.asarray(values, dtype=np.float64))
    counts = np.bincount(member)
    drawn = np.random.default_rng(seed).multinomial(names.size, np.full(names.size, 1 / names.size), size=resamples)
    means = (drawn @ sums) / (drawn @ counts)
    low, high = np.quantile(means, [0.025, 0.975])
    return Mean(float(np.mean(np.asarray(values, dtype=np.float64))), float(low), float(high), len(values))


def better_of(estimates: Sequence[Tensor], target: Tensor) -> Tensor:
    """Oracle assignment: the estimate that has the highest SI-SDR against the target."""
    return max(estimates, key=lambda estimate: si_sdr(estimate, target))
