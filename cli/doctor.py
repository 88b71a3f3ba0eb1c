"""`avsep doctor`: is everything there that avsep needs?"""

import dataclasses
import json
from pathlib import Path

import click

from . import options
from .console import Talk


@click.command()
@options.device
@options.output_dir("DIR", "Folder whose disk is looked at.", Path())
@options.json_report
@options.talking
@click.pass_obj
def doctor(talk: Talk, device: str, output_dir: Path, json_path: Path | None) -> None:
    """Check ffmpeg, codecs, PyTorch and the device, models, presets, folders and disk.

    Exit code 1 where something that is needed does not work; what to do about it stands below it.

    \b
    Examples:
      avsep doctor
      avsep doctor --device cuda --json -
    """
    from avsep_plugin.doctor import examine

    findings = []
    for finding in examine(device, output_dir):
        findings.append(finding)
        if json_path != Path("-"):
            advice = f"\n         {finding.advice}" if finding.advice else ""
            click.echo(f"{finding.state:7}  {finding.name}: {finding.found}{advice}")
    if json_path is not None:
        options.give_json(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2) + "\n", json_path)
    broken = sum(finding.state == "error" for finding in findings)
    if broken:
        talk.fail(f"{broken} of {len(findings)} checks failed.")
        raise click.exceptions.Exit(1)
