"""The list of known models and where their weights lie."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from avsep_plugin.errors import ModelError
from avsep_plugin.models import checkpoint, store
from avsep_plugin.models.action import Recogniser
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.models.store import Task

_DOES: dict[Task, str] = {"separate": "separate", "align": "localize", "action": "recognise actions"}


@dataclass(frozen=True)
class ModelCard:
    """A known model: one weights file for each task."""

    name: str
    description: str
    licence: str
    files: dict[Task, Path]
    about: dict[str, Any] = field(default_factory=dict)
    """Remarks in the file of an imported model: where it comes from, and what was checked."""


_MINI = ModelCard(
    "mini",
    "Small talking-head model that comes with the package; 16 kHz, 25 pictures a second, head and shoulders facing the camera.",
    "Apache-2.0 (weights; see docs/models/mini.md for the terms of what it learnt from)",
    store.BUNDLED_FILES["mini"],
)
_MINI_AUDIO = ModelCard(
    "mini-audio",
    "Audio-only twin of mini, trained to tell two sounds apart without knowing which is on screen; a baseline for evaluation.",
    _MINI.licence,
    store.BUNDLED_FILES["mini-audio"],
)


def known_models() -> list[ModelCard]:
    """Models that can be named: the bundled ones, then what was imported. A file that is damaged says so in its description."""
    return [_MINI, _MINI_AUDIO, *(_imported(name, path) for name, path in store.imported())]


def _imported(name: str, path: Path) -> ModelCard:
    try:
        config, about = checkpoint.describe(path)
    except ModelError as exc:
        return ModelCard(name, f"unusable: {exc}", "", {})
    return ModelCard(name, str(about.get("purpose", "imported")), str(about.get("licence", "unknown")), {config.task: path}, about)


def find(name_or_path: str, task: Task) -> Path:
    """Weights file of a model for a task: a known name, a file, or a folder with <task>.safetensors or model.safetensors in it.

    "auto" is the best model that is there, "multisensory" the authors' one for the task.

    Raises ModelError where there is none.
    """
    name_or_path = store.resolve(name_or_path, task)
    cards = {card.name: card for card in known_models()}
    if name_or_path in cards:
        files = cards[name_or_path].files
        if task not in files:
            raise ModelError(f"Model '{name_or_path}' cannot {_DOES[task]}; it can {', '.join(files)}.")
        return files[task]
    path = store.weights(name_or_path, task)
    if path is not None:
        return path
    if name_or_path.split("/")[0] == store.RELEASED:
        raise ModelError(f"{name_or_path} is not here yet; `avsep models pull multisensory` fetches the authors' models.")
    raise ModelError(f"No model '{name_or_path}'; there are {', '.join(cards)}, or give the path of a .safetensors file.")


def find_start(name_or_path: str, task: Task) -> Path:
    """Weights that a training for a task may start from: the model's own for that task, else its aligner's, whose features they share.

    Raises ModelError where there is neither.
    """
    try:
        return find(name_or_path, task)
    except ModelError:
        return find(name_or_path, "align")


def load_separator(name_or_path: str, device: str = "auto") -> Separator:
    """A separator in evaluation mode. Raises ModelError."""
    model = checkpoint.load(find(name_or_path, "separate"))
    if not isinstance(model, Separator):
        raise ModelError(f"'{name_or_path}' holds a network of another kind, which cannot separate.")
    return model.to(pick_device(device))


def load_aligner(name_or_path: str, device: str = "auto") -> Aligner:
    """An alignment network in evaluation mode. Raises ModelError."""
    model = checkpoint.load(find(name_or_path, "align"))
    if not isinstance(model, Aligner):
        raise ModelError(
            f"'{name_or_path}' holds a network of another kind, which cannot localize; give a model trained with `avsep train align`."
        )
    return model.to(pick_device(device))


def load_recogniser(name_or_path: str, device: str = "auto") -> Recogniser:
    """A network that recognises actions, in evaluation mode. Raises ModelError."""
    model = checkpoint.load(find(name_or_path, "action"))
    if not isinstance(model, Recogniser):
        raise ModelError(f"'{name_or_path}' recognises no actions; give a model trained with `avsep train action`.")
    return model.to(pick_device(device))


def load(name_or_path: str, task: Task, device: str = "auto") -> checkpoint.Network:
    """Any of the three. Raises ModelError."""
    if task == "action":
        return load_recogniser(name_or_path, device)
    return load_separator(name_or_path, device) if task == "separate" else load_aligner(name_or_path, device)


def pick_device(name: str) -> torch.device:
    """auto = CUDA where there is one, else the CPU; otherwise what is named.

    Raises ModelError where torch has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as exc:
        raise ModelError(f"No device '{name}' here; try cpu.") from exc
    return device
