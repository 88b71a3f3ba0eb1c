"""A studio's folder in, a tuned separator out, or the reason why not.

    folder --takes--> tune | test --prepare--> shards --check--> pieces whose sound belongs to the picture
    test --measure--> before                 tune --train--> weights, test --measure--> after --judge--> studio.safetensors, card

Every stage keeps what it has done in the work folder, and a run that was stopped goes on from there.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from avsep_plugin.atomic import write_text
from avsep_plugin.errors import ConfigError, DataError, ModelError, OutputError
from avsep_plugin.models import checkpoint, store, zoo
from avsep_plugin.models.separator import Separator
from avsep_plugin.workplace import working_in

from . import finetune_card
from .evaluate import fingerprint
from .finetune_check import Checked, check
from .finetune_measure import measure
from .finetune_mixtures import Shelf, held_out
from .finetune_outcome import FinetuneOptions, Machine, Outcome
from .finetune_prepare import FOOTAGE, close, is_closed, prepare_noise, prepare_takes, seconds_per_file, skipped
from .finetune_training import Pace, plan, tune, tuning_recipe
from .finetune_verdict import judge
from .recipe import Recipe
from .shards import Shards, StoreConfig
from .takes import Take, Takes, by_hash, find_takes

__all__ = ["FinetuneOptions", "Outcome", "Progress", "finetune", "look"]

Progress = Callable[[str, int, int], None]
"""progress(stage, done, total); the stages come one after the other."""
LEAST_TRAINING_SECONDS = 300.0


class _Clock:
    """How long each stage took, and where its progress goes."""

    def __init__(self, progress: Progress | None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Time the body; gives its progress(done, total)."""
        began = time.monotonic()
        yield lambda done, total: None if self._progress is None else self._progress(name, done, total)
        self.seconds[name] = round(time.monotonic() - began, 1)


@dataclass(frozen=True)
class _Run:
    """What all stages need."""

    folder: Path
    work: Path
    options: FinetuneOptions
    weights: Path
    base: Separator
    recipe: Recipe
    device: str
    clock: _Clock

    @property
    def parts(self) -> dict[str, Path]:
        """The shards to tune and to test."""
        return {part: self.work / part for part in ("tune", "test")}


def look(folder: Path, options: FinetuneOptions) -> Takes:
    """What a run would tune on, and test on; nothing is decoded or written. Raises DataError, ConfigError."""
    return find_takes(folder, options.recording_pattern, options.speaker_pattern, options.test_share)


def finetune(
    folder: Path, output: Path, options: FinetuneOptions, *, work: Path | None = None, keep_work: bool = False, overwrite: bool = False,
    progress: Progress | None = None,
) -> Outcome:  # fmt: skip
    """Tune a separator on the footage below `folder`; write it to `output` where it has become better, and its card in any case.

    The card is `<output stem>.card.md`, the work folder `<output stem>.work` unless named; that is removed once a model is handed over,
    unless `keep_work`. A model that is there already is replaced with `overwrite` only, and never by one that is refused.
    Raises DataError (nothing to learn from or to test on), ConfigError, ModelError, OutputError, FolderBusyError.
    """
    card, work = output.with_suffix(".card.md"), work or output.with_suffix(".work")
    _check_free(output, card, overwrite)
    weights = zoo.find(options.base, "separate")
    base = _separator(weights)
    recipe, device = tuning_recipe(base.config, output.stem), str(zoo.pick_device(options.device))
    takes = look(folder, options)
    with working_in(work, wait=False):
        run = _Run(folder, work, options, weights, base, recipe, device, _Clock(progress))
        outcome, trained = _found(run, takes, output, card)
        write_text(finetune_card.markdown(outcome), card)
        if outcome.model is not None:
            _hand_over(outcome.model, outcome, run.base, trained)
    if outcome.model is not None and not keep_work:
        shutil.rmtree(work)
    return outcome


def _found(run: _Run, takes: Takes, output: Path, card: Path) -> tuple[Outcome, Path]:
    """All stages up to the verdict, and the weights that it is about."""
    _settle(run, takes)
    left_out = takes.skipped | _prepared(run, takes)
    checked = _checked(run)
    mixtures, shelf = held_out(Shards(run.parts["test"]), takes.test), Shelf(Shards(run.parts["test"]))
    with run.clock.stage("measure before") as bar:
        before = measure(run.base.to(run.device), mixtures, shelf, run.work / "measured.jsonl", bar)
    pace, trained = _trained(run)
    with run.clock.stage("measure after") as bar:
        after = measure(_separator(trained).to(run.device), mixtures, shelf, run.work / "measured.jsonl", bar)
    verdict = judge(before, after)
    machine = Machine(run.device, torch.get_num_threads(), os.cpu_count() or 1)
    outcome = Outcome(
        output.stem, run.options.base, output if verdict.accepted else None, card, takes, left_out, checked, pace, before, after, verdict,
        run.clock.seconds, machine,
    )  # fmt: skip
    return outcome, trained


