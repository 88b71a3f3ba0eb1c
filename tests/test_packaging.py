"""What the project says of itself equals its tree. These hold for the checkout; test_packaging_wheel.py looks at the wheel."""

import ast
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"avsep_plugin": "avsep_plugin"} | {name: f"avsep_plugin.{name}" for name in ("cli", "presets", "training")}
"""Folders at the top and the packages that they are."""


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def _package(folder: Path) -> str:
    top, *below = folder.relative_to(ROOT).parts
    return ".".join([FOLDERS[top], *below])


def test_the_listed_packages_equal_the_tree(project: dict[str, Any]) -> None:
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted({_package(path.parent) for path in _sources()})


def test_every_package_has_an_init() -> None:
    assert [folder for folder in {path.parent for path in _sources()} if not (folder / "__init__.py").is_file()] == []


def test_the_folders_are_mapped(project: dict[str, Any]) -> None:
    assert project["tool"]["setuptools"]["package-dir"] == {package: folder for folder, package in FOLDERS.items()}


@pytest.mark.parametrize("name", ["cli", "training", "presets"])
def test_no_module_hides_a_mapped_package(name: str) -> None:
    assert not (ROOT / "avsep_plugin" / f"{name}.py").exists()
    assert not (ROOT / "avsep_plugin" / name).exists()


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    assert [path for path in _sources() if path.stem in sys.stdlib_module_names] == []


def test_every_data_file_is_in_the_wheel_by_its_suffix(project: dict[str, Any]) -> None:
    patterns = {pattern.rpartition(".")[2] for pattern in project["tool"]["setuptools"]["package-data"]["*"]}
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert [path for path in files if path.suffix != ".py" and path.name.rpartition(".")[2] not in patterns] == []


def test_no_pickle_is_ever_read() -> None:
    def is_pickle(node: ast.AST) -> bool:
        match node:
            case ast.Import(names=names):
                return any(name.name.partition(".")[0] in {"pickle", "dill", "joblib", "shelve", "cloudpickle"} for name in names)
            case ast.ImportFrom(module=str(module)):
                return module.partition(".")[0] in {"pickle", "dill", "joblib", "shelve", "cloudpickle"}
            case ast.Call(func=ast.Attribute(value=ast.Name(id="torch"), attr="load"), keywords=keywords):
                return not any(word.arg == "weights_only" and getattr(word.value, "value", False) is True for word in keywords)
            case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
                return True
        return False

    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in _sources()}
    assert [path for path, tree in trees.items() if any(map(is_pickle, ast.walk(tree)))] == []


def test_the_bundled_weights_stay_small() -> None:
    weights = list((ROOT / "avsep_plugin").rglob("*.safetensors"))
    assert sum(path.stat().st_size for path in weights) <= 20_000_000
