"""Verdicts of an aligner -> shares called right, calibration, what abstaining costs -> Markdown and JSON."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from avsep_plugin.config import CalibrationConfig

from .calibration import Bin, brier, cross_fitted, fit, reliability
from .metrics import Mean, clustered_mean

Kind = Literal["shift", "other", "far"]
THRESHOLDS = (0.2, 0.3, 0.4, 0.5)
"""Values of `--abstain-below` that are tabled."""


@dataclass(frozen=True)
class Stretch:
    """A part of a clip, counted from its first sample."""

    clip: str
    start_seconds: float


@dataclass(frozen=True)
class Trial:
    """One picture with its own sound and with another one, all of one length."""

    corpus: str
    kind: Kind
    speaker: str
    picture: Stretch
    other: Stretch
    duration_seconds: float


@dataclass(frozen=True)
class Verdict:
    """A trial and the aligner's logits: positive says that sound and picture belong together."""

    trial: Trial
    own_logits: tuple[float, ...]
    """One for each window of the pipeline."""
    other_logits: tuple[float, ...]

    @property
    def own_logit(self) -> float:
        """Mean over the windows with the picture's own sound."""
        return sum(self.own_logits) / len(self.own_logits)

    @property
    def other_logit(self) -> float:
        """Mean over the windows with the other sound."""
        return sum(self.other_logits) / len(self.other_logits)

    @property
    def right_share(self) -> float:
        """Share of the two that were called right: 0, 1/2 or 1."""
        return ((self.own_logit > 0) + (self.other_logit <= 0)) / 2

    @property
    def own_preferred(self) -> bool:
        """Whether the own sound has the higher logit, wherever the threshold lies."""
        return self.own_logit > self.other_logit


@dataclass(frozen=True)
class Calibrated:
    """The calibration fitted on all windows, and how far windows of people who had no part in a fit agree with it."""

    calibration: CalibrationConfig
    curve: list[Bin]
    brier: float


@dataclass(frozen=True)
class LeftAlone:
    """Per cent of the clips of a corpus of which no window reaches a probability: `--abstain-below` leaves these as they are."""

    corpus: str
    below: float
    own: float
    """With the picture's own sound: left alone by mistake."""
    other: float
    """With the sound of another clip: rightly so."""


@dataclass(frozen=True)
class AlignResults:
    """All verdicts of an evaluation."""

    verdicts: list[Verdict]

    @property
    def corpora(self) -> list[str]:
        """In the order of the evaluation."""
        return list(dict.fromkeys(verdict.trial.corpus for verdict in self.verdicts))

    def of(self, corpus: str, kind: Kind) -> list[Verdict]:
        """The verdicts of one corpus and kind of other sound."""
        return [verdict for verdict in self.verdicts if (verdict.trial.corpus, verdict.trial.kind) == (corpus, kind)]

    def accuracy(self, corpus: str, kind: Kind) -> Mean:
        """Per cent of sounds called right at a logit of 0, interval over speakers; chance is 50."""
        found = self.of(corpus, kind)
        return clustered_mean([100 * v.right_share for v in found], [v.trial.speaker for v in found])

    def preference(self, corpus: str, kind: Kind) -> Mean:
        """Per cent of trials in which the own sound scores higher than the other one; chance is 50."""
        found = self.of(corpus, kind)
        return clustered_mean([100.0 * v.own_preferred for v in found], [v.trial.speaker for v in found])

    def calibrated(self) -> Calibrated | None:
        """None where fewer than two people are heard. The paper's own task ("far") is another one, and has no part in it."""
        windows = [
            (logit, own, f"{verdict.trial.corpus} {verdict.trial.speaker}")
            for verdict in self.verdicts
            if verdict.trial.kind != "far"
            for own, logits in ((True, verdict.own_logits), (False, verdict.other_logits))
            for logit in logits
        ]
        if len({speaker for _, _, speaker in windows}) < 2:
            return None
        logits, together, speakers = zip(*windows, strict=True)
        held_out = cross_fitted(logits, together, speakers)
        return Calibrated(fit(logits, together), reliability(held_out, together), brier(held_out, together))

    def left_alone(self, calibration: CalibrationConfig) -> list[LeftAlone]:
        """What each of `THRESHOLDS` leaves as it is. Own sounds are those of every trial, foreign ones those of another clip."""
        found = []
        for corpus in self.corpora:
            own = [v.own_logits for kind in ("shift", "other") for v in self.of(corpus, kind)]
            other = [v.other_logits for v in self.of(corpus, "other")]
            if own and other:
                found += [LeftAlone(corpus, below, *(_none_reaches(x, below, calibration) for x in (own, other))) for below in THRESHOLDS]
        return found


