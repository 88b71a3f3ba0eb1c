"""Presets: strict TOML files that say how clips are separated. An unknown key is an error that names the nearest known one.

A preset is known by its name (a file of the package `avsep_plugin.presets`) or by the path of a TOML file:

    description = "One person talks to camera"
    model = "mini"
    highs = "follow"
"""

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from avsep_plugin.config import from_dict
from avsep_plugin.errors import ConfigError

Highs = Literal["follow", "keep", "cut"]
Reconstruction = Literal["editor", "original"]
FileFormat = Literal["wav", "flac"]
BitDepth = Literal["source", "16", "24", "32f"]


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


def load(name_or_path: str) -> Preset:
    """Read a preset by name, or from a path (anything with a folder in it or that ends in .toml).

    Raises ConfigError: no such preset, not TOML, an unknown key or a value of the wrong type.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or len(path.parts) > 1:
        try:
            return parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(f"Preset {path} cannot be read: {exc}.") from exc
    known = named()
    if name_or_path not in known:
        raise ConfigError(f"No preset is called '{name_or_path}'; known presets: {', '.join(known)}; or give the path of a .toml file.")
    return known[name_or_path]


def named() -> dict[str, Preset]:
    """The presets that come with the package, by name in alphabetical order."""
    files = (entry for entry in resources.files("avsep_plugin.presets").iterdir() if entry.name.endswith(".toml"))
    return {entry.name.removesuffix(".toml"): parse(entry.read_text("utf-8"), entry.name) for entry in sorted(files, key=lambda f: f.name)}


def parse(text: str, where: str) -> Preset:
    """Build a preset from TOML; `where` names the file in errors (ConfigError)."""
    try:
        return from_dict(Preset, tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"Preset {where} is not TOML: {exc}.") from exc
    except ConfigError as exc:
        raise ConfigError(f"Preset {where}: {exc}") from exc
