"""`avsep models`: what there is, and how more comes in."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .console import Talk
from .weights import average_models, calibrate_model, pack_model

if TYPE_CHECKING:
    from avsep_plugin.models.zoo import ModelCard
    from avsep_plugin.release.convert import Imported

KINDS = ("shift", "cam", "full", "large", "unet-pit")

_name = click.argument("name", metavar="NAME")


@click.group()
def models() -> None:
    """Models that are known by name: see, fetch, check and remove them. Weights files: pack, average and calibrate them."""


for command in (pack_model, average_models, calibrate_model):
    models.add_command(command)


@models.command("list")
@options.json_report
@options.talking
def list_models(json_path: Path | None) -> None:
    """List the known models.

    \b
    Examples:
      avsep models list
      avsep models list --json -
    """
    from avsep_plugin.models.zoo import known_models

    options.give_entries([_entry(card) for card in known_models()], json_path)


@models.command("show")
@_name
@options.json_report
@options.talking
def show_model(name: str, json_path: Path | None) -> None:
    """Show everything that is known of a model: where it comes from, what was checked, and its configuration.

    \b
    Examples:
      avsep models show mini
      avsep models show multisensory/full --json -
    """
    from avsep_plugin.models.checkpoint import describe
    from avsep_plugin.plain import to_dict

    card = _card(name)
    files = {task: str(path) for task, path in card.files.items()}
    configs = {task: to_dict(describe(path)[0]) for task, path in card.files.items()}
    entry = {**_entry(card), **{key: value for key, value in card.about.items() if key not in ("licence", "purpose")}}
    options.give_entries([entry | {"files": files, "configuration": configs}], json_path)


@models.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@options.talking
@click.pass_obj
def verify_models(talk: Talk, names: tuple[str, ...]) -> None:
    """Check the weights files of models (default: of all) against their checksums. Exit code 1 where one is damaged.

    \b
    Examples:
      avsep models verify
      avsep models verify multisensory/full
    """
    from avsep_plugin.errors import ModelError
    from avsep_plugin.models.checkpoint import verify
    from avsep_plugin.models.zoo import known_models

    failed = False
    for card in [_card(name) for name in names] or known_models():
        try:
            if not card.files:
                raise ModelError(f"{card.name}: {card.description}")
            for path in card.files.values():
                verify(path)
            talk.say(f"{card.name}: whole")
        except ModelError as exc:
            talk.fail(str(exc))
            failed = True
    if failed:
        raise click.exceptions.Exit(1)


@models.command("remove")
@_name
@options.talking
@click.pass_obj
def remove_model(talk: Talk, name: str) -> None:
    """Remove an imported model. What comes with the package stays.

    \b
    Examples:
      avsep models remove multisensory/large
    """
    from avsep_plugin.errors import ModelError
    from avsep_plugin.models import store

    path = dict(store.imported()).get(name)
    if path is None:
        raise ModelError(f"No imported model is called '{name}'; there are {', '.join(dict(store.imported())) or 'none'}.")
    path.unlink()
    talk.say(f"{name}: removed")


@models.command("import")
@click.argument("source", type=click.Path(path_type=Path), metavar="PATH")
@click.option("--name", metavar="NAME", help="What it is called here.  [default: multisensory/<kind>]")
@click.option("--kind", type=click.Choice(KINDS), help="Which of the authors' networks it is, where its folder and steps do not tell.")
@options.talking
@click.pass_obj
def import_models(talk: Talk, source: Path, name: str | None, kind: str | None) -> None:
    """Convert checkpoints of the original system (TensorFlow V2) into models of this one.

    PATH is the authors' archive, a folder of it, or the prefix of one checkpoint. Every variable of the network must be there; sizes
    and checksums are compared with what is known of the release. TensorFlow is not needed.

    \b
    Examples:
      avsep models import multisensory-nets.zip
      avsep models import results/nets/sep/full
      avsep models import results/nets/shift/net.tf-650000 --kind shift
    """
    from avsep_plugin.release.convert import import_all

    for done in import_all(source, name, kind):
        _tell(talk, done)


@models.command("pull")
@click.argument("name", type=click.Choice(["multisensory"]), metavar="multisensory")
@click.option("--mirror", "mirrors", multiple=True, metavar="URL", help="Fetch the archive from here instead; may be repeated.")
@click.option("--offline", is_flag=True, help="Use no network: an error where the models are not here.")
@options.talking
@click.pass_obj
def pull_models(talk: Talk, name: str, mirrors: tuple[str, ...], offline: bool) -> None:
    """Fetch the authors' models, check and convert them; the archive (about 4 GB) is deleted afterwards.

    A transfer that was broken off goes on where it stopped.

    \b
    Examples:
      avsep models pull multisensory
      avsep models pull multisensory --mirror https://example.org/multisensory-nets.zip
    """
    from avsep_plugin.release.convert import pull

    with talk.count("MB") as count:
        pulled = pull(mirrors, offline=offline, progress=lambda have, size: count(have // 10**6, (size or have) // 10**6))
    if pulled is None:
        talk.say(f"{name} is here already; `avsep models verify` checks it.")
        return
    for done in pulled.models:
        _tell(talk, done)
    talk.say(f"The archive's sha256 was {pulled.sha256}")


def _card(name: str) -> "ModelCard":
    from avsep_plugin.errors import ModelError
    from avsep_plugin.models.zoo import known_models

    cards = {card.name: card for card in known_models()}
    if name not in cards:
        raise ModelError(f"No model '{name}'; there are {', '.join(cards)}.")
    return cards[name]


def _entry(card: "ModelCard") -> dict[str, Any]:
    fields = dataclasses.asdict(card)
    return {**{key: fields[key] for key in ("name", "description", "licence")}, "tasks": list(card.files)}


def _tell(talk: Talk, done: "Imported") -> None:
    """What became of a checkpoint; a difference from the record of the release is a warning."""
    talk.say(f"{done.name}: {done.variables} variables -> {done.path} ({done.left_out} of the optimiser left out)")
    for check in done.checks:
        origin = "recorded from the release" if check.measured else "worked out from the training graph"
        if check.passed:
            talk.say(f"    {check.what}: {check.found}, as {origin}")
        else:
            talk.warn(f"{done.name}: its {check.what} is {check.found}; {check.expected} is {origin}.")
