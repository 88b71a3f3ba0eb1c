"""The whole state of a training run in one safetensors file: weights, optimiser, step, recipe. No pickle.

The random numbers of a step depend on the seed and the step alone, so the step is all of the random state and the data position.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from avsep_plugin.atomic import atomic
from avsep_plugin.errors import ConfigError, ModelError
from avsep_plugin.plain import from_dict, to_dict

from .recipe import Recipe


def save_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, step: int) -> None:
    """Write the state after `step` updates, whole or not at all."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in values.items() if value is not None}
    with atomic(path) as temporary:
        metadata = {"step": str(step), "recipe": json.dumps(to_dict(recipe))}
        save_file({name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}, temporary, metadata)


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe) -> int:
    """Put a saved state into model and optimiser -> updates done so far.

    Raises ModelError for a damaged file, ConfigError where it was made with another recipe.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata()
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    except SafetensorError as exc:
        raise ModelError(f"{path} is damaged: {exc}") from exc
    if from_dict(Recipe, json.loads(metadata["recipe"])) != recipe:  # a field that is newer than the file has its default in it
        raise ConfigError(f"{path.parent} holds a run of another recipe; give another output folder or the same recipe.")
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(metadata["step"])
