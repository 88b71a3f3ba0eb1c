"""The layers do what TensorFlow 1.8's do, by closed forms and direct transcriptions."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional

from avsep_plugin.models.layers import (
    BatchNorm,
    SameConv,
    fractional_edges,
    fractional_max_pool,
    legacy_resize,
    max_pool_same,
    same_padding,
)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "outputs", "padding"),
    [
        (224, 7, 2, 112, (2, 3)),
        (63, 5, 2, 32, (2, 2)),
        (125, 5, 2, 63, (2, 2)),
        (248, 5, 2, 124, (1, 2)),
        (112, 3, 2, 56, (0, 1)),
        (56, 3, 2, 28, (0, 1)),
        (63, 3, 2, 32, (1, 1)),
        (32, 3, 2, 16, (0, 1)),
        (124, 3, 2, 62, (0, 1)),
        (62, 3, 2, 31, (0, 1)),
        (14, 3, 2, 7, (0, 1)),
        (44144, 65, 4, 11036, (30, 31)),
        (87588, 65, 4, 21897, (30, 31)),
        (173774, 65, 4, 43444, (31, 32)),
        (2759, 15, 4, 690, (6, 6)),
        (5474, 15, 4, 1369, (6, 7)),
        (10861, 15, 4, 2716, (7, 7)),
        (690, 15, 4, 173, (6, 7)),
        (1369, 15, 4, 343, (7, 7)),
        (2716, 15, 4, 679, (5, 6)),
        (173, 15, 4, 44, (7, 7)),
        (343, 15, 4, 86, (6, 6)),
        (679, 15, 4, 170, (6, 6)),
        (128, 4, 1, 128, (1, 2)),
        (1024, 4, 2, 512, (1, 1)),
        (9, 1, 4, 3, (0, 0)),
    ],
)
def test_same_padding_depends_on_the_length(size: int, kernel: int, stride: int, outputs: int, padding: tuple[int, int]) -> None:
    assert same_padding(size, kernel, stride) == padding
    assert (size + sum(padding) - kernel) // stride + 1 == outputs


@pytest.mark.parametrize("length", [11, 12, 13, 14])
def test_a_same_convolution_is_the_sum_over_what_lies_inside(length: int) -> None:
    torch.manual_seed(0)
    layer, x = SameConv(1, 1, (5,), (3,)), torch.randn(1, 1, length)
    outputs = math.ceil(length / 3)
    before = max((outputs - 1) * 3 + 5 - length, 0) // 2
    inside = [
        sum(layer.weight[0, 0, k] * x[0, 0, i * 3 + k - before] for k in range(5) if 0 <= i * 3 + k - before < length)
        for i in range(outputs)
    ]
    torch.testing.assert_close(layer(x)[0, 0], torch.stack(inside))


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kernel", [(9,), (4, 4), (3, 3, 3)])
def test_gradients_in_bfloat16_are_those_in_float32(kernel: tuple[int, ...], size: int) -> None:
    """Of maps of one place in particular: see `SameConv.forward`."""
    torch.manual_seed(0)
    layer, x = SameConv(8, 8, kernel, (2,) * len(kernel)), torch.randn(4, 8, *(size,) * len(kernel))
    gradients = []
    for half in (False, True, True, True):
        junk = [torch.full((4000,), math.nan) for _ in range(50)]  # what memory may hold that is not written to
        del junk
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = layer(x)
        (gradient,) = torch.autograd.grad(y.float().square().sum(), layer.weight)
        gradients.append(gradient)
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradient, gradients[0], rtol=0, atol=0.03 * float(gradients[0].abs().max()))


def test_outside_never_wins_a_max_pool() -> None:
    x = torch.full((1, 1, 1, 4, 4), -5.0)
    assert torch.equal(max_pool_same(x, (1, 3, 3), (1, 2, 2)), torch.full((1, 1, 1, 2, 2), -5.0))


def test_a_max_pool_of_an_even_length_starts_at_the_first_place() -> None:
    assert max_pool_same(torch.tensor([[[9.0, 1, 2, 3]]]), (3,), (2,)).flatten().tolist() == [9.0, 3.0]


def test_weights_start_as_a_normal_cut_at_two_sigma() -> None:
    torch.manual_seed(0)
    weight = SameConv(32, 64, (3, 3, 3)).weight
    sigma = math.sqrt(2.6 / (32 * 27))
    assert weight.abs().max() <= 2 * sigma
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (32 * 27)), rel=0.02)


@pytest.mark.parametrize(("length", "bins"), [(44, 16), (86, 32), (170, 62), (342, 124), (423, 155), (21, 8), (683, 248)])
def test_fixed_fractional_bins_follow_the_rule(length: int, bins: int) -> None:
    alpha, k = length / bins, length // bins
    u = 0.2511744980841868 * min((k + 2) / alpha - 1, (length + 1 - k) / alpha - (bins - 1))
    edges = fractional_edges(length, bins)
    assert edges == [0, *(math.ceil(alpha * (i + u)) - 1 for i in range(1, bins)), length]
    assert min(np.diff(edges)) >= 1


def test_fixed_fractional_bins_of_the_published_window() -> None:
    assert fractional_edges(44, 16) == [0, 3, 5, 8, 11, 14, 16, 19, 22, 25, 27, 30, 33, 36, 38, 41, 44]


def test_random_fractional_bins_differ_by_one_and_fill_the_length() -> None:
    torch.manual_seed(3)
    widths = np.diff(fractional_edges(86, 32, random=True))
    assert sorted(widths.tolist()) == [2] * 10 + [3] * 22


def test_random_fractional_bins_change_from_call_to_call() -> None:
    torch.manual_seed(3)
    assert fractional_edges(86, 32, random=True) != fractional_edges(86, 32, random=True)


@pytest.mark.parametrize("random", [False, True])
def test_fractional_pooling_takes_the_maximum_of_every_bin(random: bool) -> None:
    x = torch.randn(2, 3, 21, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    edges = fractional_edges(21, 8, random=random)
    torch.manual_seed(1)
    pooled = fractional_max_pool(x, 8, random=random)
    torch.testing.assert_close(pooled, torch.stack([x[..., a:b].amax(-1) for a, b in pairwise(edges)], dim=-1))


def test_a_length_already_right_is_pooled_to_itself() -> None:
    x = torch.randn(1, 2, 16)
    assert torch.equal(fractional_max_pool(x, 16), x)


def test_legacy_resize_doubles_a_ramp_without_half_pixel_centres() -> None:
    """Places 0, 1/2, 1, ...; the last is held."""
    assert legacy_resize(torch.arange(4.0), 8).tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3]


def test_legacy_resize_by_an_uneven_factor() -> None:
    x = torch.tensor([0.0, 3.0, 9.0])
    torch.testing.assert_close(legacy_resize(x, 5), torch.tensor([0, 1.8, 3 + 0.2 * 6, 3 + 0.8 * 6, 9.0]))


def test_legacy_resize_down_only_picks_and_blends() -> None:
    torch.testing.assert_close(legacy_resize(torch.arange(6.0), 4), torch.tensor([0.0, 1.5, 3.0, 4.5]))


def test_legacy_resize_of_a_middle_axis_leaves_the_others_alone() -> None:
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(legacy_resize(x, 7, dim=1), legacy_resize(x.transpose(1, 2), 7).transpose(1, 2))


class DirectNorm:
    """Training rule of slim's batch norm, word by word in NumPy (spec 0.3)."""

    def __init__(self, channels: int, eps: float, renorm: bool, biased: bool) -> None:
        self.eps, self.renorm, self.biased = eps, renorm, biased
        self.moving_mean, self.moving_variance = np.zeros(channels), np.ones(channels)
        self.rm, self.rs, self.rw, self.rsw = np.zeros(channels), np.zeros(channels), 0.0, 0.0

    def step(self, x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
        flat = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])
        mean, variance = flat.mean(0), flat.var(0)
        sigma = np.sqrt(variance + self.eps)
        y = (np.moveaxis(x, 1, -1) - mean) / sigma
        if self.renorm:
            mixed_mean, mixed_sigma = self.rm + (1 - self.rw) * mean, self.rs + (1 - self.rsw) * sigma
            y = y * (sigma / mixed_sigma) + (mean - mixed_mean) / mixed_sigma
            self.rm, self.rw = 0.99 * self.rm + 0.01 * mean, 0.99 * self.rw + 0.01
            self.rs, self.rsw = 0.99 * self.rs + 0.01 * sigma, 0.99 * self.rsw + 0.01
            mean, variance = self.rm / self.rw, (self.rs / self.rsw) ** 2 - self.eps
        elif not self.biased:
            variance = flat.var(0, ddof=1)
        self.moving_mean = 0.9997 * self.moving_mean + 0.0003 * mean
        self.moving_variance = 0.9997 * self.moving_variance + 0.0003 * variance
        return np.moveaxis(y * gamma + beta, -1, 1)


