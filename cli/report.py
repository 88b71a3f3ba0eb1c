"""`avsep report`: a processed folder -> one page to look and listen through."""

from pathlib import Path

import click

from . import options
from .console import Talk


@click.command()
@click.argument("folder", type=options.FOLDER, metavar="FOLDER")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="PAGE.html",
    help="The page.  [default: report.html in FOLDER]",
)  # fmt: skip
@click.option("--title", metavar="TEXT", help="Heading of the page.  [default: the folder's name]")
@click.option(
    "--previews/--no-previews", default=True, show_default=True,
    help="Make small copies (H.264 and AAC, at most 854x480) that every browser plays, in a folder beside the page (report_files). "
    "Without them the page plays the files themselves, as far as the browser knows them, at full quality.",
)  # fmt: skip
@click.option(
    "--rows", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="REPORT.json",
    help="A report that `separate` or `localize` wrote with --json, whose failed clips are shown too; may repeat. Those that lie in "
    "FOLDER itself are found without it.",
)  # fmt: skip
@options.talking
@click.pass_obj
def report(talk: Talk, folder: Path, output: Path | None, title: str | None, previews: bool, rows: tuple[Path, ...]) -> None:
    """Make one offline page of a processed folder: look and listen through all clips, before and after.

    FOLDER is what `avsep separate`, `avsep localize` and `avsep sync` wrote into, one folder or one above several. The page plays
    every clip with its original, on-screen and off-screen sound, which switch in place; it shows the heat map, how well sound and
    picture match over time, loudness before and after, and marks what needs a look. It opens from the disk and uses no network.

    Keys on the page: j k next and previous clip, space play, 1 2 3 sound, left right seek, h heat map, / search, ? all keys.

    \b
    Examples:
      avsep report stems
      avsep report stems -o review.html --title 'Episode 3, day 1'
      avsep report stems --no-previews
      avsep report stems --rows report.json
    """
    from avsep_plugin.report.build import build

    with talk.count("clips") as progress:
        built = build(folder, output, title, previews, rows, progress)
    for note in built.notes:
        talk.warn(note)
    failed = f", {built.failures} failed" if built.failures else ""
    talk.say(f"done: {built.page} ({built.clips} {'clip' if built.clips == 1 else 'clips'}{failed})")
