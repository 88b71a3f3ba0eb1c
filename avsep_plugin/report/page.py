"""Reviews -> one HTML page: Jinja with autoescape for the list, JSON for the player, style and script inlined and named by their hash.

Names may hold anything. In HTML they are escaped by Jinja, in the JSON every `<`, `>`, `&` and `'` is \\uXXXX, in addresses every byte
that is not a plain letter is %XX; the script puts texts into the page as text only. The policy of the page lets run this one script, and
load pictures from the page itself and media from files; nothing can reach a network.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from avsep_plugin import sidecar
from avsep_plugin.report.cards import Card, card, failed_card
from avsep_plugin.report.collect import Failure
from avsep_plugin.report.review import Review
from avsep_plugin.report.texts import clock, lufs, printable

GENERATOR = "avsep report"
"""By this the page says who made it, so that it may be replaced."""
_MARKS = {
    "failed": "Failed", "unfinished": "Unfinished", "missing": "Files missing", "changed": "Files changed", "source": "Clip not found",
    "clipped": "Clipped", "abstained": "Abstained", "sync": "Out of sync", "warnings": "Warnings", "part": "Part only",
}  # fmt: skip
"""Kinds of flags by which the list can be filtered."""


@dataclass(frozen=True)
class Page:
    """What the page is to show. folder: the one that was looked through; target: the page's own path."""

    title: str
    folder: Path
    target: Path
    reviews: Sequence[Review]
    failures: Sequence[Failure]
    notes: Sequence[str]
    made: datetime


def render(page: Page) -> str:
    """The page as HTML."""
    cards = [card(number, seen, page.folder, page.target) for number, seen in enumerate(page.reviews)]
    cards += [failed_card(len(cards) + number, failure) for number, failure in enumerate(page.failures)]
    style, script = _data("page.css"), _data("page.js")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {"seconds": clock, "lufs": lufs}
    return environment.from_string(_data("page.html")).render(
        title=printable(page.title),
        folder=printable(str(page.folder)),
        notes=[printable(note) for note in page.notes],
        clips=cards,
        total_seconds=sum(one["duration"] for one in cards),
        marks=_marks(cards),
        has_sync=any(one["sync"] for one in cards),
        has_match=any(one["match"] is not None for one in cards),
        generator=GENERATOR,
        program=sidecar.program(),
        made=page.made,
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
    )


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; media-src 'self' file:; "
        "base-uri 'none'; form-action 'none'"
    )


def _marks(cards: list[Card]) -> list[tuple[str, str, int]]:
    """Kind, name and number of clips of every mark that there is."""
    counts = {kind: sum(any(flag["kind"] == kind for flag in one["flags"]) for one in cards) for kind in _MARKS}
    return [(kind, name, counts[kind]) for kind, name in _MARKS.items() if counts[kind]]


def _data(name: str) -> str:
    return (resources.files("avsep_plugin.report") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
