"""The options of `avsep separate` that say how much is taken off, what the model may see, and when it had better leave a shot alone."""

from typing import Any

import click

from avsep_plugin.errors import ConfigError

from .options import stacked

FORMATS = ("csv", "json")


def _region(_context: click.Context, _option: click.Parameter, words: str | None) -> str | None:
    """Checks that the words mean a region; a mask is read, so that a batch does not find out file by file."""
    if words:
        from avsep_plugin.media.region import Region

        try:
            Region.parse(words)
        except ConfigError as exc:
            raise click.BadParameter(str(exc)) from exc
    return words


region_option = click.option(
    "--region", callback=_region, metavar="left|right|x,y,w,h|MASK",
    help="Show the model only this part of the displayed picture: a half, a box in shares of it (0.5,0,0.5,1 or 50%,0%,50%,100%), "
    "or what is white in a picture.  [default: all]",
)  # fmt: skip

shots_option = click.option(
    "--shots/--no-shots", default=True, show_default=True, help="Find the shot cuts, and judge every shot by itself."
)

control = stacked(
    click.option(
        "--amount", type=click.FloatRange(0, 1), metavar="0..1",
        help="How much of the off-screen sound is taken from the video's sound; the stems do not depend on it.  [default: 1]",
    ),
    click.option(
        "--attenuate", "attenuate_db", type=click.FloatRange(min=0), metavar="DB",
        help="The same in decibels: the off-screen sound is turned down by so much.",
    ),
    region_option,
    shots_option,
    click.option(
        "--abstain-below", type=click.FloatRange(0, 1), metavar="P",
        help="Leave a shot untouched where the probability that sound and picture belong together stays below P; 0: never.  [default: 0]",
    ),
    click.option("--confidence", type=click.Choice(FORMATS), help="Write that probability of every window beside the stems."),
    click.option("--aligner", metavar="NAME|PATH", help="The model that judges it.  [default: the one beside the separator]"),
)  # fmt: skip


def chosen_amount(amount: float | None, attenuate_db: float | None) -> float | None:
    """The amount that was asked for, in either way; None where neither was. Turning down by D dB takes away 1 - 10^(-D / 20)."""
    if attenuate_db is None:
        return amount
    if amount is not None:
        raise click.UsageError("--amount and --attenuate say the same in two ways: give one of them.")
    return 1 - 10 ** (-attenuate_db / 20)


def own_settings(confidence: str | None, shots: bool) -> dict[str, Any]:
    """What of this no preset sets, by the names of the fields of `files.SeparateFileOptions`."""
    return {"confidence": confidence, "shots": shots}
