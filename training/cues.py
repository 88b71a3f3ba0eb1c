"""What stands in for the picture while a mask network learns to follow a voice: a little of how the wanted sound's level goes.

Lips tell badly how loud a voice is, and in which bands. A network that is given just that, and worse, from the clean sound learns to
separate from sounds alone: three times the steps in the same time, and from voices of which nobody has a picture.
"""

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

_SMOOTHED = 3
"""Steps of the picture rate over which levels and errors are averaged."""
_ERRORS = (0.5, 4.0)
"""The errors' standard deviation, drawn anew for every sound between these, where the levels have 1."""
_BLANK = 0.1
"""So large a share of the cues says nothing."""
_SPREAD_DB = 3.0
"""A band whose level varies by less counts as one that varies by so much."""


def noisy_cue(wanted: Tensor, bands: int, steps: int) -> Tensor:
    """STFT of the wanted sounds [B, bins, L] -> cue [B, bands, steps]: levels of bands of equal width in log frequency, each of mean 0 and
    standard deviation 1, with errors that hide them more in some sounds than in others. Drawn from torch's generator."""
    power = wanted.abs().square()
    edges = torch.logspace(0, 1, bands + 1, base=float(power.shape[1])).round().int().tolist()
    parts = [power[:, low : max(high, low + 1)].mean(dim=1) for low, high in pairwise(edges)]
    levels = 10 * torch.log10(functional.adaptive_avg_pool1d(torch.stack(parts, dim=1), steps) + 1e-6)
    levels = _smooth(levels)
    deviation = (levels - levels.mean(dim=2, keepdim=True)) / levels.std(dim=2, keepdim=True).clamp_min(_SPREAD_DB)
    low, high = _ERRORS
    error = low + (high - low) * torch.rand(len(wanted), 1, 1, device=wanted.device)
    noise = _smooth(torch.randn_like(deviation)) * _SMOOTHED**0.5
    shown = torch.rand(len(wanted), 1, 1, device=wanted.device) >= _BLANK
    cue: Tensor = (deviation + error * noise) * shown
    return cue


def _smooth(x: Tensor) -> Tensor:
    """Running mean over time, as long as before."""
    smooth: Tensor = functional.avg_pool1d(x, _SMOOTHED, 1, _SMOOTHED // 2, count_include_pad=False)
    return smooth
