"""What is written for one clip, and how it appears: whole or not at all."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from avsep_plugin.errors import AvsepError, OutputError, TooShortError


@dataclass(frozen=True)
class FileResult:
    """What was written for one clip."""

    outputs: dict[str, Path]
    """By kind: on, off, confidence (or track1-on, track1-off, ...), video; or what `localize_options.localisation_outputs` names."""
    warnings: list[str] = field(default_factory=list)


@contextmanager
def published(source: Path, outputs: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Drafts of the outputs in a hidden folder beside them; they are moved into place together when the block ends well.

    A draft that is taken out of the mapping is not published. An output may be a folder of files; one that is there already makes way
    for it. On any exception, Ctrl-C included, the drafts go away and older outputs stay as they were.
    """
    out_dir = next(iter(outputs.values())).parent
    if any(path.exists() and path.samefile(source) for path in outputs.values()):
        raise OutputError(f"{source}: an output in {out_dir} would replace the clip itself.")
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out_dir, prefix=".avsep-") as folder:
            drafts = {kind: Path(folder) / path.name for kind, path in outputs.items()}
            try:
                yield drafts
            except OutputError as exc:
                raise OutputError(str(exc).replace(folder, str(out_dir))) from exc
            except TooShortError as exc:
                raise TooShortError(f"{source}: {exc}") from exc
            for kind, draft in drafts.items():
                path = outputs[kind]
                if draft.is_dir() and path.is_dir():
                    path.replace(Path(folder) / f"{path.name}.old")
                draft.replace(path)
    except OSError as exc:
        if isinstance(exc, AvsepError) or exc.filename is None or not Path(str(exc.filename)).is_relative_to(out_dir):
            raise
        raise OutputError(f"{source}: {out_dir} cannot be written ({exc.strerror}).") from exc
