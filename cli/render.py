"""`avsep render`: training clips drawn by the project itself."""

from fractions import Fraction
from pathlib import Path

import click

from . import options
from .console import Talk

SQUARE, WIDE = (144, 144), (256, 144)


@click.command()
@options.output_dir("FOLDER", "Folder for the clips.")
@click.option(
    "--kind",
    type=click.Choice(["talkers", "places"]),
    default="talkers",
    show_default=True,
    help="talkers: one talking face, framed like news footage; places: a small face or a sounding object at any place.",
)
@click.option("--count", type=click.IntRange(1), default=200, show_default=True, help="Number of clips.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="Seed of the first clip; the next ones follow.")
@click.option("--seconds", type=click.FloatRange(0.5, 60), default=1.6, show_default=True, help="Length of each clip.")
@options.talking
@click.pass_obj
def render(talk: Talk, output_dir: Path, kind: str, count: int, first: int, seconds: float) -> None:
    """Render clips for training: faces and voices of the training split, which tests, demo and figures never show.

    Files are named <identity>_<seed>.mov, so that `avsep prepare --speaker-pattern '^(\\d+)_'` knows who is seen. Clips that are
    there already are left alone.

    \b
    Examples:
      avsep render -o footage/scenes
      avsep render -o footage/places --kind places --count 160
    """
    from avsep_plugin.scenes import write_scene
    from avsep_plugin.scenes.clips import TRAINING_SAMPLE_RATE_HZ, places_config, training_config

    output_dir.mkdir(parents=True, exist_ok=True)
    length = Fraction(seconds).limit_denominator(100)
    with talk.count("clips") as progress:
        for number, seed in enumerate(range(first, first + count)):
            if kind == "places":
                config = places_config(seed, length, SQUARE)
            else:
                size = SQUARE if seed % 3 else WIDE
                config = training_config(seed, length, size, Fraction(25), TRAINING_SAMPLE_RATE_HZ, channels=1)
            path = output_dir / f"{config.on_screen[0].identity:03d}_{seed:05d}.mov"
            if not path.exists():
                write_scene(config, path)
            progress(number + 1, count)
    talk.say(f"{count} clips are in {output_dir}")