def _check_free(output: Path, card: Path, overwrite: bool) -> None:
    if output.suffix != ".safetensors":
        raise OutputError(f"{output}: a model is written as .safetensors; name the file so.")
    if output.exists() and not overwrite:
        raise OutputError(f"{output} is there already; --overwrite replaces it.")
    if card.exists() and not overwrite and not card.read_text(encoding="utf-8", errors="replace").startswith(finetune_card.MARK):
        raise OutputError(f"{card} is there already and no card of a tuned model; --overwrite replaces it.")


def _separator(weights: Path) -> Separator:
    model = checkpoint.load(weights)
    if not isinstance(model, Separator):
        raise ModelError(f"{weights} holds an alignment network; separators are tuned.")
    return model


def _settle(run: _Run, takes: Takes) -> None:
    """Note what the shards in the work folder are made of. Raises ConfigError where they are of something else."""
    options = run.options
    about = {
        "tune": [_stamp(run.folder, take) for take in takes.tune],
        "test": [_stamp(run.folder, take) for take in takes.test],
        "noise": None if options.noise is None else str(options.noise.resolve()),
        "footage_minutes": options.footage_minutes,
        "test_share": options.test_share,
    }
    path = run.work / "settings.json"
    if not path.is_file() and any(not entry.name.startswith(".") for entry in run.work.iterdir()):
        raise ConfigError(f"{run.work} is not empty, and no work folder of avsep finetune; name another with --work.")
    if path.is_file() and json.loads(path.read_text()) != about:
        raise ConfigError(
            f"{run.work} holds a run on other footage or with other patterns, shares or noises; remove it, or name another with --work."
        )
    write_text(json.dumps(about, indent=1), path)


def _stamp(folder: Path, take: Take) -> list[str | int]:
    status = (folder / take.name).stat()
    return [take.name, take.recording, take.speaker, status.st_size, status.st_mtime_ns]


def _prepared(run: _Run, takes: Takes) -> dict[str, str]:
    """The shards of both parts -> files of which nothing could be used."""
    config = run.base.config
    left_out: dict[str, str] = {}
    stored = StoreConfig(config.sample_rate_hz, config.picture)
    for part, wanted in (("tune", takes.tune), ("test", takes.test)):
        output = run.parts[part]
        with run.clock.stage(f"prepare {part}") as bar:
            if not is_closed(output):
                chosen = sorted(wanted, key=lambda take: by_hash(take.name))
                prepare_takes(run.folder, chosen, output, stored, seconds_per_file(wanted, run.options.footage_minutes), bar)
                prepare_noise(run.options.noise, part, output, stored, run.options.test_share)
                close(output)
        left_out |= {name.removeprefix(f"{FOOTAGE}/"): reason for name, reason in skipped(output).items()}
    return left_out


def _checked(run: _Run) -> dict[str, Checked]:
    """What the aligner leaves of both parts. Raises DataError where that is nothing."""
    aligner = zoo.load_aligner(run.options.aligner or store.aligner_beside(run.options.base), run.device)
    found = {}
    for part, shards in run.parts.items():
        with run.clock.stage(f"check {part}") as bar:
            found[part] = check(shards, aligner, run.options.drop_below, bar)
        if not found[part].kept:
            raise DataError(
                f"None of the {found[part].pieces} pieces to {part} has a sound that belongs to its picture; is it the right footage?"
            )
    return found


def _trained(run: _Run) -> tuple[Pace, Path]:
    """The tuned weights, and how many steps it took."""
    shards = run.parts["tune"]
    about = [(shards / "manifest.jsonl").read_text(), run.options.minutes, fingerprint(run.base), run.recipe.model.name]
    home = run.work / f"training-{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:8]}"
    left = 60 * run.options.minutes - sum(run.clock.seconds.values()) - run.clock.seconds["measure before"]
    with run.clock.stage("time a step") as bar:
        pace = plan(run.recipe, shards, run.weights, home, max(left, LEAST_TRAINING_SECONDS), run.device, bar)
    with run.clock.stage("train") as bar:
        return pace, tune(run.recipe, pace, shards, run.weights, home, run.device, bar)


def _hand_over(path: Path, outcome: Outcome, base: Separator, trained: Path) -> None:
    """Write the model, whole or not at all."""
    gain = outcome.verdict.gain
    about = {
        "base": outcome.base,
        "base_fingerprint": fingerprint(base),
        "steps": outcome.pace.steps,
        "gain_db": [round(value, 3) for value in (gain.value, gain.low, gain.high)],
        "card": outcome.card.name,
    }
    config, tensors, _ = checkpoint.read(trained)
    checkpoint.save(path, config, tensors, about)
