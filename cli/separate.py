"""`avsep separate`: clips -> stems and a video with the on-screen sound only."""

import dataclasses
from pathlib import Path
from typing import Any, get_args

import click

from avsep_plugin.models import store
from avsep_plugin.plain import from_dict
from avsep_plugin.preset import BitDepth, FileFormat, Highs, Preset, Reconstruction, load
from avsep_plugin.tasks import SeparateTask

from . import batch_options, options
from .clips import run_clips
from .console import Talk
from .control import chosen_amount, control, own_settings
from .delivery import delivered, delivery


@click.command()
@batch_options.clips_to_outputs
@options.model("multisensory where it was imported, else mini")
@click.option("--preset", "preset_name", metavar="NAME|PATH", help="Start from a preset (see `avsep presets list`); options win.")
@click.option("--format", type=click.Choice(get_args(FileFormat)), help="File format of the stems.  [default: wav]")
@click.option("--bit-depth", type=click.Choice(get_args(BitDepth)), help="Bits per sample of the stems.  [default: source]")
@click.option(
    "--highs",
    type=click.Choice(get_args(Highs)),
    help="Sound above the model's band: follow the top of the mask, keep on-screen, or cut (all off-screen).  [default: follow]",
)
@click.option(
    "--reconstruction",
    type=click.Choice(get_args(Reconstruction)),
    help="editor: full-band stems that add up to the source; original: the paper's mono output.  [default: editor]",
)
@control
@delivery
@options.device
@options.json_report
@options.talking
@click.pass_obj
def separate(
    talk: Talk,
    preset_name: str | None,
    device: str,
    json_path: Path | None,
    model: str | None,
    format: str | None,
    bit_depth: str | None,
    highs: str | None,
    reconstruction: str | None,
    amount: float | None,
    attenuate_db: float | None,
    region: str | None,
    shots: bool,
    abstain_below: float | None,
    confidence: str | None,
    aligner: str | None,
) -> None:
    """Separate what a picture shows from all the rest.

    IN are files, folders and patterns. Each clip gets a folder DIR/<subfolders>/<clip stem> with on-screen.wav, off-screen.wav and the
    clip itself with the on-screen sound, its picture untouched. The two stems add up to the source. WAV stems are Broadcast WAV: they
    say when they sound on the timecode of the clip.

    What is finished already is skipped, as separate.avsep.json beside it says: made of this clip, by this model, with these options.
    Otherwise it is made again. Files that avsep did not write, or that were changed since, are replaced with --overwrite only.

    \b
    Examples:
      avsep separate talk.mp4 -o stems
      avsep separate footage/ -o stems --preset interview --json report.json
      avsep separate footage/ -o stems --format flac --bit-depth 24 --overwrite
      avsep separate footage/ -o stems --dry-run
      avsep separate two.mp4 -o stems --region left --attenuate 12
      avsep separate footage/ -o stems --abstain-below 0.3 --confidence csv
      avsep separate talk.mov -o stems --deliver stems --deliver add-tracks
      avsep separate talk.mov -o stems --start 01:00:10:00 --end 01:00:25:12 --handles 5
      avsep separate card.mxf -o stems --audio-track all --deliver stems --pad-to-picture
      avsep separate 'footage/**/*.mov' -o stems -j 4 --timeout 3600
      avsep separate --input-list clips.txt -o stems --shard 2/4 --filename '{stem}.{ext}'
    """
    given = {
        "model": model, "format": format, "bit_depth": bit_depth, "highs": highs, "reconstruction": reconstruction,
        "amount": chosen_amount(amount, attenuate_db), "region": region, "abstain_below": abstain_below,
    }  # fmt: skip
    base = load(preset_name) if preset_name else Preset()
    preset = from_dict(Preset, dataclasses.asdict(base) | {key: value for key, value in given.items() if value is not None})
    chosen = store.resolve(preset.model, "separate")
    settings = _settings(preset) | own_settings(confidence, shots) | delivered()
    task = SeparateTask(chosen, device, settings, aligner=aligner or store.aligner_beside(chosen))
    run_clips(talk, batch_options.requested(), task, preset.model, json_path)


def _settings(preset: Preset) -> dict[str, Any]:
    """The options of `files.separate_file` that a preset sets, by the names of their fields."""
    return {
        "bit_depth": preset.bit_depth, "file_format": preset.format, "highs": preset.highs, "reconstruction": preset.reconstruction,
        "amount": preset.amount, "region": preset.region, "abstain_below": preset.abstain_below,
        "deliver": list(preset.deliver), "finish": [dataclasses.asdict(step) for step in preset.finish],
    }  # fmt: skip
