"""What is to be done with a clip in whose folder there may be something already.

nothing there                                            make it
all there, of this input, this model, these options      skip it
made by avsep, but not whole, or of another input's
    state, another model or other options                make it again
not made by avsep, changed since, or of another clip     refuse: `overwrite` is needed to replace it
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avsep_plugin import sidecar
from avsep_plugin.discover import Job
from avsep_plugin.errors import MediaError, SidecarError
from avsep_plugin.sidecar import Sidecar, Written
from avsep_plugin.work import Task


@dataclass(frozen=True)
class Decision:
    """What to do and why."""

    action: Literal["make", "skip", "refuse"]
    reason: str
    owned: tuple[Written, ...] = ()
    """Files in the folder that avsep wrote, and may replace as long as they are as it wrote them."""
    outputs: Mapping[str, Path] | None = None
    """What is there, where that is all: by kind."""


_MINE = "a run of avsep was broken off while it put them into place"
COMPLETE = "the outputs are there already; --overwrite makes them again."


def finished(job: Job, task: Task) -> Decision | None:
    """The decision to skip a clip, or None where more has to be looked at. Looks at the sidecar only, so it needs no libraries."""
    try:
        known = sidecar.read(sidecar.path_of(job.out_dir, task.name))
        if known is None or sidecar.pending_path_of(job.out_dir, task.name).exists() or _differences(job, task, known):
            return None
    except (SidecarError, MediaError):
        return None
    return Decision("skip", COMPLETE, outputs={kind: job.out_dir / written.name for kind, written in known.outputs.items()})


def decide(job: Job, task: Task, expected: Mapping[str, Path], overwrite: bool) -> Decision:
    """What to do with a clip; `expected` are the outputs that it would have, by kind. Raises MediaError where the clip cannot be read."""
    there = [path.relative_to(job.out_dir).as_posix() for path in expected.values() if path.exists() or path.is_symlink()]
    try:
        pending = sidecar.read(sidecar.pending_path_of(job.out_dir, task.name))
        known = sidecar.read(sidecar.path_of(job.out_dir, task.name))
    except SidecarError as exc:
        pending = known = None
        if there and not overwrite:
            return Decision("refuse", f"{exc} --overwrite replaces it and what lies beside it.")
    owned = _owned(job.out_dir, known, pending)
    foreign = sorted(set(there) - {written.name for written in owned} - {written.name for written in _written(pending)})
    if overwrite:
        return Decision("make", "--overwrite was given" if there else "it is new", owned)
    if foreign:
        return Decision("refuse", f"{job.out_dir} holds {foreign[0]}, which avsep did not finish; --overwrite replaces it.")
    if pending is not None:
        return Decision("make", _MINE, owned)
    if known is None:
        return Decision("make", "it is new", owned)
    differences = _differences(job, task, known)
    if not differences:
        return Decision("skip", COMPLETE, outputs={kind: job.out_dir / written.name for kind, written in known.outputs.items()})
    return _again(job, known, owned, differences)


def changed_since(folder: Path, owned: tuple[Written, ...], names: set[str]) -> str | None:
    """The first of some files that is no longer as avsep wrote it; compares whole checksums."""
    for written in owned:
        path = folder / written.name
        if written.name in names and path.exists() and (sidecar.size_of(path) != written.size or sidecar.sha256_of(path) != written.sha256):
            return written.name
    return None


def _again(job: Job, known: Sidecar, owned: tuple[Written, ...], differences: list[str]) -> Decision:
    another = "the clip has changed" in differences and known.input.path != str(job.source.absolute())
    if another:
        return Decision("refuse", f"{job.out_dir} holds the outputs of another clip, {known.input.path}; --overwrite replaces them.")
    for written in known.outputs.values():
        path = job.out_dir / written.name
        if path.exists() and sidecar.size_of(path) != written.size:
            return Decision("refuse", f"{path} was changed after avsep wrote it; --overwrite replaces it.")
    return Decision("make", "; ".join(differences), owned)


def _differences(job: Job, task: Task, known: Sidecar) -> list[str]:
    """Why what is there is not what would be made now; empty where it is. Raises MediaError."""
    found = []
    if not sidecar.look_at(job.source).is_same_file_as(known.input):
        found.append("the clip has changed")
    if known.model.sha256 != task.model_sha256:
        found.append(f"it was made by another model, aligner, mask or sound ({known.model.name})")
    wanted = sidecar.plain(task.settings)
    other = sorted(key for key in wanted.keys() | known.options.keys() if wanted.get(key) != known.options.get(key))
    if other:
        found.append(f"it was made with other options ({', '.join(other)})")
    gone = [written.name for written in known.outputs.values() if not (job.out_dir / written.name).exists()]
    sizes = [w.name for w in known.outputs.values() if w.name not in gone and sidecar.size_of(job.out_dir / w.name) != w.size]
    return found + [f"{name} is gone" for name in gone] + [f"{name} was changed" for name in sizes]


def _owned(folder: Path, known: Sidecar | None, pending: Sidecar | None) -> tuple[Written, ...]:
    """What avsep wrote and is still there. While outputs are put into place, any of them may be the old or the new one."""
    unsure = {written.name for written in _written(pending)}
    files = {written.name: written for written in (*_written(known), *(pending.left if pending else ())) if written.name not in unsure}
    return tuple(written for written in files.values() if (folder / written.name).exists())


def _written(known: Sidecar | None) -> tuple[Written, ...]:
    return (*known.left, *known.outputs.values()) if known else ()
