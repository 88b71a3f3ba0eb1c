"""Levels: RMS, decibels and the scale-invariant signal-to-distortion ratio."""

import torch
from torch import Tensor


def set_rms(signal: Tensor, rms: float, floor: float = 1e-4) -> tuple[Tensor, Tensor]:
    """Bring every channel of `signal` [..., N] to the given RMS -> (signal, gain [..., 1]); an RMS under `floor` counts as `floor`.

    The floor is the original's (spec 2.2): silence stays silence.
    """
    gain = rms / signal.square().mean(dim=-1, keepdim=True).sqrt().clamp_min(floor)
    return signal * gain, gain


def decibels(magnitude: Tensor, floor: float = 1e-5) -> Tensor:
    """20 log10 of a magnitude, floored (default -100 dB, as the original does)."""
    return 20.0 * torch.log10(magnitude.clamp_min(floor))


def si_sdr(estimate: Tensor, reference: Tensor, eps: float = 1e-8) -> Tensor:
    """Scale-invariant SDR in dB of `estimate` against `reference`, both [..., N] -> [...] (Le Roux et al. 2019, eq. 2-4).

    The mean is removed first; the reference is scaled to the estimate's projection on it.
    """
    estimate = estimate - estimate.mean(dim=-1, keepdim=True)
    reference = reference - reference.mean(dim=-1, keepdim=True)
    energy = reference.square().sum(dim=-1, keepdim=True) + eps
    target = (estimate * reference).sum(dim=-1, keepdim=True) / energy * reference
    noise = estimate - target
    return 10.0 * torch.log10((target.square().sum(dim=-1) + eps) / (noise.square().sum(dim=-1) + eps))
