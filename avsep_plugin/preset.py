"""Presets: strict TOML files that say how clips are separated. An unknown key is an error that names the nearest known one.

    description = "One person talks to camera"
    model = "mini"
    amount = 0.9
    deliver = ["stems", "replace"]

    [[finish]]
    plugin = "HighpassFilter"
    cutoff_frequency_hz = 80

A preset is known by its name or by the path of a TOML file. Names are those of the package `avsep_plugin.presets` and of the files in
the user's own folder, $AVSEP_PRESET_DIR, else `presets` in the user's folder of settings; of two with one name the user's is taken.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

import platformdirs

from avsep_plugin.errors import ConfigError
from avsep_plugin.finish_steps import FinishStep, grouped
from avsep_plugin.plain import from_dict

Highs = Literal["follow", "keep", "cut"]
Reconstruction = Literal["editor", "original"]
FileFormat = Literal["wav", "flac"]
BitDepth = Literal["source", "16", "24", "32f"]
Delivery = Literal["stems", "replace", "add-tracks"]

_BOX = re.compile(r"\s*(\d+\.?\d*|\.\d+)%?\s*(,\s*(\d+\.?\d*|\.\d+)%?\s*){3}")


@dataclass(frozen=True)
class Preset:
    """How clips are separated and how the stems are written; the defaults are what `avsep separate` does without a preset."""

    description: str = ""
    """One line for `avsep presets list`."""
    model: str = "auto"
    """A known model or the path of a checkpoint; `auto`: the authors' model where it was imported, else `mini`."""
    amount: float = 1.0
    """How much of the off-screen sound is taken off in the replaced sound, 0 to 1; the stems do not depend on it."""
    abstain_below: float = 0.0
    """A shot is left as it is where the probability that sound and picture belong together stays below this; 0: never."""
    region: str = ""
    """What the model sees of the picture: left, right, x,y,w,h, or the path of a mask; nothing: all of it."""
    deliver: tuple[Delivery, ...] = ("stems", "replace")
    """What is written: stems; the clip with its sound replaced; the clip with the stems and the original as further tracks."""
    finish: tuple[FinishStep, ...] = ()
    """Effects on the replaced sound, in this order; the stems stay as they are."""
    highs: Highs = "follow"
    """What happens above the model's band: it follows the top of the mask, stays on-screen (keep) or goes off-screen (cut)."""
    reconstruction: Reconstruction = "editor"
    """`editor`: full-band stems that add up to the source; `original`: the paper's mono output with predicted phase."""
    format: FileFormat = "wav"
    """File format of the stems."""
    bit_depth: BitDepth = "source"
    """Bits of a sample in the stems; `source`: as in the clip, 24 where it is lossy."""

    def __post_init__(self) -> None:
        if self.format == "flac" and self.bit_depth == "32f":
            raise ConfigError("FLAC holds no 32-bit float samples: take bit_depth 24, or the format wav.")
        for name in ("amount", "abstain_below"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"'{name}' must be between 0 and 1, got {getattr(self, name):g}.")
        if not self.deliver or len(set(self.deliver)) < len(self.deliver):
            raise ConfigError(f"'deliver' must name at least one of replace, add-tracks and stems, each once, got {list(self.deliver)}.")
        if not _is_region(self.region):
            raise ConfigError(f"'region' must be left, right, x,y,w,h or the path of a mask such as mask.png, got '{self.region}'.")


@dataclass(frozen=True)
class Known:
    """A preset that has a name."""

    name: str
    file: Traversable
    is_users: bool
    """It lies in the user's folder, not in the package."""
    hides: bool = False
    """It is taken instead of one of the package with the same name."""

    def read(self) -> Preset:
        """What it says. Raises ConfigError."""
        return parse_file(self.file)


def folder() -> Path:
    """The user's own folder of presets; it need not exist."""
    named = os.environ.get("AVSEP_PRESET_DIR")
    return Path(named) if named else platformdirs.user_config_path("avsep") / "presets"


def known() -> dict[str, Known]:
    """The presets that have a name, in alphabetical order. None of them is read, so a bad one is in nobody's way."""
    bundled = {name: Known(name, file, is_users=False) for name, file in _files(resources.files("avsep_plugin.presets"))}
    users = {name: Known(name, file, is_users=True, hides=name in bundled) for name, file in _files(folder())}
    return dict(sorted({**bundled, **users}.items()))


def load(name_or_path: str) -> Preset:
    """Read a preset by name, or from a path (anything with a folder in it or that ends in .toml).

    Raises ConfigError: no such preset, not TOML, an unknown key or a value of the wrong type.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or len(path.parts) > 1:
        return parse_file(path)
    presets = known()
    if name_or_path not in presets:
        raise ConfigError(f"No preset is called '{name_or_path}'; known presets: {', '.join(presets)}; or give the path of a .toml file.")
    return presets[name_or_path].read()


def parse(text: str, where: str) -> Preset:
    """Build a preset from TOML; `where` names the file in errors (ConfigError)."""
    try:
        table = tomllib.loads(text)
        return from_dict(Preset, {key: grouped(value) if key == "finish" else value for key, value in table.items()})
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"Preset {where} is not TOML: {exc}.") from exc
    except ConfigError as exc:
        raise ConfigError(f"Preset {where}: {exc}") from exc


def parse_file(file: Traversable) -> Preset:
    """Build a preset from a TOML file. Raises ConfigError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"Preset {file} cannot be read: {exc}.") from exc
    return parse(text, str(file))


def _files(home: Traversable) -> Iterator[tuple[str, Traversable]]:
    """(name, file) of every preset in a folder; none where there is no folder. Hidden files are none (Macs leave `._x.toml` behind)."""
    try:
        entries = list(home.iterdir()) if home.is_dir() else []
    except OSError as exc:
        raise ConfigError(f"The folder of presets {home} cannot be read: {exc.strerror}.") from exc
    for entry in entries:
        if entry.name.endswith(".toml") and not entry.name.startswith("."):
            yield entry.name.removesuffix(".toml"), entry


def _is_region(text: str) -> bool:
    """Whether it is spelt like a region; what it means is seen where a picture is."""
    return text in ("", "left", "right") or _BOX.fullmatch(text) is not None or ("," not in text and Path(text).suffix != "")
