"""Layers that behave as TensorFlow 1.8's do (spec 0): SAME padding at run time, slim's batch norm with renorm, legacy resize, pooling."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from avsep_plugin.models import shared_norm

_CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_MAX_POOL = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """(before, after) so that the output has ceil(size / stride) places; the odd one goes after (spec 0.1)."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(x: Tensor, kernel: Sequence[int], stride: Sequence[int], value: float = 0.0) -> Tensor:
    """Pad the last len(kernel) axes of `x` [B, C, ...] for a SAME operation."""
    pads: list[int] = []
    for size, k, s in zip(x.shape[:1:-1], reversed(kernel), reversed(stride), strict=True):
        pads += same_padding(size, k, s)
    return functional.pad(x, pads, value=value) if any(pads) else x


def max_pool_same(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """SAME max-pooling of `x` [B, C, ...]; what lies outside never wins."""
    return _MAX_POOL[len(kernel)](pad_same(x, kernel, stride, value=-math.inf), list(kernel), list(stride))


class SameConv(nn.Module):
    """Convolution with SAME padding over the last len(kernel) axes, [B, in, ...] -> [B, out, ceil(... / stride)].

    Weights start as slim's variance scaling: normal cut at two sigma, sigma = sqrt(2.6 / fan-in); biases at 0.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Sequence[int], stride: Sequence[int] | None = None, bias: bool = False) -> None:
        super().__init__()
        self.kernel = tuple(kernel)
        self.stride = tuple(stride or (1,) * len(kernel))
        self.weight = nn.Parameter(torch.empty(outputs, inputs, *kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        sigma = math.sqrt(2.6 / (inputs * math.prod(kernel)))
        nn.init.trunc_normal_(self.weight, std=sigma, a=-2 * sigma, b=2 * sigma)

    def forward(self, x: Tensor) -> Tensor:
        # Along an axis of one place a stride does nothing, but with it PyTorch 2.14 on CPUs with AMX leaves whatever was in memory in the
        # weights' bfloat16 gradients (akin to pytorch/pytorch issue 169688).
        stride = [1 if n == 1 else s for n, s in zip(x.shape[2:], self.stride, strict=True)]
        pads = [same_padding(n, k, s) for n, k, s in zip(x.shape[2:], self.kernel, self.stride, strict=True)]
        if all(before == after for before, after in pads):
            return _CONV[len(pads)](x, self.weight, self.bias, stride, [before for before, _ in pads])
        return _CONV[len(pads)](pad_same(x, self.kernel, self.stride), self.weight, self.bias, stride)


class BatchNorm(nn.Module):
    """slim's batch normalisation over axis 1, with batch renormalisation in training where `renorm` (spec 0.3).

    biased: whether the running variance takes the biased batch variance (TensorFlow's 5-D tensors) or Bessel's (4-D).
    The attribute `shared` says whether a training batch is that of all processes of a run together (`share_statistics`).
    """

    def __init__(
        self, channels: int, *, eps: float = 1e-3, momentum: float = 0.0003, gamma: bool = False, renorm: bool = False, biased: bool = True
    ) -> None:
        super().__init__()
        self.eps, self.momentum, self.renorm, self.biased = eps, momentum, renorm, biased
        self.shared = False
        self.gamma = nn.Parameter(torch.ones(channels)) if gamma else None
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("moving_mean", torch.zeros(channels))
        self.register_buffer("moving_variance", torch.ones(channels))
        if renorm:
            self.register_buffer("renorm_mean", torch.zeros(channels))
            self.register_buffer("renorm_mean_weight", torch.zeros(()))
            self.register_buffer("renorm_stddev", torch.zeros(channels))
            self.register_buffer("renorm_stddev_weight", torch.zeros(()))

    moving_mean: Tensor
    moving_variance: Tensor
    renorm_mean: Tensor
    renorm_mean_weight: Tensor
    renorm_stddev: Tensor
    renorm_stddev_weight: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return functional.batch_norm(x, self.moving_mean, self.moving_variance, self.gamma, self.beta, eps=self.eps)
        if self.shared:
            return self._normalise_shared(x)
        if not self.renorm:
            mean, variance = torch.zeros_like(self.moving_mean), torch.zeros_like(self.moving_variance)
            y = functional.batch_norm(x, mean, variance, self.gamma, self.beta, training=True, momentum=1.0, eps=self.eps)
            self._track(mean, variance * self._bessel(x) if self.biased else variance)
            return y
        variance, mean = torch.var_mean(x.float(), dim=[0, *range(2, x.dim())], correction=0)
        scale, shift = self._renormalise(mean, variance)
        gamma = torch.ones_like(self.beta) if self.gamma is None else self.gamma
        return functional.batch_norm(x, None, None, scale * gamma, shift * gamma + self.beta, training=True, eps=self.eps)

    def _normalise_shared(self, x: Tensor) -> Tensor:
        """The same as `forward` in training, over the batches of all processes."""
        mean, variance, count = shared_norm.statistics(x)
        gamma = torch.ones_like(self.beta) if self.gamma is None else self.gamma
        if not self.renorm:
            self._track(mean, variance if self.biased else variance * (count / (count - 1)))
            return shared_norm.normalise(x, mean, variance + self.eps, gamma, self.beta)
        scale, shift = self._renormalise(mean, variance)
        return shared_norm.normalise(x, mean, variance + self.eps, scale * gamma, shift * gamma + self.beta)

    @staticmethod
    def _bessel(x: Tensor) -> float:
        """Factor from the unbiased variance, which torch tracks, to the biased one."""
        count = x.numel() // x.shape[1]
        return (count - 1) / count

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        self.moving_mean.lerp_(mean, self.momentum)
        self.moving_variance.lerp_(variance, self.momentum)

    @torch.no_grad()
    def _renormalise(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """r and d of batch renormalisation (Ioffe 2017) without clipping, from the averages as they stood before this batch."""
        sigma = (variance + self.eps).sqrt()
        mixed_mean = self.renorm_mean + (1 - self.renorm_mean_weight) * mean
        mixed_sigma = self.renorm_stddev + (1 - self.renorm_stddev_weight) * sigma
        scale, shift = sigma / mixed_sigma, (mean - mixed_mean) / mixed_sigma
        for average, value in ((self.renorm_mean, mean), (self.renorm_stddev, sigma)):
            average.lerp_(value, 0.01)
        for weight in (self.renorm_mean_weight, self.renorm_stddev_weight):
            weight.lerp_(torch.ones_like(weight), 0.01)
        deviation = self.renorm_stddev / self.renorm_stddev_weight
        self._track(self.renorm_mean / self.renorm_mean_weight, deviation.square() - self.eps)
        return scale, shift


def share_statistics(model: nn.Module) -> None:
    """From now on a training batch of all batch normalisations is that of all processes together, whose shares are equally large."""
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.shared = True


def legacy_resize(x: Tensor, size: int, dim: int = -1) -> Tensor:
    """TensorFlow 1's bilinear resize of one axis: source place = i * in / out, no half-pixel centres (spec 0.4)."""
    length = x.shape[dim]
    place = torch.arange(size, device=x.device, dtype=torch.float32) * (length / size)
    low = place.floor().long().clamp_max(length - 1)
    high = (low + 1).clamp_max(length - 1)
    shape = [1] * x.dim()
    shape[dim] = size
    share = (place - low).view(shape).to(x.dtype)
    return torch.lerp(x.index_select(dim, low), x.index_select(dim, high), share)


_PHILOX_DRAW = 0.2511744980841868
"""First double of TensorFlow's Philox generator for the seeds (1, 2), with which the original pools at test time."""


def fractional_edges(length: int, bins: int, *, random: bool = False) -> list[int]:
    """Edges e_0 = 0 < ... < e_bins = length of a fractional pooling (spec 1.3).

    Fixed: the pseudo-random sequence of the release. Random: bins of floor(length / bins), the rest given to random bins one each.
    """
    step, whole = length / bins, length // bins
    if random:
        longer = set(torch.randperm(bins)[: length % bins].tolist())
        edges = [0]
        for i in range(bins):
            edges.append(edges[-1] + whole + (i in longer))
        return edges
    start = _PHILOX_DRAW * min((whole + 2) / step - 1, (length + 1 - whole) / step - (bins - 1))
    return [0, *(math.ceil(step * (i + start)) - 1 for i in range(1, bins)), length]


def fractional_max_pool(x: Tensor, bins: int, *, random: bool = False) -> Tensor:
    """Max over uneven bins of the last axis: [..., length] -> [..., bins], length >= bins."""
    edges = fractional_edges(x.shape[-1], bins, random=random)
    widest = max(b - a for a, b in pairwise(edges))
    places = [[min(a + k, b - 1) for k in range(widest)] for a, b in pairwise(edges)]
    index = torch.tensor(places, device=x.device)
    return x.index_select(-1, index.flatten()).reshape(*x.shape[:-1], bins, widest).amax(-1)
