"""What a run's folder says so that it can be repeated: recipe.toml, the whole recipe, and run.json, what it was made of and by what.

RUN/recipe.toml         every value of the recipe, none left to a default or a base
RUN/run.json            shards and start weights with their checksums, precision, and each start: command, versions, devices
RUN/log.jsonl           figures, line by line (journal.py); RUN/tensorboard/ has them as curves
RUN/state.safetensors   the state from which the run goes on (state.py)
RUN/model.safetensors   the finished weights
"""

import hashlib
import json
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import tomli_w

from avsep_plugin.atomic import write_text
from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.plain import from_dict, to_dict
from avsep_plugin.sidecar import look_at, sha256_of

from .job import Job
from .processes import Precision, place
from .recipe import Recipe, load_recipe
from .shards import Shards
from .versions import checkout, versions

FORMAT = 2


@dataclass(frozen=True)
class Source:
    """Files that a run was made of."""

    path: str
    sha256: str
    """Of a weights file; of shards the digest of what was prepared (`digest`)."""


@dataclass(frozen=True)
class Start:
    """One start of the run: from a step on, by a program, on devices."""

    step: int
    time: str
    """Local time with its zone, ISO 8601."""
    command: str
    device: str
    processes: int
    workers: int
    versions: dict[str, str]
    checkout: str
    """Commit of the program's own sources, "-dirty" where they were changed; empty where they are in no git checkout."""


@dataclass(frozen=True)
class Record:
    """run.json."""

    format: int
    seed: int
    shards: tuple[Source, ...]
    validation: tuple[Source, ...]
    start_from: tuple[Source, ...]
    precision: Precision
    micro_batches: int
    repeat: str
    """A command that makes the same weights again, in another folder."""
    starts: tuple[Start, ...]
    """At least one."""


def record(job: Job, *starts: Start) -> Record:
    """What a job is made of. Raises DataError where shards are missing."""
    weights = tuple(Source(str(path.absolute()), sha256_of(path)) for path in job.start_from)
    repeat = shlex.join(["avsep", "train", "repeat", str(job.output.absolute()), "-o", str(job.output.absolute()) + "-again"])
    return Record(
        FORMAT, job.recipe.seed, _sources(job.shards), _sources(job.validation), weights, job.precision, job.micro_batches, repeat, starts
    )  # fmt: skip


def check_same(job: Job) -> None:
    """Raises ConfigError where the folder holds a run of another recipe, other shards, weights, precision or micro-batches."""
    if not (job.output / "run.json").is_file():
        return
    former, now = read(job.output), record(job)
    if load_recipe(str(job.output / "recipe.toml")) != job.recipe:
        raise ConfigError(f"{job.output} holds a run of another recipe; give another output folder or the same recipe.")
    if _digests(former.shards) != _digests(now.shards):
        raise ConfigError(f"{job.output} holds a run on other shards, or they have changed since; give another output folder.")
    if job.start_from and _digests(former.start_from) != _digests(now.start_from):
        raise ConfigError(
            f"{job.output} holds a run that did not start from {', '.join(map(str, job.start_from))}; give another output folder."
        )
    if former.precision != now.precision:
        raise ConfigError(f"{job.output} holds a run in {former.precision}, not in {now.precision}; set --precision as it was.")
    if former.micro_batches != now.micro_batches:
        raise ConfigError(f"{job.output} holds a run with --micro-batches {former.micro_batches}, not {now.micro_batches}.")


def note_start(job: Job, step: int, device: str, workers: int) -> None:
    """Write recipe.toml and run.json, or add this start to them. Raises OutputError."""
    path = job.output / "run.json"
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    start = Start(step, now, shlex.join(job.command or sys.argv), device, job.processes, workers, versions(), checkout())
    known = read(job.output) if path.is_file() else record(job)
    write_text(recipe_toml(job.recipe), job.output / "recipe.toml")
    write_text(json.dumps(to_dict(replace(known, starts=(*known.starts, start))), indent=1) + "\n", path)


def read(folder: Path) -> Record:
    """What is known of the run in a folder. Raises DataError where there is none."""
    try:
        known = from_dict(Record, json.loads((folder / "run.json").read_text(encoding="utf-8")))
    except (OSError, ValueError) as exc:
        raise DataError(f"{folder} does not hold a run of training with its run.json.") from exc
    if known.format != FORMAT or not known.starts:
        raise DataError(f"{folder / 'run.json'} is of another version of avsep, or was changed by hand.")
    return known


def job_to_repeat(folder: Path, output: Path, devices: int | None = None) -> Job:
    """The job that makes the weights of a run again, on as many devices as its first start unless told otherwise.

    Raises DataError where what it was made of is gone or has changed.
    """
    known = read(folder)
    for weights in known.start_from:
        if not (Path(weights.path).is_file() and sha256_of(Path(weights.path)) == weights.sha256):
            raise DataError(f"{weights.path}, from which this run started, is gone or has changed.")
    for source in (*known.shards, *known.validation):
        if digest(Shards(Path(source.path))) != source.sha256:
            raise DataError(f"{source.path} no longer holds what this run was trained on.")
    if devices is None and place().world == 1 and known.starts[0].processes > 1:
        devices = known.starts[0].processes
    kind = known.starts[0].device.partition(":")[0]
    recipe, shards, validation = load_recipe(str(folder / "recipe.toml")), _paths(known.shards), _paths(known.validation)
    return Job(recipe, shards, output, _paths(known.start_from), validation, kind, devices, known.precision, known.micro_batches)


def other_versions(folder: Path) -> list[tuple[str, str, str]]:
    """(name, version then, version now) of what has changed since a run was begun. Raises DataError where there is no run."""
    then, now = read(folder).starts[0].versions, versions()
    return [(name, then.get(name, "none"), now.get(name, "none")) for name in sorted({*then, *now}) if then.get(name) != now.get(name)]


def recipe_toml(recipe: Recipe) -> str:
    """A recipe as TOML that `load_recipe` reads, with every value."""
    return tomli_w.dumps(_with_none_said(to_dict(recipe)))


def digest(shards: Shards) -> str:
    """SHA-256 over what is stored how, all segments' names, places and shapes, and the size and both ends of every tar file of theirs."""
    whole = hashlib.sha256((shards.folder / "store.json").read_bytes())
    whole.update((shards.folder / "manifest.jsonl").read_bytes())
    for name in sorted({segment.shard for segment in shards.segments}):
        path = shards.folder / name
        if not path.is_file():
            raise DataError(f"{path} is gone, which the manifest beside it names.")
        tar = look_at(path)
        whole.update(f"{name} {tar.size} {tar.head_sha256} {tar.tail_sha256}\n".encode())
    return whole.hexdigest()


def _sources(folders: Iterable[Path]) -> tuple[Source, ...]:
    return tuple(Source(str(folder.absolute()), digest(Shards(folder))) for folder in folders)


def _paths(sources: Iterable[Source]) -> tuple[Path, ...]:
    return tuple(Path(source.path) for source in sources)


def _digests(sources: Iterable[Source]) -> list[str]:
    return [source.sha256 for source in sources]


def _with_none_said(values: Any) -> Any:
    """TOML has no word for None; `from_dict` takes "none"."""
    if isinstance(values, dict):
        return {key: _with_none_said(value) for key, value in values.items()}
    return "none" if values is None else values
