"""`avsep prepare` and `avsep train`: thin; the work is in avsep_plugin.training, which is reached by name only."""

import dataclasses
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from . import options
from .console import Talk

LIST = click.Path(exists=True, dir_okay=False, path_type=Path)


def _recipe(default: str) -> Callable[[Any], Any]:
    return click.option("--recipe", default=default, metavar="NAME|PATH", show_default=True, help="Recipe: model, data and optimiser.")


@click.command()
@click.argument("folders", nargs=-1, required=True, type=options.FOLDER, metavar="FOLDER...")
@options.output_dir("SHARDS", "Folder for the shards.")
@_recipe("mini-separate")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave out files whose <folder>/<path> matches; may be repeated.")
@click.option("--only", multiple=True, metavar="PATTERN", help="Take only files whose <folder>/<path> matches; may be repeated.")
@click.option("--files", "files_list", type=LIST, metavar="LIST", help="Take only the files that a list names by their paths in FOLDER.")
@click.option("--speaker-pattern", default="", metavar="REGEX", help="Its first group in a file's name says who is seen.")
@click.option("-j", "--jobs", type=click.IntRange(1), default=2, show_default=True, help="Files decoded at the same time.")
@options.json_report
@options.talking
@click.pass_obj
def prepare(
    talk: Talk, folders: tuple[Path, ...], output_dir: Path, recipe: str, exclude: tuple[str, ...], only: tuple[str, ...],
    files_list: Path | None, speaker_pattern: str, jobs: int, json_path: Path | None,
) -> None:  # fmt: skip
    """Decode footage into shards for training.

    Each FOLDER is a corpus, known by its name. A run that was stopped goes on where it was; what is skipped is told, and why.

    \b
    Examples:
      avsep prepare footage/interviews footage/noise -o shards
      avsep prepare footage/grid -o shards --exclude 'grid/s30*' --speaker-pattern '(s[0-9]+)'
      avsep prepare UCF-101 -o shards/ucf-train --recipe paper-action --files ucfTrainTestlist/trainlist01.txt
    """
    files = options.training("splits").read_split(files_list) if files_list else None
    model = options.training("recipe").load_recipe(recipe).model
    with talk.count("files") as progress:
        done = options.training("prepare").prepare(
            folders, output_dir, model, exclude=exclude, only=only or None, files=files, speaker_pattern=speaker_pattern, jobs=jobs,
            progress=progress,
        )  # fmt: skip
    for source, reason in done.skipped.items():
        talk.warn(f"{source}: skipped, {reason}")
    talk.say(f"{done.stored} files are in {output_dir} ({done.already} were before), {len(done.skipped)} skipped")
    if json_path is not None:
        options.give_json(json.dumps(dataclasses.asdict(done), indent=2) + "\n", json_path)


@click.group()
def train() -> None:
    """Train the networks on prepared shards."""


@dataclass(frozen=True)
class Run:
    """What both trainings are told."""

    shards: tuple[Path, ...]
    recipe: str
    output_dir: Path
    validation: tuple[Path, ...]
    steps: int | None
    compute: "Compute"


@dataclass(frozen=True)
class Compute:
    """On what a training is computed."""

    precision: str
    device: str
    devices: int | None
    micro_batches: int
    workers: int | None


_compute = options.stacked(
    click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", help="auto (default): bf16 on cuda."),
    options.device,
    click.option(
        "--devices", type=click.IntRange(1), metavar="N",
        help="Train on so many devices of this machine, a process for each. Started by torchrun, the environment says it.",
    ),
    click.option(
        "--micro-batches", type=click.IntRange(1), default=1, show_default=True, metavar="N",
        help="Send every batch through the network in so many parts, for a device with little memory.",
    ),
    click.option(
        "--workers", type=click.IntRange(0), metavar="N",
        help="Processes that draw batches, for each device; any number gives the same batches.  [default: 0 on a CPU, up to 8 on cuda]",
    ),
)  # fmt: skip


def _run_options(default_recipe: str) -> Callable[[Any], Any]:
    return options.stacked(
        click.argument("shards", nargs=-1, required=True, type=options.FOLDER, metavar="SHARDS..."),
        options.output_dir("RUN", "Folder for checkpoints, log and curves; a run that is in it goes on exactly where it was."),
        _recipe(default_recipe),
        click.option("--validation", multiple=True, type=options.FOLDER, metavar="SHARDS", help="Held-out shards; may be repeated."),
        click.option("--steps", type=click.IntRange(1), help="Number of steps, instead of the recipe's."),
        _compute,
        options.talking,
    )


_start_from = click.option(
    "--from", "start_from", multiple=True, metavar="NAME|PATH",
    help="Take over every tensor of this model or checkpoint that has the same name and shape; the others start fresh. May be repeated: "
    "the later one has precedence.",
)  # fmt: skip


