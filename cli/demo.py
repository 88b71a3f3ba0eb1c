"""`avsep demo`: see it work on a rendered scene."""

import json
from pathlib import Path

import click

from avsep_plugin.models import store

from . import options
from .console import Talk


@click.command()
@options.output_dir("DIR", "Folder for the files.", Path("demo"))
@options.model("mini")
@options.device
@options.json_report
@options.talking
@click.pass_obj
def demo(talk: Talk, output_dir: Path, model: str | None, device: str, json_path: Path | None) -> None:
    """Render ten seconds with exact truth, separate and localise them.

    Prints how well the on-screen sound is separated with the right picture, and with a wrong one, and where the files are.
    What an earlier demo left there is replaced.

    \b
    Examples:
      avsep demo
      avsep demo -o out --model runs/separate/model.safetensors
    """
    from avsep_plugin.demo import demonstrate
    from avsep_plugin.models import zoo

    separator, aligner = zoo.load_separator(model or store.BUNDLED, device), zoo.load_aligner(store.BUNDLED, device)
    shown = demonstrate(output_dir, separator, aligner, talk.say)
    figures = {"mixture": shown.mixture_db, "right picture": shown.right_picture_db, "wrong picture": shown.wrong_picture_db}
    if json_path != Path("-"):
        click.echo("SI-SDR of the on-screen sound against the truth:")
        for what, value in figures.items():
            click.echo(f"    {what:14} {value:6.1f} dB")
        click.echo("Files:")
        for kind, path in shown.files.items():
            click.echo(f"    {path}  ({kind})")
    if json_path is not None:
        report = {"si_sdr_db": figures, "files": {kind: str(path) for kind, path in shown.files.items()}}
        options.give_json(json.dumps(report, indent=2) + "\n", json_path)
