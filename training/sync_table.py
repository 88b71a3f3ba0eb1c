"""Trials of offsets that were put in -> errors, abstentions and false alarms -> Markdown and JSON."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from avsep_plugin.config import CalibrationConfig
from avsep_plugin.sync_curve import ABSTAIN_BELOW, SyncCurve

from .calibration import fit

CORPORA = ("newsreaders", "grid", "scenes")
REACH_SECONDS = {"newsreaders": Fraction(3, 10), "grid": Fraction(1), "scenes": Fraction(1)}
"""The largest offset that is put in."""
_RIGHT_SECONDS = 0.08
_LIMITS_MS = (40, 80, 200)


@dataclass(frozen=True)
class Trial:
    """One clip with an offset put in, and whose sound it has."""

    corpus: str
    speaker: str
    clip: str
    sound: str
    """The clip that the sound is of: the same one, or (`own` false) another."""
    offset_seconds: float
    """Positive: the sound is late. Without meaning for the sound of another clip."""
    duration_seconds: float
    """Of the clip, before it is cut."""

    @property
    def own(self) -> bool:
        """Whether there is an offset to be found."""
        return self.clip == self.sound


@dataclass(frozen=True)
class Found:
    """A trial and what was measured."""

    trial: Trial
    offset_seconds: float
    confidence: float
    height: float
    """Of the peak, see `sync_curve.height`."""
    guess_seconds: float
    """A draw from the range that is searched, for the row that needs no model."""
    curve: SyncCurve | None = None
    """What it was read off."""

    @property
    def error_seconds(self) -> float:
        """Size of the error, whatever the confidence."""
        return abs(self.offset_seconds - self.trial.offset_seconds)

    @property
    def given(self) -> bool:
        """Whether `avsep sync` would give the offset."""
        return self.confidence >= ABSTAIN_BELOW


@dataclass(frozen=True)
class Row:
    """Errors of one way of measuring: milliseconds, and per cent of the trials within each of `_LIMITS_MS`."""

    name: str
    n: int
    median_ms: float
    mean_ms: float
    p90_ms: float
    within: tuple[float, ...]


@dataclass(frozen=True)
class SyncResults:
    """All trials of an evaluation."""

    found: list[Found]

    def of(self, corpus: str, own: bool = True) -> list[Found]:
        """The trials of one corpus, with their own sound or with another."""
        return [one for one in self.found if one.trial.corpus == corpus and one.trial.own == own]

    def rows(self, corpus: str) -> list[Row]:
        """What was measured, what of it was given, and the two rows that need no model."""
        own = self.of(corpus)
        ways = {
            "every clip": [one.error_seconds for one in own],
            "those given": [one.error_seconds for one in own if one.given],
            "always 0": [abs(one.trial.offset_seconds) for one in own],
            "guess": [abs(one.guess_seconds - one.trial.offset_seconds) for one in own],
        }
        return [_row(name, errors) for name, errors in ways.items() if errors]

    def abstained(self, corpus: str, own: bool = True) -> float | None:
        """Per cent of the trials of which no offset is given; None where there are none."""
        found = self.of(corpus, own)
        return 100 * sum(not one.given for one in found) / len(found) if found else None

    def confidence(self) -> CalibrationConfig | None:
        """Height of the peak -> probability of an offset that is right to 80 ms, every corpus and both kinds of sound counting alike."""
        kinds = [kind for corpus in CORPORA for own in (True, False) if (kind := self.of(corpus, own))]
        most = max((len(kind) for kind in kinds), default=0)
        drawn = [kind[number % len(kind)] for kind in kinds for number in range(most)]
        right = [one.trial.own and one.error_seconds <= _RIGHT_SECONDS for one in drawn]
        return fit([one.height for one in drawn], right) if any(right) and not all(right) else None


def _row(name: str, errors: Sequence[float]) -> Row:
    milliseconds = 1000 * np.asarray(errors)
    within = tuple(float(100 * np.mean(milliseconds <= limit)) for limit in _LIMITS_MS)
    return Row(
        name, len(errors), float(np.median(milliseconds)), float(milliseconds.mean()), float(np.quantile(milliseconds, 0.9)), within
    )  # fmt: skip


def as_dict(results: SyncResults) -> dict[str, object]:
    """All figures, and every trial with its curve."""
    confidence = results.confidence()
    corpora = dict.fromkeys(one.trial.corpus for one in results.found)
    return {
        "rows": {corpus: [dataclasses.asdict(row) for row in results.rows(corpus)] for corpus in corpora},
        "abstained": {corpus: {"own": results.abstained(corpus), "other": results.abstained(corpus, own=False)} for corpus in corpora},
        "confidence": None if confidence is None else dataclasses.asdict(confidence),
        "trials": [dataclasses.asdict(one) for one in results.found],
    }


def markdown(results: SyncResults) -> str:
    """One table; chance stands beside every figure."""
    lines = [
        "Error of the offset between sound and picture, which was put in to the sample: milliseconds, and the share of the clips within",
        '40, 80 and 200 ms. "Every clip" takes the peak of the curve whatever the confidence; "those given" are the ones that',
        f'`avsep sync` gives (confidence {ABSTAIN_BELOW:g} and more); "guess" is drawn from the range that is searched.',
        "",
        "| clips | offsets | | median ms | mean ms | p90 ms | <= 40 ms | <= 80 ms | <= 200 ms | n |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    corpora = list(dict.fromkeys(one.trial.corpus for one in results.found))
    for corpus in corpora:
        for row in results.rows(corpus):
            shares = " | ".join(f"{share:.0f} %" for share in row.within)
            figures = f"{row.median_ms:.0f} | {row.mean_ms:.0f} | {row.p90_ms:.0f} | {shares} | {row.n}"
            lines.append(f"| {corpus} | up to {float(REACH_SECONDS[corpus]):g} s | {row.name} | {figures} |")
    lines += ["", "| clips | no offset given, own sound | no offset given, another clip's sound | false alarms |", "|---|---|---|---|"]
    for corpus in corpora:
        own, other = results.abstained(corpus), results.abstained(corpus, own=False)
        alarms = ["-", "-"] if other is None else [f"{other:.0f} %", f"{100 - other:.0f} %"]
        lines.append(f"| {corpus} | {own:.0f} % | {' | '.join(alarms)} |")
    found = results.confidence()
    if found is not None:
        lines += ["", f"Confidence fitted here: sigmoid({found.slope:.4g} * height {found.offset:+.4g})."]
    return "\n".join(lines) + "\n"