@train.command("align")
@_run_options("mini-align")
@_start_from
@click.pass_obj
def train_align(
    talk: Talk, shards: tuple[Path, ...], output_dir: Path, recipe: str, validation: tuple[Path, ...], steps: int | None, precision: str,
    device: str, devices: int | None, micro_batches: int, workers: int | None, start_from: tuple[str, ...],
) -> None:  # fmt: skip
    """Train the pretext task: are sound and picture in sync?

    \b
    Examples:
      avsep train align shards -o runs/align
      avsep train align shards -o runs/map --from runs/separate/model.safetensors
      avsep train align shards -o runs/align --recipe mine.toml --steps 20000 --device cuda
      avsep train align shards -o runs/align --recipe paper-shift --device cuda --devices 3 --workers 4
      torchrun --nnodes 3 --nproc-per-node 5 --rdzv-backend c10d --rdzv-endpoint host:29400 \\
        --no-python avsep train align shards -o runs/align --device cuda
      tensorboard --logdir runs
    """
    _train(
        talk, Run(shards, recipe, output_dir, validation, steps, Compute(precision, device, devices, micro_batches, workers)), start_from
    )


@train.command("separate")
@_run_options("mini-separate")
@_start_from
@click.pass_obj
def train_separate(
    talk: Talk, shards: tuple[Path, ...], output_dir: Path, recipe: str, validation: tuple[Path, ...], steps: int | None, precision: str,
    device: str, devices: int | None, micro_batches: int, workers: int | None, start_from: tuple[str, ...],
) -> None:  # fmt: skip
    """Train the separator, and its features with it, on mixtures of two clips.

    \b
    Examples:
      avsep train separate shards -o runs/separate --from runs/align/model.safetensors
      avsep train separate studio -o runs/studio --recipe studio-separate --from mini --steps 1000
      avsep train separate shards -o runs/separate --device cuda --devices 4
    """
    _train(
        talk, Run(shards, recipe, output_dir, validation, steps, Compute(precision, device, devices, micro_batches, workers)), start_from
    )


@train.command("repeat")
@click.argument("run", type=options.FOLDER, metavar="RUN")
@options.output_dir("AGAIN", "Folder for the repeated run.")
@click.option("--devices", type=click.IntRange(1), metavar="N", help="Train on so many devices.  [default: as many as the run]")
@options.talking
@click.pass_obj
def train_repeat(talk: Talk, run: Path, output_dir: Path, devices: int | None) -> None:
    """Repeat a run from what its folder says: recipe, shards, start weights, seed, precision.

    Shards and weights must still be what they were. On the same machine, program and number of devices the weights come out the same.

    \b
    Examples:
      avsep train repeat runs/studio -o runs/studio-again
    """
    folder = options.training("run_folder")
    job = folder.job_to_repeat(run, output_dir, devices)
    for name, was, now in folder.other_versions(run):
        talk.warn(f"{name} was {was} then and is {now} now; the weights may differ in their last digits.")
    _give(talk, dataclasses.replace(job, command=tuple(sys.argv)))


@train.command("action")
@_run_options("paper-action")
@_start_from
@click.option("--classes", type=LIST, metavar="LIST", help="classInd.txt; else the classes are the folders in which the clips lie.")
@click.pass_obj
def train_action(
    talk: Talk, shards: tuple[Path, ...], output_dir: Path, recipe: str, validation: tuple[Path, ...], steps: int | None, precision: str,
    device: str, devices: int | None, micro_batches: int, workers: int | None, start_from: tuple[str, ...], classes: Path | None,
) -> None:  # fmt: skip
    """Train the recognition of actions on clips that lie in folders called like their classes, as in UCF-101.

    \b
    Examples:
      avsep train action shards/ucf-train -o runs/action --from runs/shift/model.safetensors
      avsep train action shards/ucf-train -o runs/vision --recipe paper-action-vision --from multisensory/shift
      avsep train action shards/ucf-train -o runs/action --recipe paper-action-scratch --classes ucfTrainTestlist/classInd.txt
    """
    run = Run(shards, recipe, output_dir, validation, steps, Compute(precision, device, devices, micro_batches, workers))
    _train(talk, run, start_from, lambda plan: options.training("splits").with_classes(plan, shards, classes))


def _train(talk: Talk, run: Run, start_from: tuple[str, ...], finish: Callable[[Any], Any] | None = None) -> None:
    """Train what the options say; finish(recipe) completes the recipe by what the shards hold."""
    from avsep_plugin.models import zoo

    plan = options.training("recipe").load_recipe(run.recipe, run.steps)
    plan = finish(plan) if finish else plan
    weights = tuple(zoo.find_start(name, plan.model.task) for name in start_from)
    device = zoo.pick_device(run.compute.device)
    bf16 = run.compute.precision == "bf16" or (run.compute.precision == "auto" and device.type == "cuda")
    job = options.training("job").Job(
        plan, run.shards, run.output_dir, weights, run.validation, str(device), run.compute.devices,
        "bf16-mixed" if bf16 else "32-true", run.compute.micro_batches, run.compute.workers, command=tuple(sys.argv),
    )  # fmt: skip
    _give(talk, job)


def _give(talk: Talk, job: Any) -> None:
    """Do a job; of several processes that torchrun has started, the first one speaks."""
    if options.training("processes").place().rank:
        talk.verbosity, talk.progress = min(talk.verbosity, -1), False
    with talk.count("steps") as bar:
        made = options.training("trainer").run_job(job, lambda step, steps, _figures: bar(step, steps))
    talk.say(f"done: {made}")
