"""Weights files: safetensors with the model's configuration inside; nothing is ever unpickled."""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from avsep_plugin.atomic import atomic
from avsep_plugin.config import CalibrationConfig, ModelConfig
from avsep_plugin.errors import ConfigError, ModelError
from avsep_plugin.models.action import Recogniser
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.plain import from_dict, to_dict

FORMAT = "avsep-1"
Network = Aligner | Separator | Recogniser


def build(config: ModelConfig) -> Network:
    """A network with fresh weights for that configuration. Raises ConfigError where its parts do not fit together."""
    if config.task == "action":
        return Recogniser(config)
    return Aligner(config) if config.task == "align" else Separator(config)


def save(path: Path, config: ModelConfig, tensors: Mapping[str, Tensor], about: Mapping[str, Any] | None = None) -> None:
    """Write tensors, configuration and free remarks (plain JSON values) to `path`, whole or not at all."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(to_dict(config)),
        "about": json.dumps(dict(about or {})),
        "sha256": _digest(whole),
    }
    with atomic(path) as temporary:
        save_file(whole, temporary, metadata)
        temporary.chmod(0o644)


def read(path: Path) -> tuple[ModelConfig, dict[str, Tensor], dict[str, Any]]:
    """(configuration, tensors, remarks) of a weights file.

    Raises ModelError where the file is missing, damaged or not ours.
    """
    with _opened(path) as (file, metadata):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
        return from_dict(ModelConfig, json.loads(metadata["config"])), tensors, json.loads(metadata["about"])


def describe(path: Path) -> tuple[ModelConfig, dict[str, Any]]:
    """(configuration, remarks) of a weights file, without its tensors. Raises ModelError."""
    with _opened(path) as (_, metadata):
        return from_dict(ModelConfig, json.loads(metadata["config"])), json.loads(metadata["about"])


def verify(path: Path) -> None:
    """Raises ModelError unless the file's numbers are those that were written, and are all that its network needs."""
    config, tensors, _ = read(path)
    with _opened(path) as (_, metadata):
        if metadata.get("sha256", "") != _digest(tensors):
            raise ModelError(f"{path} is damaged, or from before checksums were kept: the checksum is not that of its numbers.")
    with torch.device("meta"):
        model = build(config)
    _check_fit(model, tensors, str(path))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, str]]]:
    """The open file and its metadata; what goes wrong with either becomes a ModelError."""
    if not path.is_file():
        raise ModelError(f"No such weights file: {path}")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ModelError(f"{path} is a safetensors file, but not one of avsep's.")
            yield file, metadata
    except (SafetensorError, KeyError, json.JSONDecodeError, struct.error, ConfigError) as exc:
        raise ModelError(f"{path} is not a whole avsep weights file: {exc}") from exc


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names and numbers of all tensors, in order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def pack(path: Path, output: Path) -> None:
    """Write the weights of `path` at half precision to `output`, half the size for shipping; `load` makes float32 of them again.

    Raises ModelError where `path` is no weights file.
    """
    config, tensors, about = read(path)
    save(output, config, {name: tensor.half() for name, tensor in tensors.items()}, about)


def average(paths: Sequence[Path], output: Path) -> None:
    """Write the mean of several models' weights, float32, with the configuration and remarks of the last, uncalibrated.

    Of models that went on from one another it is often better than each (Wortsman et al. 2022, "Model soups"). Raises ModelError where
    one is no weights file of ours or they are not alike.
    """
    models = [read(path) for path in paths]
    config, tensors, about = models[-1]
    for path, (other, others, _) in zip(paths, models, strict=True):
        if _kind(other) != _kind(config) or {n: t.shape for n, t in others.items()} != {n: t.shape for n, t in tensors.items()}:
            raise ModelError(f"{path} and {paths[-1]} hold networks that are not alike; they have no mean.")
    means = {name: torch.stack([found[name].double() for _, found, _ in models]).mean(dim=0).float() for name in tensors}
    save(output, replace(config, calibration=CalibrationConfig()), means, about)


def _kind(config: ModelConfig) -> ModelConfig:
    """What of a configuration two networks must share for their weights to mean the same."""
    return replace(config, name="", calibration=CalibrationConfig(), separator=replace(config.separator, dropout=0.0))


def calibrate(path: Path, output: Path, calibration: CalibrationConfig) -> None:
    """Write the weights of `path` to `output` (the same file, if wanted) with another calibration of their logits.

    Raises ModelError where `path` is no weights file of an aligner.
    """
    config, tensors, about = read(path)
    if config.task != "align":
        raise ModelError(f"{path} holds no aligner; only an aligner's logits can be calibrated.")
    save(output, replace(config, calibration=calibration), tensors, about)


def load(path: Path) -> Network:
    """The network of a weights file, on the CPU, in evaluation mode.

    Raises ModelError where weights and configuration do not fit together.
    """
    config, tensors, _ = read(path)
    model = build(config)
    load_exact(model, tensors, str(path))
    return model.eval()


def load_exact(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy tensors into the model: every name and shape must match, or ModelError."""
    _check_fit(model, tensors, where)
    model.load_state_dict(dict(tensors))


def _check_fit(model: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    own = model.state_dict()
    missing, foreign = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    wrong = [name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape]
    for problem, names in (("lacks", missing), ("has a foreign", foreign), ("has another shape of", wrong)):
        if names:
            raise ModelError(f"{where} {problem} {names[0]}" + (f" and {len(names) - 1} more." if len(names) > 1 else "."))


def load_shared(model: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """Copy what fits by name and shape; returns the names of the model's tensors that kept their own values."""
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in tensors.items() if name in own and own[name].shape == tensor.shape}
    model.load_state_dict(fitting, strict=False)
    return sorted(own.keys() - fitting.keys())
