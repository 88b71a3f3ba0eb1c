"""`avsep verify`: is a finished folder still what it was?"""

import dataclasses
import json
from pathlib import Path

import click

from . import options
from .console import Talk


@click.command()
@click.argument("folder", type=options.FOLDER, metavar="FOLDER")
@options.json_report
@options.talking
@click.pass_obj
def verify(talk: Talk, folder: Path, json_path: Path | None) -> None:
    """Check a folder of outputs again: everything there, unchanged, stems that add up to the source, the picture a true copy.

    Goes by the sidecars (*.avsep.json) that lie beside the outputs. What concerns the source is checked where the source is still
    there and unchanged. Exit code 1 where anything is wrong, with one line for each problem.

    \b
    Examples:
      avsep verify stems
      avsep verify stems --json report.json
    """
    from avsep_plugin.verify import verify as check

    checked = []
    for one in check(folder):
        checked.append(one)
        for problem in one.problems:
            talk.fail(problem)
        for reason in one.skipped:
            talk.tell(reason)
        if not one.problems:
            talk.say(f"whole: {one.sidecar}" + (" (without its source; -v says more)" if one.skipped else ""))
    if json_path is not None:
        options.give_json(json.dumps([dataclasses.asdict(one) for one in checked], indent=2) + "\n", json_path)
    if any(one.problems for one in checked):
        raise click.exceptions.Exit(1)
