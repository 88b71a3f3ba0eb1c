"""Where models that were imported or trained lie, and which one is meant when none is named. Imports no torch.

    <folder>/multisensory/full.safetensors    the model "multisensory/full"

The folder is $AVSEP_MODEL_DIR, else `models` in $AVSEP_CACHE_DIR, else in the user's cache folder.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import platformdirs

from avsep_plugin.errors import ModelError

Task = Literal["separate", "align", "action"]

AUTO = "auto"
"""Stands for the best model that is there."""
BUNDLED = "mini"
RELEASED = "multisensory"
"""Short for the authors' model of a task."""
_OF_TASK: dict[Task, str] = {"separate": f"{RELEASED}/full", "align": f"{RELEASED}/cam", "action": f"{RELEASED}/action"}
"""No recogniser was released; the name is what an own one may be given."""

_WEIGHTS = Path(__file__).parent / "weights"
BUNDLED_FILES: dict[str, dict[Task, Path]] = {
    BUNDLED: {"separate": _WEIGHTS / "mini-separate.safetensors", "align": _WEIGHTS / "mini-align.safetensors"},
    "mini-audio": {"separate": _WEIGHTS / "mini-audio.safetensors"},
}
"""Weights files of the models that come with the package."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def folder() -> Path:
    """Folder of the imported models; it need not exist."""
    if named := os.environ.get("AVSEP_MODEL_DIR"):
        return Path(named)
    cache = os.environ.get("AVSEP_CACHE_DIR")
    return (Path(cache) if cache else platformdirs.user_cache_path("avsep")) / "models"


def path_of(name: str) -> Path:
    """Weights file of an imported model, whether it is there or not. Raises ModelError for what cannot be a name."""
    if not _NAME.fullmatch(name):
        raise ModelError(f"'{name}' cannot be the name of a model: letters, digits, '.', '-' and '_', and one '/' at most.")
    return folder() / f"{name}.safetensors"


def imported() -> Iterator[tuple[str, Path]]:
    """(name, weights file) of every imported model, in order of the names."""
    home = folder()
    for path in sorted(home.glob("*.safetensors")) + sorted(home.glob("*/*.safetensors")):
        name = path.relative_to(home).with_suffix("").as_posix()
        if _NAME.fullmatch(name):
            yield name, path


def resolve(name: str, task: Task) -> str:
    """The model that a name means: "auto" is the authors' one for the task where it was imported, else the bundled one."""
    of_task = _OF_TASK[task]
    if name == RELEASED:
        return of_task
    if name == AUTO:
        return of_task if path_of(of_task).is_file() else BUNDLED
    return name


def aligner_beside(separator: str) -> str:
    """The aligner that goes with a separator: of the same name or folder where it has one, else the best one that is there."""
    if separator.split("/")[0] == RELEASED:
        return resolve(AUTO, "align")
    if (Path(separator) / "align.safetensors").is_file():
        return separator
    return BUNDLED if separator == BUNDLED else resolve(AUTO, "align")


def weights(name_or_path: str, task: Task) -> Path | None:
    """The weights file that a model for a task means, without looking into it; None where there is none (`zoo.find` says why)."""
    name = resolve(name_or_path, task)
    if name in BUNDLED_FILES:
        return BUNDLED_FILES[name].get(task)
    if _NAME.fullmatch(name) and path_of(name).is_file():
        return path_of(name)
    path = Path(name)
    return next((file for file in (path / f"{task}.safetensors", path / "model.safetensors", path) if file.is_file()), None)