def _none_reaches(clips: Sequence[tuple[float, ...]], below: float, calibration: CalibrationConfig) -> float:
    """Per cent of clips whose every window has a probability under `below`."""
    return 100 * sum(max(map(calibration.probability, logits)) < below for logits in clips) / len(clips)


def as_dict(results: AlignResults) -> dict[str, object]:
    """The calibration (None where it cannot be fitted), what abstaining costs under it, and every verdict."""
    found = results.calibrated()
    return {
        "calibrated": None if found is None else dataclasses.asdict(found),
        "left_alone": [] if found is None else [dataclasses.asdict(row) for row in results.left_alone(found.calibration)],
        "verdicts": [dataclasses.asdict(verdict) for verdict in results.verdicts],
    }


def markdown(results: AlignResults, shift_seconds: float) -> str:
    """The tables; chance stands beside every figure."""
    lines = [
        "Sounds called right at a logit of 0, and trials in which the own sound has the higher logit. In brackets: 95 % bootstrap",
        "interval over speakers. n counts trials, each with one own and one other sound.",
        "",
        "| clips | other sound | accuracy % | own above other % | chance % | n |",
        "|---|---|---|---|---|---|",
    ]
    titles: dict[Kind, str] = {
        "shift": f"same clip, {shift_seconds:g} s away",
        "other": "another clip of the same person",
        "far": "same clip, 2 s away and more",
    }
    for corpus in results.corpora:
        for kind, title in titles.items():
            if found := results.of(corpus, kind):
                lasts = f", {found[0].trial.duration_seconds:.1f} s" if kind == "far" else ""
                figures = results.accuracy(corpus, kind), results.preference(corpus, kind)
                cells = [f"{mean.value:.0f} [{mean.low:.0f}, {mean.high:.0f}]" for mean in figures]
                lines.append(f"| {corpus}{lasts} | {title} | {' | '.join(cells)} | 50 | {figures[0].n} |")
    calibrated = results.calibrated()
    if calibrated is not None:
        lines += [*_reliability(calibrated), *_left_alone(results.left_alone(calibrated.calibration))]
    return "\n".join(lines) + "\n"


def _reliability(found: Calibrated) -> list[str]:
    """The calibration and its curve."""
    calibration = found.calibration
    return [
        "",
        f"Calibration: probability = sigmoid({calibration.slope:.4g} * logit {calibration.offset:+.4g}), of single windows, where half of",
        "the sounds are the picture's own. Each speaker's probabilities below come from a fit on all the others; Brier score",
        f"{found.brier:.3f} (0.25 is what always saying one half gets).",
        "",
        "| predicted | mean predicted | observed share | n |",
        "|---|---|---|---|",
        *(f"| {b.low:.1f} to {b.high:.1f} | {b.predicted:.2f} | {b.observed:.2f} | {b.n} |" for b in found.curve),
    ]


def _left_alone(rows: Sequence[LeftAlone]) -> list[str]:
    """One line for each threshold, two columns for each corpus."""
    if not rows:
        return []
    corpora = list(dict.fromkeys(row.corpus for row in rows))
    of = {(row.corpus, row.below): row for row in rows}
    lines = [
        "",
        "What `--abstain-below P` does with that calibration: the share of clips that are left as they are because no window reaches",
        "P, with their own sound and with the sound of another clip of the same person.",
        "",
        f"| P | {' | '.join(f'{corpus}, own sound | {corpus}, foreign sound' for corpus in corpora)} |",
        "|---|" + "---|---|" * len(corpora),
    ]
    for below in THRESHOLDS:
        cells = [f"{of[corpus, below].own:.0f} % | {of[corpus, below].other:.0f} %" for corpus in corpora]
        lines.append(f"| {below:g} | {' | '.join(cells)} |")
    return lines
