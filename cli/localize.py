"""`avsep localize`: clips -> where in the picture the sound comes from."""

from pathlib import Path

import click

from avsep_plugin.models import store
from avsep_plugin.tasks import LocalizeTask

from . import batch_options, options
from .clips import run_clips
from .console import Talk


@click.command()
@batch_options.clips_to_outputs
@options.model("multisensory where it was imported, else mini")
@options.device
@options.json_report
@options.talking
@click.pass_obj
def localize(talk: Talk, model: str | None, device: str, json_path: Path | None) -> None:
    """Show where in the picture the sound comes from.

    IN are files, folders and patterns. Each clip gets a folder DIR/<subfolders>/<clip stem> with overlay.mp4, the clip under a map of
    its sound sources, and heatmap.npz, the same map in numbers.

    What is finished already is skipped, as localize.avsep.json beside it says: made of this clip, by this model, with these options.
    Otherwise it is made again. Files that avsep did not write, or that were changed since, are replaced with --overwrite only.

    \b
    Examples:
      avsep localize talk.mp4 -o maps
      avsep localize footage/ -o maps --json report.json
      avsep localize footage/ -o maps --device cpu --jobs 2
    """
    asked = model or store.AUTO
    task = LocalizeTask(store.resolve(asked, "align"), device)
    run_clips(talk, batch_options.requested(), task, asked, json_path)
