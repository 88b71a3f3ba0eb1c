"""What was asked for -> paths: patterns that the shell left alone, and lists of names."""

import codecs
import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from avsep_plugin.errors import ConfigError


def expand(names: Sequence[Path]) -> list[Path]:
    """Replace every pattern (`*`, `?`, `[...]`, and `**` for any folders) by the paths that it matches, in alphabetical order.

    What exists is taken as it is, whatever characters are in it; so is a pattern that nothing matches. Hidden files are matched by
    patterns that begin with a dot only, as in a shell.
    """
    return [path for name in names for path in (_matches(name) or [name])]


def _matches(name: Path) -> list[Path]:
    if os.path.lexists(name) or not glob.has_magic(str(name)):
        return []
    return [Path(found) for found in sorted(glob.glob(str(name), recursive=True))]  # noqa: PTH207  Path.glob takes no absolute pattern


def read_list(file: Path | BinaryIO) -> list[Path]:
    """The paths in a list, one in each line, taken to the letter: no patterns, no quotes, no comments; empty lines do not count.

    Bytes that are no UTF-8 are kept, as Python keeps them in file names. Raises ConfigError where the list cannot be read.
    """
    if not isinstance(file, Path):
        return _paths(file)
    try:
        with file.open("rb") as opened:
            return _paths(opened)
    except OSError as exc:
        raise ConfigError(f"{file}: this list of inputs cannot be read ({exc.strerror}).") from exc


def _paths(lines: Iterable[bytes]) -> list[Path]:
    bare = (line.removeprefix(codecs.BOM_UTF8) if number == 0 else line for number, line in enumerate(lines))
    return [Path(os.fsdecode(name)) for line in bare if (name := line.rstrip(b"\r\n"))]
