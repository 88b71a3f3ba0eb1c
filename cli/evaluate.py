"""`avsep evaluate`: thin; the work is in avsep_plugin.training, which is reached by name only."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from avsep_plugin.models import store

from . import options
from .console import Talk

Network = Any
"""The model, loaded for the task."""


@dataclass(frozen=True)
class Asked:
    """What a measurement is told."""

    data: Path | None
    output_dir: Path
    model: str
    twin: str
    rows: tuple[str, ...]
    mixtures: list[Any]
    """separate, region, pause: rows of a list."""
    against: str | None
    limit: int | None
    device: str
    progress: Callable[[int, int], None]


def _separate(network: Network, asked: Asked) -> None:
    from avsep_plugin.models import zoo

    judge = options.training("evaluate")
    rows = (*asked.rows, "against") if asked.rows else judge.rows_here()
    twin = zoo.load_separator(asked.twin, asked.device) if "pit" in rows else None
    against = zoo.load_separator(asked.against, asked.device) if asked.against else None
    judge.evaluate(asked.data, judge.Models(network, twin, against), asked.output_dir, asked.mixtures, rows, asked.progress)


def _align(network: Network, asked: Asked) -> None:
    options.training("evaluate_align").evaluate_align(asked.data, network, asked.output_dir, limit=asked.limit, progress=asked.progress)


def _localize(network: Network, asked: Asked) -> None:
    scenes = {"scenes": asked.limit} if asked.limit else {}
    options.training("evaluate_localize").evaluate_localize(network, asked.output_dir, **scenes, progress=asked.progress)


def _region(network: Network, asked: Asked) -> None:
    judge = options.training("evaluate_region")
    judge.evaluate_region(asked.data, network, asked.output_dir, asked.mixtures, asked.progress)


def _pause(network: Network, asked: Asked) -> None:
    from avsep_plugin.models import zoo

    judge = options.training("evaluate_pause")
    networks = judge.Networks(network, zoo.load_aligner(store.aligner_beside(asked.model), asked.device))
    judge.evaluate_pause(asked.data, networks, asked.output_dir, asked.mixtures, asked.progress)


def _sync(network: Network, asked: Asked) -> None:
    judge = options.training("evaluate_sync")
    corpora = judge.CORPORA if asked.data else ("scenes",)
    judge.evaluate_sync(asked.data, network, asked.output_dir, corpora, asked.limit, asked.progress)


def _action(network: Network, asked: Asked) -> None:
    judge = options.training("evaluate_action")
    judge.evaluate_action(asked.data, network, asked.output_dir, asked.rows or judge.ROWS, asked.limit, progress=asked.progress)


def _levels(text: str) -> tuple[float, ...]:
    with contextlib.suppress(ValueError):
        levels = tuple(dict.fromkeys(float(level) for level in text.split(",")))
        if all(map(math.isfinite, levels)):
            return levels
    raise click.BadParameter(f"'{text}' is no list of decibels such as -5,0,5.", param_hint="--levels")


@dataclass(frozen=True)
class Measurement:
    """One kind of evaluation: which network it takes, the name of its table, how it is done."""

    network: store.Task
    table: str
    measure: Callable[[Network, Asked], None]
    needs_data: bool = True
    mixes: bool = False
    """Whether it goes by a list of mixtures."""


EVALUATED = {
    "separate": Measurement("separate", "evaluation", _separate, mixes=True),
    "align": Measurement("align", "align", _align),
    "localize": Measurement("align", "localize", _localize, needs_data=False),
    "region": Measurement("separate", "region", _region, mixes=True),
    "pause": Measurement("separate", "pause", _pause, mixes=True),
    "sync": Measurement("align", "sync", _sync, needs_data=False),
    "action": Measurement("action", "action", _action),
}


@click.command()
@click.argument("data", required=False, type=options.FOLDER, metavar="[DATA]")
@options.output_dir("DIR", "Folder for the tables.")
@click.option("--task", type=click.Choice(list(EVALUATED)), default="separate", show_default=True, help="What is evaluated.")
@options.model("mini")
@click.option("--twin", default="mini-audio", metavar="NAME|PATH", show_default=True, help="separate: audio-only twin, for the row `pit`.")
@click.option(
    "--lists", multiple=True, metavar="NAME|PATH",
    help="separate, region, pause: fixed lists of mixtures, or mixtures.tsv of another evaluation; may be repeated.  [default: all whose "
    "clips are in DATA; where none are, mixtures are drawn from whatever clips are there]",
)  # fmt: skip
@click.option("--levels", default="-5,0,5", metavar="DB,...", show_default=True, help="Of what is seen over the rest, in drawn mixtures.")
@click.option("--noise", type=options.FOLDER, metavar="FOLDER", help="Noises for drawn mixtures.  [default: rendered]")
@options.recording_pattern
@options.speaker_pattern
@click.option("--seed", type=click.IntRange(0), default=2018, show_default=True, help="Of the draw.")
@click.option("--against", metavar="NAME|PATH", help="separate: another separator, compared with mixture by mixture.")
@click.option("--rows", multiple=True, metavar="NAME", help="separate, action: rows of the table; may be repeated.  [default: all]")
@click.option("--limit", type=click.IntRange(1), help="So many mixtures of each list, clips or scenes.  [default: all; drawn: 20]")
@options.device
@options.json_report
@options.talking
@click.pass_obj
def evaluate(
    talk: Talk, data: Path | None, output_dir: Path, task: str, model: str | None, twin: str, lists: tuple[str, ...],
    levels: str, noise: Path | None, recording_pattern: str, speaker_pattern: str, seed: int, against: str | None,
    rows: tuple[str, ...], limit: int | None, device: str, json_path: Path | None,
) -> None:  # fmt: skip
    """Measure a model on mixtures of the clips in DATA.

    The sound of each clip is mixed with that of somebody else, and with noise; what the model makes of it is compared with the clip's own
    sound, beside doing nothing, an ideal mask, wrong pictures and denoisers that do not see. Any folder of clips will do: the same
    folder and seed give the same mixtures. Who is who is told by subfolder or file name, or by the patterns, as in `avsep finetune`.
    Writes the table as .md and .json, with every single mixture, into DIR and prints it.

    `--task localize` renders its own scenes and needs no DATA; `--task sync` measures on rendered scenes only where there is none. For
    `--task action` DATA are shards, prepared from the clips for testing.

    \b
    Examples:
      avsep evaluate clips -o evaluation
      avsep evaluate clips -o evaluation --model studio.safetensors --against mini --rows mixture --rows own
      avsep evaluate clips -o evaluation --levels 0,10 --noise roomtone --speaker-pattern '^([a-z]+)_'
      avsep evaluate data -o evaluation --model runs/separate/model.safetensors --limit 20
      avsep evaluate data -o evaluation --task align
      avsep evaluate data -o evaluation --task region
      avsep evaluate data -o evaluation --task pause --limit 40
      avsep evaluate -o evaluation --task localize
      avsep evaluate data -o evaluation --task sync --model runs/align/model.safetensors
      avsep evaluate shards/ucf-test -o evaluation --task action --model runs/action/model.safetensors
    """
    chosen = EVALUATED[task]
    if data is None and chosen.needs_data:
        raise click.UsageError(f"--task {task} needs the folder DATA.")
    from avsep_plugin.models import zoo

    name = model or store.BUNDLED
    mixtures = []
    if chosen.mixes:
        drawn = options.training("drawn")
        wanted = drawn.Draw(limit or drawn.PAIRS, _levels(levels), noise, recording_pattern, speaker_pattern, seed)
        with talk.count("looked at") as progress:
            mixtures = drawn.mixtures(data, output_dir, lists, limit, wanted, progress)
    network = zoo.load(name, chosen.network, device)
    with talk.count("done") as progress:
        chosen.measure(network, Asked(data, output_dir, name, twin, rows, mixtures, against, limit, device, progress))
    table = output_dir / chosen.table
    if json_path != Path("-"):
        click.echo(table.with_suffix(".md").read_text(encoding="utf-8"), nl=False)
    if json_path is not None:
        options.give_json(table.with_suffix(".json").read_text(encoding="utf-8"), json_path)
