"""`avsep models pack|average|calibrate`: one weights file made of others."""

import json
from pathlib import Path

import click

from . import options
from .console import Talk


@click.command("pack")
@click.argument("weights", type=click.Path(path_type=Path), metavar="WEIGHTS")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The packed weights file.")
@options.talking
@click.pass_obj
def pack_model(talk: Talk, weights: Path, output: Path) -> None:
    """Write trained weights at half precision: half the size, and what is separated with them hardly differs.

    \b
    Examples:
      avsep models pack runs/separate/model.safetensors -o studio.safetensors
      avsep separate talk.mp4 -o stems --model studio.safetensors
    """
    from avsep_plugin.models.checkpoint import pack

    pack(weights, output)
    talk.say(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


@click.command("average")
@click.argument("weights", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="WEIGHTS...")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The weights file of the mean.")
@options.talking
@click.pass_obj
def average_models(talk: Talk, weights: tuple[Path, ...], output: Path) -> None:
    """Write the mean of the weights of two or more models, of which each went on from another or all from one.

    A model that went on to learn something else has forgotten a little; the mean of before and after often has the better of both.
    Evaluate it before use; the mean of aligners has to be calibrated anew.

    \b
    Examples:
      avsep models average before.safetensors after.safetensors -o mean.safetensors
      avsep evaluate clips -o evaluation --model mean.safetensors --against before.safetensors
    """
    from avsep_plugin.models.checkpoint import average

    if len(weights) < 2:
        raise click.UsageError("Name two weights files or more.")
    average(weights, output)
    talk.say(f"{output}: the mean of {len(weights)} models")


@click.command("calibrate")
@click.argument("weights", type=click.Path(path_type=Path), metavar="WEIGHTS")
@click.option("--from", "figures", type=click.Path(path_type=Path), required=True, metavar="ALIGN.JSON", help="What an evaluation wrote.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The calibrated weights file.")
@options.talking
@click.pass_obj
def calibrate_model(talk: Talk, weights: Path, figures: Path, output: Path) -> None:
    """Keep in an aligner's weights file what its logits are worth, as `avsep evaluate --task align` found it.

    \b
    Examples:
      avsep evaluate data -o evaluation --task align --model runs/align/model.safetensors
      avsep models calibrate runs/align/model.safetensors --from evaluation/align.json -o studio-align.safetensors
    """
    from avsep_plugin.config import CalibrationConfig
    from avsep_plugin.errors import DataError
    from avsep_plugin.models.checkpoint import calibrate
    from avsep_plugin.plain import from_dict

    try:
        calibration = from_dict(CalibrationConfig, json.loads(figures.read_text(encoding="utf-8"))["calibrated"]["calibration"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError(f"{figures} holds no calibration; `avsep evaluate --task align` writes one where two people are heard.") from exc
    calibrate(weights, output, calibration)
    talk.say(f"{output}: probability = sigmoid({calibration.slope:.4g} * logit {calibration.offset:+.4g})")