@pytest.mark.parametrize("renorm", [False, True])
@pytest.mark.parametrize(("shape", "biased"), [((2, 3, 7), False), ((2, 3, 2, 3, 2), True)])
def test_batch_norm_in_training_follows_the_rule_for_several_steps(shape: tuple[int, ...], biased: bool, renorm: bool) -> None:
    draw = np.random.default_rng(0)
    layer = BatchNorm(3, gamma=True, renorm=renorm, biased=biased).train()
    direct = DirectNorm(3, 1e-3, renorm, biased)
    gamma, beta = draw.normal(size=3), draw.normal(size=3)
    layer.load_state_dict({"gamma": torch.tensor(gamma), "beta": torch.tensor(beta)}, strict=False)
    for step in range(5):
        x = draw.normal(step, 1 + step, size=shape)
        y = layer(torch.tensor(x, dtype=torch.float32))
        np.testing.assert_allclose(y.detach().numpy(), direct.step(x, gamma, beta), atol=2e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), direct.moving_mean, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), direct.moving_variance, rtol=1e-5)
    if renorm:
        averages = (layer.renorm_mean, layer.renorm_stddev, layer.renorm_mean_weight, layer.renorm_stddev_weight)
        for average, expected in zip(averages, (direct.rm, direct.rs, direct.rw, direct.rsw), strict=True):
            np.testing.assert_allclose(average.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_running_variance_is_biased_for_video_and_unbiased_for_audio() -> None:
    x = torch.tensor([[[0.0, 2.0]]])
    for biased, variance in ((True, 1.0), (False, 2.0)):
        layer = BatchNorm(1, momentum=1.0, biased=biased).train()
        layer(x)
        assert layer.moving_variance.item() == pytest.approx(variance)


def test_the_first_renorm_step_is_plain_batch_norm() -> None:
    torch.manual_seed(0)
    x, layer = torch.randn(4, 3, 5), BatchNorm(3, renorm=True).train()
    torch.testing.assert_close(layer(x), functional.batch_norm(x, None, None, training=True, eps=1e-3))


def test_no_gradient_flows_through_the_renorm_corrections() -> None:
    torch.manual_seed(0)
    layer = BatchNorm(2, renorm=True).train()
    layer(torch.randn(4, 2, 5))
    averages = {name: value.clone() for name, value in layer.named_buffers()}
    x, weight = (3 * torch.randn(4, 2, 5) + 1).requires_grad_(), torch.randn(4, 2, 5)
    (gradient,) = torch.autograd.grad((layer(x) * weight).sum(), x)
    mean = x.mean((0, 2), keepdim=True)
    sigma = (x.var((0, 2), correction=0, keepdim=True) + 1e-3).sqrt()
    mixed_sigma = averages["renorm_stddev"].view(1, 2, 1) + (1 - averages["renorm_stddev_weight"]) * sigma.detach()
    (expected,) = torch.autograd.grad(((x - mean) / sigma * (sigma.detach() / mixed_sigma) * weight).sum(), x)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_in_evaluation_ignores_the_renorm_averages() -> None:
    layer = BatchNorm(1, renorm=True).eval()
    layer.renorm_mean.fill_(7.0)
    x = torch.randn(2, 1, 3)
    torch.testing.assert_close(layer(x), x / math.sqrt(1 + 1e-3))


def test_batch_norm_in_evaluation_changes_nothing() -> None:
    layer = BatchNorm(2, renorm=True).eval()
    before = {name: value.clone() for name, value in layer.named_buffers()}
    layer(torch.randn(4, 2, 5))
    assert all(torch.equal(value, before[name]) for name, value in layer.named_buffers())
