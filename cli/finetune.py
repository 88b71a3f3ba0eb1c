"""`avsep finetune`: a model of one's own from a folder of one's own footage; the work is in avsep_plugin.training.finetune."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from avsep_plugin.models import store

from . import options
from .console import Talk

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
_POSITIVE = click.FloatRange(0, min_open=True)


@click.command()
@click.argument("folder", type=options.FOLDER, metavar="FOLDER")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="MODEL.safetensors",
    help="The tuned model; its card lies beside it as MODEL.card.md.",
)  # fmt: skip
@click.option("--from", "base", default=store.BUNDLED, metavar="NAME|PATH", show_default=True, help="The separator to go on from.")
@options.recording_pattern
@options.speaker_pattern
@click.option("--test-share", type=_SHARE, default=0.3, show_default=True, help="Share of the recordings kept for the test.")
@click.option("--noise", type=options.FOLDER, metavar="FOLDER", help="Noises of the studio to tune and test against.  [default: rendered]")
@click.option("--minutes", type=_POSITIVE, default=45.0, show_default=True, help="Time for the whole run, about.")
@click.option(
    "--footage-minutes", type=_POSITIVE, default=30.0, show_default=True, help="Most footage that is read for tuning, and for the test."
)
@click.option(
    "--drop-below", type=click.FloatRange(0, 1), default=0.25, metavar="P", show_default=True,
    help="Leave out pieces with a lower probability that sound and picture belong together.",
)  # fmt: skip
@click.option("--aligner", metavar="NAME|PATH", help="What judges that.  [default: the one that goes with the separator]")
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Work folder.  [default: MODEL.work]")
@click.option("--keep-work", is_flag=True, help="Keep the work folder of a model that was handed over.")
@click.option("--overwrite", is_flag=True, help="Replace a model that is there.")
@click.option("--dry-run", is_flag=True, help="Only say what would be tuned on, and tested on.")
@options.device
@options.json_report
@options.talking
@click.pass_obj
def finetune(
    talk: Talk, folder: Path, output: Path, base: str, recording_pattern: str, speaker_pattern: str, test_share: float, noise: Path | None,
    minutes: float, footage_minutes: float, drop_below: float, aligner: str | None, work: Path | None, keep_work: bool, overwrite: bool,
    dry_run: bool, device: str, json_path: Path | None,
) -> None:  # fmt: skip
    """Tune the separator on the footage in FOLDER, and hand it over only if it has become better.

    Takes clips as they are: long takes are cut at their shots, and pieces whose sound does not belong to the picture are left out. Some
    recordings are kept for the test. A recording is a subfolder or, in a flat folder, a file; several cameras on one take are one by their
    timecode or names (take3_camA, take3_camB). Before and after are measured on mixtures of the test with the right and a wrong picture.
    Unless the gain is surely above 0 and the picture counts for no less, there is no model, one line says why, and the exit code is 1. A
    run that was stopped goes on where it was.

    \b
    Examples:
      avsep finetune footage/ -o studio.safetensors
      avsep finetune footage/ -o studio.safetensors --dry-run
      avsep finetune footage/ -o studio.safetensors --noise roomtone/ --minutes 120
      avsep finetune clips/ -o studio.safetensors --speaker-pattern '^([a-z]+)_'
      avsep separate talk.mp4 -o stems -m studio.safetensors
    """
    tuning = options.training("finetune")
    wanted = tuning.FinetuneOptions(
        base, aligner, recording_pattern, speaker_pattern, test_share, noise, minutes, footage_minutes, drop_below, device
    )
    if dry_run:
        _tell_takes(talk, tuning.look(folder, wanted))
        return
    with _stages(talk) as progress:
        outcome = tuning.finetune(folder, output, wanted, work=work, keep_work=keep_work, overwrite=overwrite, progress=progress)
    _tell(talk, outcome)
    if json_path is not None:
        options.give_json(json.dumps(outcome.as_dict(), indent=1, default=str) + "\n", json_path)
    if outcome.model is None:
        raise click.exceptions.Exit(1)


@contextmanager
def _stages(talk: Talk) -> Iterator[Any]:
    """A bar for each stage in turn; gives the function that takes the stage's name, what is done, and the total."""
    with ExitStack() as last:
        bars: dict[str, Any] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                last.close()
                talk.say(f"{stage} ...")
                bars[stage] = last.enter_context(talk.count(stage))
            bars[stage](done, total)

        yield told


def _tell_takes(talk: Talk, takes: Any) -> None:
    for name, reason in takes.skipped.items():
        talk.warn(f"{name}: skipped, {reason}")
    for part, chosen, count in zip(("tune", "test"), (takes.tune, takes.test), takes.recordings, strict=True):
        minutes = sum(take.seconds for take in chosen) / 60
        click.echo(f"{part}: {count} recordings, {len(chosen)} files, {minutes:.1f} minutes")
        for take in chosen:
            shown = "" if take.speaker == take.recording else f", {take.speaker}"
            click.echo(f"    {take.name} ({take.recording}{shown})")


def _tell(talk: Talk, outcome: Any) -> None:
    for name, reason in outcome.skipped.items():
        talk.warn(f"{name}: skipped, {reason}")
    for part, found in outcome.checked.items():
        dropped = f"{found.apart} dropped because sound and picture do not belong together, {found.quiet} because they are quiet"
        talk.say(f"{part}: {found.kept} of {found.pieces} pieces used, {dropped}")
    talk.say(f"card: {outcome.card}")
    if outcome.model is None:
        talk.fail(outcome.sentence)
    else:
        talk.say(outcome.sentence)
        talk.say(f"done: {outcome.model}")
