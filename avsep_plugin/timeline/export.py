"""Finished folders -> timelines in files: one for each clip, and for a folder one of all clips for each way of counting pictures in it.

stems/interviews/talk/separate.avsep.json   -->   DIR/interviews/talk.otio
all clips of stems                          -->   DIR/all-clips.otio, or DIR/all-clips-25.otio and DIR/all-clips-29.97df.otio
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avsep_plugin.atomic import atomic_all
from avsep_plugin.errors import AvsepError, OutputError
from avsep_plugin.media.timecode import Counting
from avsep_plugin.timeline.clips import Finished, MarkedClip, MarkOptions, find, marked
from avsep_plugin.timeline.formats import SUFFIXES, Format, as_text

ALL = "all-clips"
_HOUR = "01:00:00:00"
"""Where a timeline of many clips begins, as editing programs begin theirs."""


@dataclass(frozen=True)
class Request:
    """Where timelines go and what they are like."""

    output_dir: Path
    formats: Sequence[Format] = ("otio",)
    marks: MarkOptions = field(default_factory=MarkOptions)
    overwrite: bool = False


@dataclass(frozen=True)
class Exported:
    """What became of one clip's folder, or of a folder of clips; `message` says what failed."""

    input: str
    outputs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    message: str = ""


@dataclass(frozen=True)
class Work:
    """Clips that were asked for together."""

    asked: Path
    clips: tuple[Finished, ...]


def look(asked: Sequence[Path]) -> list[Work]:
    """What is finished in folders, or beside sidecars. Raises NothingToDoError."""
    return [Work(one, tuple(find(one))) for one in asked]


def export(work: Sequence[Work], request: Request) -> Iterator[Exported]:
    """Write the timelines; one result for each clip, and for each folder one about all its clips. A failure is a result too."""
    taken: dict[Path, Path] = {}
    for one in work:
        done: list[MarkedClip] = []
        for clip in one.clips:
            yield _one(clip, request, taken, done)
        if one.asked.is_dir() and len(one.clips) > 1 and done:
            yield _all(one.asked, done, request, taken)


def _one(finished: Finished, request: Request, taken: dict[Path, Path], done: list[MarkedClip]) -> Exported:
    """The timeline of a clip, which is then one of those that are done."""
    try:
        paths = _paths(finished.name, finished.folder, request, taken)
        clip = marked(finished, request.marks)
        _write(paths, finished.name.name, [clip], None)
    except AvsepError as exc:
        return Exported(str(finished.folder), message=str(exc))
    done.append(clip)
    return Exported(str(finished.folder), [str(path) for path in paths.values()], list(clip.notes))


def _all(asked: Path, clips: Sequence[MarkedClip], request: Request, taken: dict[Path, Path]) -> Exported:
    """The timelines of all clips of a folder: a timeline has one rate and one way of counting."""
    groups: dict[Counting, list[MarkedClip]] = {}
    for clip in clips:
        groups.setdefault(clip.counting, []).append(clip)
    outputs: list[str] = []
    try:
        for counting, group in groups.items():
            name = ALL if len(groups) == 1 else f"{ALL}-{_shown(counting)}"
            paths = _paths(Path(name), asked, request, taken)
            _write(paths, asked.absolute().name, group, counting.number(_HOUR))
            outputs += [str(path) for path in paths.values()]
    except AvsepError as exc:
        return Exported(str(asked), outputs, message=str(exc))
    return Exported(str(asked), outputs)


def _shown(counting: Counting) -> str:
    """25, 23.976, 29.97df: how people call it."""
    return f"{float(counting.rate):.3f}".rstrip("0").rstrip(".") + ("df" if counting.drop else "")


def _paths(name: Path, owner: Path, request: Request, taken: dict[Path, Path]) -> dict[Format, Path]:
    """Where a timeline goes, by format. Raises OutputError where something is there, or another timeline of this run goes."""
    stem = request.output_dir / name
    paths = {form: stem.with_name(f"{stem.name}{SUFFIXES[form]}") for form in request.formats}
    for path in paths.values():
        if taken.setdefault(path, owner) != owner:
            raise OutputError(f"{owner} and {taken[path]} would both get {path}: take another output folder for one of them.")
        if path.exists() and not request.overwrite:
            raise OutputError(f"{path} exists; --overwrite replaces it.")
    return paths


def _write(paths: dict[Format, Path], name: str, clips: Sequence[MarkedClip], start: int | None) -> None:
    """All formats of a timeline, together or not at all."""
    texts = [as_text(form, name, clips, start) for form in paths]
    try:
        next(iter(paths.values())).parent.mkdir(parents=True, exist_ok=True)
        with atomic_all(list(paths.values())) as drafts:
            for draft, text in zip(drafts, texts, strict=True):
                draft.write_text(text, encoding="utf-8")
    except OSError as exc:
        if isinstance(exc, AvsepError):
            raise
        raise OutputError(f"{next(iter(paths.values()))}: this timeline cannot be written ({exc.strerror}).") from exc
