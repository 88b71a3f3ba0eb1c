"""Which of the inputs are clips, and where each one's outputs go.

Every clip has a folder of its own, OUT/<subfolders>/<clip stem>. Clips whose stems collide take their full file name instead,
and if even that collides, the name of the folder they came from before it; none of it depends on the order of the inputs.
A sound file beside a picture of the same stem (double-system sound) does not make the picture's folder longer.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsep_plugin.errors import AvsepError, MediaNotFoundError, NothingToDoError, NotMediaError, OutputError

_VIDEO = """.3g2 .3gp .asf .avi .divx .dv .f4v .flv .gif .ivf .m1v .m2t .m2ts .m2v .m4v .mj2 .mkv .mov .mp4 .mpeg .mpg .mts .mxf .nut
            .ogv .qt .rm .rmvb .ts .vob .webm .wmv .wtv"""
_SOUND = """.aac .ac3 .aif .aifc .aiff .alac .amr .ape .au .bwf .caf .dts .eac3 .flac .m4a .m4b .mka .mp2 .mp3 .oga .ogg .opus .rf64
            .w64 .wav .weba .wma .wv"""
_SOUND_SUFFIXES = frozenset(_SOUND.split())
MEDIA_SUFFIXES = frozenset(_VIDEO.split()) | _SOUND_SUFFIXES
"""What a walk takes for media; a file that is named is taken whatever it is called."""


@dataclass(frozen=True)
class Job:
    """One clip: its file, whether it was named itself (else found in a folder), and the folder for its outputs."""

    source: Path
    named: bool
    out_dir: Path


@dataclass(frozen=True)
class Problem:
    """An input that cannot be handled, and why."""

    input: Path
    message: str


@dataclass(frozen=True)
class Findings:
    """All clips, the inputs that are none, and how many files in the folders are no media."""

    jobs: list[Job]
    problems: list[Problem]
    ignored: int


@dataclass(frozen=True)
class _Found:
    source: Path
    named: bool
    origin: str
    """Name of the folder it was walked from or lies in."""
    below: Path
    """Folders between the walked folder and the file."""

    def folder(self, level: int) -> Path:
        """Where its outputs go below OUT: by stem, by full name, by the folder it came from and full name."""
        return (self.below / self.source.stem, self.below / self.source.name, Path(self.origin) / self.below / self.source.name)[level]


_LAST_LEVEL = 2


def find(inputs: Sequence[Path], output_dir: Path) -> Findings:
    """Files and folders -> clips with the folders for their outputs.

    A walk takes files with a media suffix, in alphabetical order, and leaves out hidden files and folders and the output folder.
    An input that does not exist, a folder without media and the output folder itself become problems; the rest goes on.
    """
    found: dict[Path, _Found] = {}
    problems: list[Problem] = []
    ignored = 0
    for item in inputs:
        try:
            if not item.is_dir():
                _require_file(item)
                found[_key(item)] = _Found(item, True, item.resolve().parent.name, Path())
                continue
            media, others, unreadable = _walk(item, output_dir.resolve())
            ignored += others
            problems += unreadable
            for path in media:
                found.setdefault(_key(path), _Found(path, False, item.resolve().name, path.parent.relative_to(item)))
        except AvsepError as exc:
            problems.append(Problem(item, str(exc)))
    jobs, collisions = _assign(list(found.values()), output_dir)
    return Findings(jobs, problems + collisions, ignored)


def _key(path: Path) -> Path:
    """The same for every way to name a file, and another for a link to it."""
    return path.parent.resolve() / path.name


def _require_file(path: Path) -> None:
    if not path.exists():
        raise MediaNotFoundError(f"{path}: no such file or folder.")
    if not path.is_file():
        raise NotMediaError(f"{path}: neither a file nor a folder.")


def _walk(top: Path, output_dir: Path) -> tuple[list[Path], int, list[Problem]]:
    """Media files below a folder in alphabetical order, how many other files there are, and folders that cannot be read."""
    if top.resolve() == output_dir:
        raise OutputError(f"{top} is also the output folder: name another one, or the outputs would be taken for clips next time.")
    media: list[Path] = []
    unreadable: list[OSError] = []
    ignored = 0
    for folder, subfolders, names in os.walk(top, onerror=unreadable.append):
        here = Path(folder)
        subfolders[:] = sorted(n for n in subfolders if not n.startswith(".") and (here / n).resolve() != output_dir)
        visible = sorted(name for name in names if not name.startswith("."))
        taken = [here / name for name in visible if _is_media(here / name)]
        media += taken
        ignored += len(visible) - len(taken)
    if not media and not unreadable:
        raise NothingToDoError(f"{top}: no media in this folder ({ignored} other {'file' if ignored == 1 else 'files'}).")
    problems = [Problem(Path(e.filename), f"{e.filename}: this folder cannot be read ({e.strerror}).") for e in unreadable]
    return media, ignored, problems


def _is_media(path: Path) -> bool:
    return path.suffix.lower() in MEDIA_SUFFIXES and (path.is_file() or path.is_symlink())


def _assign(found: list[_Found], output_dir: Path) -> tuple[list[Job], list[Problem]]:
    """Give every clip its folder: while some collide, the least of them (see `_rank`) take the next longer kind of name."""
    levels = [0] * len(found)
    while True:
        groups: dict[str, list[int]] = defaultdict(list)
        for i, clip in enumerate(found):
            groups[str(clip.folder(levels[i])).casefold()].append(i)
        clashes = [group for group in groups.values() if len(group) > 1]
        least = {i for group in clashes for i in group if _rank(found[i], levels[i]) == min(_rank(found[j], levels[j]) for j in group)}
        raised = [i for i in least if levels[i] < _LAST_LEVEL]
        if not raised:
            break
        for i in raised:
            levels[i] += 1
    clashing = {i for group in clashes for i in group}
    jobs = [Job(f.source, f.named, output_dir / f.folder(levels[i])) for i, f in enumerate(found) if i not in clashing]
    message = "another input would write into the same folder: take another output folder for it."
    return jobs, [Problem(found[i].source, f"{found[i].source}: {message}") for i in sorted(clashing)]


def _rank(clip: _Found, level: int) -> tuple[int, bool]:
    """Who gives way first: the shortest kind of name, and among equals a sound file, which hardly ever holds a picture."""
    return level, clip.source.suffix.lower() not in _SOUND_SUFFIXES
