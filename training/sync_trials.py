"""Trials of offsets that were put in, what was measured in them, and what the height of a peak is worth.

The confidence of `avsep sync` is fitted on such trials (`confidence`). Judged on the trials that it was fitted on it would flatter itself,
so every figure that goes by it takes the confidence that a fit on everybody else's trials gives (`held_out`).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from avsep_plugin.config import CalibrationConfig
from avsep_plugin.sync_curve import ABSTAIN_BELOW, SyncCurve

from .calibration import fit

CORPORA = ("newsreaders", "grid", "scenes")
REACH_SECONDS = {"newsreaders": Fraction(3, 10), "grid": Fraction(1), "scenes": Fraction(1)}
"""The largest offset that is put in."""
RIGHT_SECONDS = 0.08


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
    """As `avsep sync` says it, or (`held_out`) as it would if it had never met this person."""
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
    def right(self) -> bool:
        """Whether there is an offset and it was found."""
        return self.trial.own and self.error_seconds <= RIGHT_SECONDS

    def given(self, abstain_below: float = ABSTAIN_BELOW) -> bool:
        """Whether `avsep sync --abstain-below` would give the offset; what has no peak at all is never given."""
        return self.confidence > 0 and self.confidence >= abstain_below


def found_from(fields: dict[str, Any]) -> Found:
    """What `dataclasses.asdict` has made into JSON."""
    curve = fields["curve"]
    known = None if curve is None else SyncCurve(tuple(curve["offsets_seconds"]), tuple(curve["scores"]), curve["seconds"])
    return Found(**fields | {"trial": Trial(**fields["trial"]), "curve": known})


def confidence(found: Sequence[Found]) -> CalibrationConfig | None:
    """Height of the peak -> probability of an offset that is right to 80 ms; every corpus and both kinds of sound count alike.

    None where all or none of them are right.
    """
    kinds = [[one for one in found if (one.trial.corpus, one.trial.own) == (corpus, own)] for corpus in CORPORA for own in (True, False)]
    most = max(map(len, kinds))
    drawn = [kind[number % len(kind)] for kind in kinds if kind for number in range(most)]
    right = [one.right for one in drawn]
    return fit([one.height for one in drawn], right) if any(right) and not all(right) else None


def held_out(found: Sequence[Found]) -> list[Found] | None:
    """The same with the confidence that comes of all other people's trials; None where these cannot be fitted for everybody."""
    people = {_person(one) for one in found}
    fits = {who: confidence([one for one in found if _person(one) != who]) for who in people}
    judged = []
    for one in found:
        fitted = fits[_person(one)]
        if fitted is None:
            return None
        judged.append(dataclasses.replace(one, confidence=fitted.probability(one.height) if one.confidence > 0 else 0.0))
    return judged


def _person(one: Found) -> tuple[str, str]:
    return one.trial.corpus, one.trial.speaker
