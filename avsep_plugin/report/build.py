"""`avsep report`: a processed folder -> one HTML page, and beside it a folder with small copies of what the page plays.

    stems/report.html                       the page; may be opened from the disk, needs no network
    stems/report_files/<16 hex digits>/     picture.mp4, overlay.mp4, original.m4a, on.m4a, off.m4a of one clip

The digits are a checksum of what the copies were made of: what is there already is used again, what no clip needs any more goes away.
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from avsep_plugin.atomic import write_text
from avsep_plugin.errors import OutputError
from avsep_plugin.report.collect import Entry, collect
from avsep_plugin.report.page import GENERATOR, Page, render
from avsep_plugin.report.review import review

_VERSION = "1"
"""Of the previews: raised when they are made in another way."""
_HEAD_BYTES = 4096

Progress = Callable[[int, int], None]
"""Takes the clips that are done, and how many there are."""


@dataclass(frozen=True)
class Built:
    """What became of a folder: the page, how many clips and failures it shows, and what could not be read or shown."""

    page: Path
    clips: int
    failures: int
    notes: list[str]


def build(
    folder: Path, target: Path | None = None, title: str | None = None, previews: bool = True, rows: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Built:  # fmt: skip
    """Write the page of a folder that `avsep separate`, `localize` and `sync` wrote into.

    target: where the page goes (report.html in the folder). previews: make small copies that every browser plays; without them the page
    plays the files themselves. rows: reports of batches (--json) whose failed inputs are shown beside those found at the top of the folder.
    Raises NothingToDoError where nothing there was processed, OutputError.
    """
    target = target or folder / "report.html"
    _check_target(target)
    found = collect(folder, rows)
    store = target.with_name(f"{target.stem}_files")
    reviews, used = [], set()
    for number, entry in enumerate(found.entries):
        if progress is not None:
            progress(number, len(found.entries))
        place = store / _key(entry) if previews else None
        if place is not None:
            used.add(place.name)
            _make_folder(place)
        reviews.append(review(entry, place))
    if progress is not None:
        progress(len(found.entries), len(found.entries))
    made = datetime.now().astimezone()
    write_text(render(Page(title or folder.resolve().name, folder, target, reviews, found.failures, found.notes, made)), target)
    _sweep(store, used)
    notes = found.notes + [f"{seen.entry.folder}: {note}" for seen in reviews for note in seen.notes]
    return Built(target, len(reviews), len(found.failures), notes)


def _check_target(target: Path) -> None:
    """Raises OutputError where the page would replace something that is no such page."""
    if target.is_dir():
        raise OutputError(f"{target} is a folder; name the page itself, for example {target / 'report.html'}.")
    try:
        with target.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise OutputError(f"{target} cannot be written ({exc.strerror}).") from exc
    if f'name="generator" content="{GENERATOR}'.encode() not in head:
        raise OutputError(f"{target} was not made by avsep report; name another page with --output.")


def _key(entry: Entry) -> str:
    """The name of the folder for a clip's previews: another clip or other outputs give another one."""
    known = [entry.input.head_sha256, entry.input.tail_sha256, str(entry.input.size), _VERSION]
    known += [f"{kind} {written.sha256}" for made in entry.made.values() for kind, written in sorted(made.record.outputs.items())]
    known += [str(sorted(made.record.options.items())) for made in entry.made.values()]
    return hashlib.sha256("\n".join(known).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _make_folder(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"{place} cannot be made ({exc.strerror}); --no-previews does without.") from exc


def _sweep(store: Path, used: set[str]) -> None:
    """Remove previews that the page does not use any more; what avsep did not put there stays."""
    for place in sorted(store.glob("*")) if store.is_dir() else ():
        if place.name in used or place.is_symlink() or not re.fullmatch(r"[0-9a-f]{16}", place.name):
            continue
        for path in place.iterdir():
            if re.fullmatch(r"(picture|overlay)\.mp4|(track\d+-)?(original|on|off|delivered)\.m4a", path.name):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            place.rmdir()
    with contextlib.suppress(OSError):
        store.rmdir()
