"""Which of the inputs are clips, and where each one's outputs go.

Every clip has a folder of its own, OUT/<subfolders>/<clip stem>. Clips whose stems collide take their full file name instead,
and if even that collides, the name of the folder they came from before it; none of it depends on the order of the inputs.
A sound file beside a picture of the same stem (double-system sound) does not make the picture's folder longer.
With a name template the folder is what the template says, and a collision is an error before any work is done.
"""

import hashlib
import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avsep_plugin.errors import AvsepError, ConfigError, MediaNotFoundError, NothingToDoError, NotMediaError, OutputError

_VIDEO = """.3g2 .3gp .asf .avi .divx .dv .f4v .flv .ivf .m1v .m2t .m2ts .m2v .m4v .mj2 .mkv .mov .mp4 .mpeg .mpg .mts .mxf .nut
            .ogv .qt .rm .rmvb .ts .vob .webm .wmv .wtv"""
_SOUND = """.aac .ac3 .aif .aifc .aiff .alac .amr .ape .au .bwf .caf .dts .eac3 .flac .m4a .m4b .mka .mp2 .mp3 .oga .ogg .opus .rf64
            .w64 .wav .weba .wma .wv"""
_SOUND_SUFFIXES = frozenset(_SOUND.split())
MEDIA_SUFFIXES = frozenset(_VIDEO.split()) | _SOUND_SUFFIXES
"""What a walk takes for media; a file that is named is taken whatever it is called. The rest of a camera card (thumbnails, stills,
proxies' indexes, XML) is not in it, nor are pictures that never have sound."""
_OF_THE_SYSTEM = frozenset({"$RECYCLE.BIN", "System Volume Information", "lost+found"})
"""Folders at the top of a drive that hold no footage and that one may not read."""


@dataclass(frozen=True)
class Job:
    """One clip: its file, whether it was named itself (else found in a folder), and the folder for its outputs.

    below: the folders between the walked folder and the file.
    """

    source: Path
    named: bool
    out_dir: Path
    below: Path = Path()


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
        name = self.source.name
        stem = self.source.stem if self.source.stem not in (".", "..") else name  # "...mp4"
        return (self.below / stem, self.below / name, Path(self.origin) / self.below / name)[level]


_LAST_LEVEL = 2


def find(inputs: Sequence[Path], output_dir: Path, name: Callable[[Path], Path] | None = None) -> Findings:
    """Files and folders -> clips with the folders for their outputs.

    A walk takes files with a media suffix, in alphabetical order, and leaves out hidden files and folders and the output folder.
    An input that does not exist, a folder without media and the output folder itself become problems; the rest goes on.

    name: clip -> its folder below the subfolders, instead of names that give way to each other. Raises ConfigError where it gives
    two clips the same one.
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
    if name is not None:
        return Findings(_named(list(found.values()), output_dir, name), problems, ignored)
    jobs, collisions = _assign(list(found.values()), output_dir)
    return Findings(jobs, problems + collisions, ignored)


def shard(findings: Findings, number: int, count: int) -> Findings:
    """Part `number` (from 1 on) of `count` parts: every input is in exactly one of them.

    In which one depends on nothing but the path of the clip relative to the folder that was walked, so machines that see the same
    folder under different names, or in another order, still share it without gaps.
    """

    def mine(path: Path) -> bool:
        digest = hashlib.sha256(os.fsencode(path.as_posix())).digest()
        return int.from_bytes(digest[:8], "big") % count == number - 1

    jobs = [job for job in findings.jobs if mine(job.below / job.source.name)]
    return Findings(jobs, [problem for problem in findings.problems if mine(Path(problem.input.name))], findings.ignored)


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
        wanted = (name for name in subfolders if not name.startswith(".") and name not in _OF_THE_SYSTEM)
        subfolders[:] = sorted(name for name in wanted if (here / name).resolve() != output_dir)
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
            groups[_spelling(clip.folder(levels[i]))].append(i)
        clashes = [group for group in groups.values() if len(group) > 1]
        least = {i for group in clashes for i in group if _rank(found[i], levels[i]) == min(_rank(found[j], levels[j]) for j in group)}
        raised = [i for i in least if levels[i] < _LAST_LEVEL]
        if not raised:
            break
        for i in raised:
            levels[i] += 1
    clashing = {i for group in clashes for i in group}
    jobs = [Job(f.source, f.named, output_dir / f.folder(levels[i]), f.below) for i, f in enumerate(found) if i not in clashing]
    message = "another input would write into the same folder: take another output folder for it."
    return jobs, [Problem(found[i].source, f"{found[i].source}: {message}") for i in sorted(clashing)]


def _rank(clip: _Found, level: int) -> tuple[int, bool]:
    """Who gives way first: the shortest kind of name, and among equals a sound file, which hardly ever holds a picture."""
    return level, clip.source.suffix.lower() not in _SOUND_SUFFIXES


def _named(found: list[_Found], output_dir: Path, name: Callable[[Path], Path]) -> list[Job]:
    """Give every clip the folder that `name` says. Raises ConfigError where that is one folder for two."""
    owners: dict[str, Path] = {}
    jobs = []
    for clip in found:
        folder = clip.below / name(clip.source)
        owner = owners.setdefault(_spelling(folder), clip.source)
        if owner is not clip.source:
            raise ConfigError(
                f"{owner} and {clip.source} would both get the folder {output_dir / folder}: take a template that tells them apart."
            )
        jobs.append(Job(clip.source, clip.named, output_dir / folder, clip.below))
    return jobs


def _spelling(folder: Path) -> str:
    """The same for names that some file system takes for one: other case, or letters with their accents apart."""
    return unicodedata.normalize("NFC", str(folder)).casefold()
