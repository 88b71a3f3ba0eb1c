"""Trials of offsets that were put in -> errors, abstentions and false alarms -> Markdown and JSON."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from avsep_plugin.sync_curve import ABSTAIN_BELOW

from .sync_trials import REACH_SECONDS, Found, confidence, held_out

THRESHOLDS = (0.3, 0.4, ABSTAIN_BELOW)
"""Values of `--abstain-below` that are tabled."""
_LIMITS_MS = (40, 80, 200)


@dataclass(frozen=True)
class Row:
    """Errors of one way of measuring: milliseconds, and per cent of the trials within each of `_LIMITS_MS`."""

    name: str
    n: int
    quartiles_ms: tuple[float, float, float]
    mean_ms: float
    p90_ms: float
    within: tuple[float, ...]


@dataclass(frozen=True)
class Given:
    """What is given of a corpus at one confidence."""

    abstain_below: float
    given: int
    n: int
    """Trials with their own sound."""
    right: int
    """Of those given, right to 80 ms."""
    alarms: int
    foreign: int
    """Trials with another clip's sound; of every offset that is given there (`alarms`) nothing is true."""


@dataclass(frozen=True)
class SyncResults:
    """All trials of an evaluation, with the confidence of `avsep sync`."""

    found: list[Found]

    @property
    def corpora(self) -> list[str]:
        """In the order of the evaluation."""
        return list(dict.fromkeys(one.trial.corpus for one in self.found))

    @cached_property
    def judged(self) -> tuple[list[Found], bool]:
        """The trials by whose confidence they are judged, and whether that is one of people left out of the fit."""
        left_out = held_out(self.found)
        return (self.found, False) if left_out is None else (left_out, True)

    def of(self, corpus: str, own: bool = True) -> list[Found]:
        """The trials of one corpus, with their own sound or with another."""
        return [one for one in self.judged[0] if one.trial.corpus == corpus and one.trial.own == own]

    def rows(self, corpus: str) -> list[Row]:
        """What was measured, what of it was given, and the two rows that need no model."""
        own = self.of(corpus)
        ways = {
            "every clip": [one.error_seconds for one in own],
            "those given": [one.error_seconds for one in own if one.given()],
            "always 0": [abs(one.trial.offset_seconds) for one in own],
            "guess": [abs(one.guess_seconds - one.trial.offset_seconds) for one in own],
        }
        return [_row(name, errors) for name, errors in ways.items() if errors]

    def given(self, corpus: str) -> list[Given]:
        """One row for each of `THRESHOLDS`."""
        own, other = self.of(corpus), self.of(corpus, own=False)
        return [
            Given(
                below,
                given=sum(one.given(below) for one in own),
                n=len(own),
                right=sum(one.given(below) and one.right for one in own),
                alarms=sum(one.given(below) for one in other),
                foreign=len(other),
            )
            for below in THRESHOLDS
        ]


def _row(name: str, errors: Sequence[float]) -> Row:
    milliseconds = 1000 * np.asarray(errors)
    within = tuple(float(100 * np.mean(milliseconds <= limit)) for limit in _LIMITS_MS)
    low, middle, high, p90 = (float(value) for value in np.quantile(milliseconds, [0.25, 0.5, 0.75, 0.9]))
    return Row(name, len(errors), (low, middle, high), float(milliseconds.mean()), p90, within)


def as_dict(results: SyncResults) -> dict[str, object]:
    """All figures, and every trial with its curve and both confidences."""
    fitted = confidence(results.found)
    judged, left_out = results.judged
    return {
        "rows": {corpus: [dataclasses.asdict(row) for row in results.rows(corpus)] for corpus in results.corpora},
        "given": {corpus: [dataclasses.asdict(row) for row in results.given(corpus)] for corpus in results.corpora},
        "confidence": None if fitted is None else dataclasses.asdict(fitted),
        "trials": [
            dataclasses.asdict(one) | {"held_out_confidence": other.confidence if left_out else None}
            for one, other in zip(results.found, judged, strict=True)
        ],
    }


def markdown(results: SyncResults) -> str:
    """The tables; chance stands beside every figure."""
    lines = [
        "Error of the offset between sound and picture, which was put in to the sample: milliseconds, and the share of the clips within",
        '40, 80 and 200 ms. "Every clip" takes the peak of the curve whatever the confidence; "those given" are the ones that',
        f'`avsep sync` gives (confidence {ABSTAIN_BELOW:g} and more); "guess" is drawn from the range that is searched.',
        "",
        "| clips | offsets | | quarter ms | median ms | three quarters ms | p90 ms | mean ms | <= 40 ms | <= 80 ms | <= 200 ms | n |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for corpus in results.corpora:
        for row in results.rows(corpus):
            milliseconds = [f"{value:.0f}" for value in (*row.quartiles_ms, row.p90_ms, row.mean_ms)]
            figures = " | ".join([*milliseconds, *(f"{share:.0f} %" for share in row.within)])
            lines.append(f"| {corpus} | up to {float(REACH_SECONDS[corpus]):g} s | {row.name} | {figures} | {row.n} |")
    return "\n".join([*lines, *_given(results), *_fitted(results)]) + "\n"


def _given(results: SyncResults) -> list[str]:
    by = "is of a fit on all other people's trials" if results.judged[1] else "is that of `avsep sync` itself"
    lines = [
        "",
        "What is given at `--abstain-below`, and how often an offset is given for the sound of another clip, in which there is none.",
        f"Everybody's confidence {by}.",
        "",
        "| clips | `--abstain-below` | an offset is given | of these right to 80 ms | false alarms on another clip's sound |",
        "|---|---|---|---|---|",
    ]
    for corpus in results.corpora:
        for row in results.given(corpus):
            right = f"{row.right} of {row.given}" if row.given else "-"
            alarms = f"{row.alarms} of {row.foreign}" if row.foreign else "-"
            lines.append(f"| {corpus} | {row.abstain_below:g} | {row.given} of {row.n} | {right} | {alarms} |")
    return lines


def _fitted(results: SyncResults) -> list[str]:
    found = confidence(results.found)
    if found is None:
        return []
    return ["", f"Confidence fitted on all of them, for `sync_curve.CONFIDENCE`: sigmoid({found.slope:.4g} * height {found.offset:+.4g})."]
