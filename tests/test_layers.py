"""Who may import what (docs: the layers of the house). Read from the syntax tree: an import inside a function counts as well."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"avsep_plugin": (), "cli": ("cli",), "presets": ("presets",), "training": ("training",)}

VALUES = {"errors", "clip", "config", "plain", "atomic"}
MACHINERY = {
    "dsp",
    "media",
    "models",
    "release",
    "scenes",
    "draw",
    "feed",
    "pipeline",
    "footage",
    "part",
    "deliver",
    "options",
    "outputs",
    "publish",
    "confidence_file",
    "sync_file",
    "confidence",
    "survey",
    "tracks",
    "files",
    "localize_options",
    "belief",
    "mapdata",
    "drawing",
    "localisation",
    "sync_curve",
    "sync_pieces",
    "syncing",
}
BATCH = {
    "inputs",
    "naming",
    "discover",
    "sidecar",
    "resume",
    "workplace",
    "work",
    "batch",
    "worker",
    "workers",
    "cluster_connection",
    "cluster_worker",
    "cluster",
    "tasks",
}
EFFECTS = {"push", "convention", "native", "effect", "chain", "finish_steps", "finishing"}
LIBRARY = VALUES | MACHINERY | BATCH | EFFECTS | {"preset", "download", "demo", "verify", "doctor", "timeline", "report"}
OURS = {
    "errors": set(),
    "atomic": {"errors"},
    "clip": {"errors"},
    "config": set(),
    "plain": {"errors"},
    "finish_steps": {"errors"},
    "preset": {"errors", "plain", "finish_steps", "presets"},
    "discover": {"errors"},
    "media": VALUES,
    "dsp": VALUES,
    "models": VALUES | {"dsp"},
    "download": {"errors"},
    "release": VALUES | {"models", "download"},
    "draw": VALUES,
    "scenes": VALUES | {"dsp", "media"},
    "feed": VALUES | {"dsp"},
    "pipeline": VALUES | {"dsp", "models", "feed"},
    "footage": VALUES | {"media", "dsp", "pipeline"},
    "push": set(),
    "convention": {"clip"},
    "native": {"clip"},
    "effect": VALUES | {"convention", "push", "dsp", "models", "pipeline", "footage", "media"},
    "chain": {"clip", "convention", "native"},
    "finishing": {"errors", "clip", "native", "finish_steps"},
    "confidence_file": {"errors"},
    "sync_file": {"errors"},
    "confidence": VALUES | {"confidence_file", "dsp", "models", "feed", "pipeline"},
    "survey": VALUES | {"dsp", "media", "models", "pipeline", "footage", "confidence", "confidence_file"},
    "part": VALUES | {"media"},
    "deliver": VALUES | {"media", "part", "preset"},
    "options": VALUES | {"preset", "finish_steps", "media", "pipeline", "part", "deliver", "confidence_file"},
    "outputs": VALUES | {"media", "deliver", "options"},
    "tracks": VALUES
    | {
        "dsp",
        "media",
        "models",
        "pipeline",
        "footage",
        "confidence_file",
        "survey",
        "part",
        "deliver",
        "options",
        "finish_steps",
        "finishing",
    },
    "publish": {"errors"},
    "files": VALUES | {"preset", "media", "models", "pipeline", "deliver", "options", "outputs", "publish", "survey", "tracks"},
    "localize_options": VALUES | {"draw", "media", "pipeline"},
    "belief": VALUES | {"pipeline"},
    "mapdata": VALUES | {"draw", "pipeline"},
    "drawing": VALUES | {"draw", "media", "pipeline", "localize_options"},
    "localisation": VALUES
    | {"draw", "media", "models", "pipeline", "footage", "survey", "publish", "localize_options", "belief", "mapdata", "drawing"},
    "sync_curve": VALUES | {"dsp", "models"},
    "sync_pieces": VALUES | {"dsp", "models", "feed", "pipeline", "sync_curve"},
    "syncing": VALUES | {"media", "models", "pipeline", "footage", "publish", "sync_curve", "sync_file", "sync_pieces"},
    "inputs": {"errors"},
    "naming": {"errors"},
    "sidecar": {"errors", "atomic", "plain"},
    "resume": {"errors", "discover", "sidecar", "work"},
    "workplace": {"errors", "sidecar"},
    "batch": {"errors", "atomic", "discover", "sidecar", "resume", "workplace", "work"},
    "work": {"discover"},
    "worker": {"discover", "work", "batch"},
    "workers": {"errors", "discover", "workplace", "work", "batch", "worker"},
    "cluster_connection": {"errors"},
    "cluster_worker": {"errors", "discover", "work", "batch", "worker"},
    "cluster": {"errors", "discover", "workplace", "work", "batch", "worker", "workers", "cluster_connection", "cluster_worker"},
    "tasks": {
        "errors",
        "plain",
        "discover",
        "sidecar",
        "work",
        "media",
        "models",
        "options",
        "outputs",
        "publish",
        "files",
        "localize_options",
        "localisation",
        "syncing",
    },
    "verify": {"errors", "sidecar", "media"},
    "timeline": {"errors", "atomic", "confidence_file", "sync_file", "sidecar", "media"},
    "report": VALUES | {"confidence_file", "sync_file", "sidecar", "media", "part"},
    "doctor": {"errors", "sidecar", "preset", "media", "models", "pipeline", "files"},
    "demo": VALUES | {"dsp", "media", "models", "scenes", "files", "localisation"},
    "cli": LIBRARY,
    "training": LIBRARY,
    "presets": set(),
}
"""Layer -> the other layers of ours that it may import."""

ONLY_IN = {
    "click": {"cli"},
    "rich": {"cli"},
    "av": {"media", "scenes"},
    "ffmpeg": {"media"},
    "imageio_ffmpeg": {"media"},
    "torchaudio": {"dsp.resample"},
    "torch": {
        "dsp",
        "models",
        "release",
        "scenes",
        "feed",
        "pipeline",
        "footage",
        "confidence",
        "survey",
        "tracks",
        "sync_curve",
        "sync_pieces",
        "effect",
        "files",
        "belief",
        "localisation",
        "tasks",
        "doctor",
        "demo",
        "training",
    },
    "pebble": {"workers"},
    "ray": {"cluster"},
    "filelock": {"workplace"},
    "opentimelineio": {"timeline"},
    "PIL": {"draw.legend"},
    "scipy": {"belief", "mapdata", "training.finetune_verdict"},
    "jinja2": {"report.page"},
    "markupsafe": {"report.page"},
    "safetensors": {"models", "training"},
    "pedalboard": {"native", "chain", "finishing"},
    "lightning": {"training"},
    "google_crc32c": {"release.tensor_bundle"},
    "lightning_fabric": {"training"},
    "tensorboard": {"training"},
    "tomli_w": {"training"},
}
"""Library -> the only layers or modules that may import it."""


def _modules() -> dict[str, ast.Module]:
    """Name below avsep_plugin -> syntax tree; a package goes by its own name."""
    modules = {}
    for folder, prefix in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = (*prefix, *path.relative_to(ROOT / folder).with_suffix("").parts)
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return modules


MODULES = _modules()


@cache
def _imports(name: str) -> tuple[str, ...]:
    """Full dotted names of what a module imports."""
    return tuple(_imported(name))


def _imported(name: str) -> Iterator[str]:
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield f"avsep_plugin.{name.partition('.')[0]}"  # a sibling
        elif isinstance(node, ast.ImportFrom) and node.module == "avsep_plugin":
            yield from (f"avsep_plugin.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _layer(name: str) -> str:
    return name.partition(".")[0]


def test_every_module_belongs_to_a_layer() -> None:
    assert sorted({_layer(name) for name in MODULES if name} - set(OURS)) == []


@pytest.mark.parametrize("layer", OURS)
def test_a_layer_imports_only_the_layers_below_it(layer: str) -> None:
    allowed = OURS[layer] | {layer}
    wrong = [
        f"{name} imports {imported}"
        for name in MODULES
        if _layer(name) == layer
        for imported in _imports(name)
        if imported.startswith("avsep_plugin.") and imported.split(".")[1] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_only_where_it_belongs(library: str) -> None:
    importers = {name for name in MODULES if any(imported.partition(".")[0] == library for imported in _imports(name))}
    assert [name for name in sorted(importers) if not {name, _layer(name)} & ONLY_IN[library]] == []


def test_relative_imports_are_for_siblings_of_cli_and_training() -> None:
    relative = {
        name: node.level for name, tree in MODULES.items() for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level
    }
    assert {name: level for name, level in relative.items() if _layer(name) not in {"cli", "training"} or level > 1} == {}


def test_siblings_of_cli_and_training_are_not_imported_by_their_installed_name() -> None:
    assert [name for name in MODULES for imported in _imports(name) if imported.startswith(f"avsep_plugin.{_layer(name)}.")
            and _layer(name) in {"cli", "training"}] == []  # fmt: skip


def test_the_networks_touch_no_paths_outside_checkpoints() -> None:
    allowed = {"models.zoo", "models.store", "models.checkpoint"}
    touching = {name for name in MODULES if _layer(name) == "models" and {"pathlib", "os", "io"} & set(_imports(name))}
    assert sorted(touching - allowed) == []


def test_arrays_become_tensors_where_files_meet_the_pipeline_only() -> None:
    def makes_tensors(tree: ast.Module) -> bool:
        return any(isinstance(node, ast.Attribute) and node.attr == "from_numpy" for node in ast.walk(tree))

    allowed = {"files", "localisation", "footage", "release", "effect", "doctor", "demo", "training"}
    assert sorted({_layer(name) for name, tree in MODULES.items() if makes_tensors(tree)} - allowed) == []


def test_the_library_prints_nothing() -> None:
    def prints(tree: ast.Module) -> bool:
        return any(isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print" for node in ast.walk(tree))

    assert [name for name, tree in MODULES.items() if prints(tree)] == []


def test_the_library_never_exits() -> None:
    def exits(tree: ast.Module) -> bool:
        attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "exit"]
        return any(isinstance(node.value, ast.Name) and node.value.id == "sys" for node in attributes)

    assert [name for name, tree in MODULES.items() if exits(tree)] == []
