"""`avsep localize`: clips -> where in the picture the sound comes from."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from avsep_plugin.batch import Result
from avsep_plugin.discover import Job
from avsep_plugin.models import store

from . import options
from .clips import Expected, Handle, Request, run_clips, tell_choice
from .console import Talk

if TYPE_CHECKING:
    from avsep_plugin.models.fused import Aligner


@click.command()
@options.clips_to_outputs
@options.model("multisensory where it was imported, else mini")
@options.device
@options.json_report
@options.talking
@click.pass_obj
def localize(
    talk: Talk, inputs: tuple[Path, ...], output_dir: Path, overwrite: bool, dry_run: bool, model: str | None, device: str,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Show where in the picture the sound comes from.

    IN are files and folders. Each clip gets a folder DIR/<subfolders>/<clip stem> with overlay.mp4, the clip under a map of its
    sound sources, and heatmap.npz, the same map in numbers. What is there already is skipped.

    \b
    Examples:
      avsep localize talk.mp4 -o maps
      avsep localize footage/ -o maps --json report.json
      avsep localize footage/ -o maps --device cpu --overwrite
    """
    asked = model or store.AUTO
    chosen = store.resolve(asked, "align")
    run_clips(talk, Request(inputs, output_dir, overwrite, dry_run, json_path), chosen, *_task(talk, asked, chosen, device))


def _task(talk: Talk, asked: str, chosen: str, device: str) -> tuple[Expected, Handle]:
    """What is expected of a clip and how it is made; PyTorch and the model are loaded for the first clip that needs them."""

    @functools.cache
    def model() -> "Aligner":
        from avsep_plugin.models import zoo

        tell_choice(talk, asked, chosen)
        return zoo.load_aligner(chosen, device)

    def expected(job: Job) -> Mapping[str, Path]:
        from avsep_plugin.files import localisation_outputs

        return localisation_outputs(job.out_dir)

    def handle(job: Job, progress: Callable[[float], None]) -> Result:
        from avsep_plugin.files import localize_file

        return localize_file(job.source, job.out_dir, model(), progress=progress)

    return expected, handle
