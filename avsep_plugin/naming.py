"""Name templates: how the folder of a clip is called.

"{stem}"                 talk
"{stem}.{ext}"           talk.mp4
"{model}/{stem}"         multisensory_full/talk        a template may make folders, the values of its fields may not
"""

import string
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from avsep_plugin.errors import ConfigError

FIELDS = ("stem", "ext", "model", "track")
_SEPARATORS = str.maketrans("/\\\0:", "____")
"""What would end a name on one system or another."""


@dataclass(frozen=True)
class Template:
    """A checked template. Raises ConfigError for an unknown field, and for one that could lead out of the output folder."""

    text: str

    def __post_init__(self) -> None:
        try:
            parts = list(string.Formatter().parse(self.text))
        except ValueError as exc:
            raise ConfigError(f"The name template '{self.text}' cannot be read: {exc}.") from exc
        for _, name, form, conversion in parts:
            if name is not None and (name not in FIELDS or form or conversion):
                known = ", ".join(f"{{{field}}}" for field in FIELDS)
                raise ConfigError(f"The name template '{self.text}' has an unknown field '{{{name}}}'; there are {known}.")
        _check(self.text, f"The name template '{self.text}'")

    def folder(self, source: Path, model: str, track: str) -> Path:
        """Folder for the outputs of a clip, relative to the one where all outputs go.

        stem, ext: the clip's file name before and after its last dot; model: as it was named; track: number of the sound track.
        Raises ConfigError where the clip's own name makes no name of a folder.
        """
        values = {"stem": source.stem, "ext": source.suffix.removeprefix("."), "model": model, "track": track}
        name = self.text.format_map({key: value.translate(_SEPARATORS) for key, value in values.items()})
        _check(name, f"{source}: the name template '{self.text}'")
        return Path(name)


def _check(name: str, what: str) -> None:
    """Every part between slashes has to be the name of a folder; '..' and an absolute path would lead elsewhere."""
    if name != str(PurePosixPath(name)) or {"", ".", "..", "/"} & set(name.split("/")) or "\\" in name or "\0" in name:
        raise ConfigError(f"{what} makes '{name}', which is no folder inside the output folder.")
