"""The optimiser that a recipe asks for, and its step sizes."""

import math

import torch
from torch import nn

from avsep_plugin.models.separator import Separator

from .recipe import OptimizerConfig


def make_optimizer(model: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """SGD with momentum 0.9 or Adam; L2 on weights of more than one axis, of a separator only the mask network's (spec 1.4, 2.5)."""
    decays = {name: p.dim() > 1 and (not isinstance(model, Separator) or name.startswith("gen.")) for name, p in model.named_parameters()}
    decayed, rest = ([p for name, p in model.named_parameters() if decays[name] is wanted] for wanted in (True, False))
    groups = [{"params": decayed, "weight_decay": config.l2}, {"params": rest, "weight_decay": 0.0}]
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9)
    return torch.optim.Adam(groups, lr=config.learning_rate)


def learning_rate(config: OptimizerConfig, step: int) -> float:
    """Step size of update number `step`, counted from 0."""
    rate = config.learning_rate * min(1.0, (step + 1) / max(config.warmup_steps, 1))
    if config.schedule == "step":
        return rate * 0.1 ** (step // config.step_size)
    if config.schedule == "cosine":
        return rate * 0.5 * (1 + math.cos(math.pi * step / config.steps))
    return rate
