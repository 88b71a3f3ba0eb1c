"""Clips and their classes as UCF-101 lays them out, and its lists: which clips are for training, and the classes by number.

    UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi

    trainlist01.txt   ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1
    testlist01.txt    ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi
    classInd.txt      1 ApplyEyeMakeup

The names are compared with those of files that were found, and never opened.
"""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

from avsep_plugin.errors import DataError

from .recipe import Recipe
from .shards import Segment, Shards

_CLIP = re.compile(r"(.+?)(?:\s+\d+)?")
_CLASS = re.compile(r"(\d+)\s+(\S.*)")


def read_split(path: Path) -> frozenset[str]:
    """The clips of a list, each "<class>/<file>"; a class number behind them is left out. Raises DataError for what is no such list."""
    found = [_CLIP.fullmatch(line) for line in _lines(path)]
    return frozenset(match[1] for match in found if match)


def read_classes(path: Path) -> tuple[str, ...]:
    """The classes of a list in the order of their numbers. Raises DataError for what is no such list."""
    matches = [(line, _CLASS.fullmatch(line)) for line in _lines(path)]
    wrong = next((line for line, match in matches if match is None), None)
    if wrong is not None:
        raise DataError(f"{path} is no list of classes: '{wrong[:60]}' is not a number and a name.")
    numbered = {int(match[1]): match[2] for _, match in matches if match}
    if len(numbered) != len(matches) or len(set(numbered.values())) != len(matches):
        raise DataError(f"{path} names a class or a number twice.")
    return tuple(numbered[number] for number in sorted(numbered))


def with_classes(recipe: Recipe, shards: Iterable[Path], listed: Path | None = None) -> Recipe:
    """The recipe with the classes of a list, else those that it names itself, else the folders in which the clips of the shards lie.

    Raises DataError for what is no list, or no shards.
    """
    if listed is None and recipe.model.classes:
        return recipe
    found = {class_of(clip.source) for folder in shards for clip in Shards(folder).segments if clip.frames is not None}
    classes = tuple(sorted(found - {""})) if listed is None else read_classes(listed)
    return dataclasses.replace(recipe, model=dataclasses.replace(recipe.model, classes=classes))


def class_of(source: str) -> str:
    """The class of a clip is the folder that it lies in: <corpus>/<class>/<file> (UCF-101), also with folders between."""
    return source.split("/")[-2] if source.count("/") > 1 else ""


def class_labels(clips: dict[str, list[Segment]], classes: tuple[str, ...]) -> dict[str, int]:
    """Key of every clip -> place of its class. Raises DataError for a clip of none of them."""
    places = {name: place for place, name in enumerate(classes)}
    strange = next((clip.source for pool in clips.values() for clip in pool if class_of(clip.source) not in places), None)
    if strange is not None:
        raise DataError(f"{strange} lies in no folder that is called like one of the {len(places)} classes, such as '{classes[0]}'.")
    return {clip.key: places[class_of(clip.source)] for pool in clips.values() for clip in pool}


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"{path} is not a list that can be read ({exc}).") from exc
    if not any(lines):
        raise DataError(f"{path} is an empty list.")
    return [line for line in lines if line]
