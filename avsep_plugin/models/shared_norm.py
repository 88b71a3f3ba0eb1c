"""Batch normalisation over a batch that several processes hold in equal shares: the same numbers as one process with all of it.

torch's SyncBatchNorm knows no batch renormalisation and no CPU. One collective forward, one backward; every process gets the same bits.
"""

from typing import Any

import torch
from torch import Tensor, distributed


@torch.no_grad()
def statistics(x: Tensor) -> tuple[Tensor, Tensor, int]:
    """Mean and biased variance [C] float32 of `x` [B, C, ...] over all processes, and how many numbers each is of.

    With shares of equal size, mean = avg m_r and variance = avg v_r + avg (m_r - mean)^2, which loses nothing where means are large.
    """
    variance, mean = torch.var_mean(x.float(), dim=_places(x), correction=0)
    world = distributed.get_world_size()
    gathered = [torch.empty_like(torch.stack([mean, variance])) for _ in range(world)]
    distributed.all_gather(gathered, torch.stack([mean, variance]))
    means, variances = torch.stack(gathered).unbind(dim=1)
    mean = means.mean(dim=0)
    return mean, variances.mean(dim=0) + (means - mean).square().mean(dim=0), world * (x.numel() // x.shape[1])


def normalise(x: Tensor, mean: Tensor, power: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """scale (x - mean) / sqrt(power) + shift, of the dtype of `x` [B, C, ...]; mean and power are functions of `x` in all processes."""
    normalised: Tensor = _Normalise.apply(x, mean, power, scale, shift)
    return normalised


class _Normalise(torch.autograd.Function):
    """With z = (x - mean) / sigma, g = dL/dy and E the mean over the whole batch,

        dL/dx = scale / sigma * (g - E[g] - z E[g z])

    where L is the sum of all processes' losses: E is taken over all of them. The gradients of scale and shift stay each process's own, as
    those of all other parameters do until they are averaged.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, power: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        inverse = power.rsqrt()
        ctx.save_for_backward(x, mean, inverse, scale)
        return torch.addcmul(_wide(shift, x), (x.float() - _wide(mean, x)) * _wide(inverse, x), _wide(scale, x)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, inverse, scale = ctx.saved_tensors
        g = gradients[0].float()
        z = (x.float() - _wide(mean, x)) * _wide(inverse, x)
        own = torch.stack([g.sum(dim=_places(x)), (g * z).sum(dim=_places(x))])
        whole = own.clone()
        distributed.all_reduce(whole)
        whole /= distributed.get_world_size() * (x.numel() // x.shape[1])
        toward_x = _wide(scale * inverse, x) * (g - _wide(whole[0], x) - z * _wide(whole[1], x))
        return toward_x.to(x.dtype), None, None, own[1], own[0]


def _places(x: Tensor) -> list[int]:
    return [0, *range(2, x.dim())]


def _wide(values: Tensor, x: Tensor) -> Tensor:
    return values.view(-1, *[1] * (x.dim() - 2))
