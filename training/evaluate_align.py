"""How well an aligner tells sound that belongs to the picture from sound that does not, on people it has never seen.

Every trial shows a stretch of picture twice, once with its own sound and once with another, equally long one:

    shift    the sound of the same clip, some tenths of a second away. Each clip gives two trials, mirror images of each other,
             so that nothing is learnt from whether the sound is cut at the beginning or at the end:
                 picture [0, d)  own sound [0, d)  other sound [s, s + d)
                 picture [s, s + d)  own sound [s, s + d)  other sound [0, d)
    other    the sound of another clip of the same person

Chance is 50 % in both. The aligner runs through `pipeline.align`, and its logit is the mean over the pipeline's windows.

From the logits of the windows comes the calibration that makes probabilities of them (`calibration`), for half of the sounds are
the picture's own.
"""

import dataclasses
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from avsep_plugin import pipeline
from avsep_plugin.config import CalibrationConfig
from avsep_plugin.errors import ConfigError
from avsep_plugin.models.fused import Aligner
from avsep_plugin.pipeline import held

from .calibration import Bin, brier, cross_fitted, fit, reliability
from .evaluation_table import write_text
from .metrics import Mean, clustered_mean
from .mixing import ClipShelf, part
from .mixtures import Voice, grid, newsreaders, spread

Kind = Literal["shift", "other"]
CORPORA: dict[str, Callable[[Path], list[Voice]]] = {"newsreaders": newsreaders, "grid": grid}
_SEED = 2018
_SHORTEST_SECONDS = 0.3


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
class AlignResults:
    """All verdicts of an evaluation."""

    verdicts: list[Verdict]

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
        """None where fewer than two people are heard."""
        windows = [
            (logit, own, f"{verdict.trial.corpus} {verdict.trial.speaker}")
            for verdict in self.verdicts
            for own, logits in ((True, verdict.own_logits), (False, verdict.other_logits))
            for logit in logits
        ]
        if len({speaker for _, _, speaker in windows}) < 2:
            return None
        logits, together, speakers = zip(*windows, strict=True)
        held_out = cross_fitted(logits, together, speakers)
        return Calibrated(fit(logits, together), reliability(held_out, together), brier(held_out, together))


def evaluate_align(
    data: Path,
    model: Aligner,
    output: Path,
    corpora: Sequence[str] = tuple(CORPORA),
    shift_seconds: float = 0.4,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AlignResults:
    """Evaluate on the clips kept for it and write `align.md` and `align.json` into `output`; the latter holds the calibration, too.

    data: folder with `newsreaders/` and `grid/`. limit: so many clips of each corpus. progress(done, total) after every trial.
    Raises ConfigError (unknown corpus, shift not positive), DataError (clip missing).
    """
    unknown = [name for name in corpora if name not in CORPORA]
    if unknown or shift_seconds <= 0:
        raise ConfigError(f"Unknown corpus '{unknown[0]}'; known: {', '.join(CORPORA)}." if unknown else "The shift must be positive.")
    rng = random.Random(_SEED)
    trials = [trial for name in corpora for trial in make_trials(name, CORPORA[name](data), shift_seconds, rng, limit)]
    shelf = ClipShelf(data)
    verdicts = []
    for done, trial in enumerate(trials, start=1):
        verdicts.append(judge(model, trial, shelf))
        if progress is not None:
            progress(done, len(trials))
    results = AlignResults(verdicts)
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "align.md", markdown(results, shift_seconds))
    write_text(output / "align.json", json.dumps(_as_dict(results), indent=1) + "\n")
    return results


def make_trials(
    corpus: str, voices: Sequence[Voice], shift_seconds: float, rng: random.Random, limit: int | None = None
) -> Iterator[Trial]:
    """Two shifted trials of every clip that is long enough, and one with another clip of the same person."""
    for voice in spread(voices, limit):
        length = round(voice.duration_seconds - shift_seconds, 4)
        if length >= _SHORTEST_SECONDS:
            first, second = Stretch(voice.name, 0.0), Stretch(voice.name, shift_seconds)
            yield Trial(corpus, "shift", voice.speaker, first, second, length)
            yield Trial(corpus, "shift", voice.speaker, second, first, length)
        same = [other for other in voices if other.speaker == voice.speaker and other.name != voice.name]
        if same:
            other = rng.choice(same)
            duration = min(voice.duration_seconds, other.duration_seconds)
            yield Trial(corpus, "other", voice.speaker, Stretch(voice.name, 0.0), Stretch(other.name, 0.0), duration)


def judge(model: Aligner, trial: Trial, shelf: ClipShelf) -> Verdict:
    """The aligner's two logits of a trial."""
    seen, duration = trial.picture, trial.duration_seconds
    frames = shelf.frames(seen.clip, seen.start_seconds, duration, model.config.picture)
    return Verdict(trial, *(_logits(model, stretch, duration, frames, shelf) for stretch in (seen, trial.other)))


def _logits(model: Aligner, stretch: Stretch, duration_seconds: float, frames: Tensor, shelf: ClipShelf) -> tuple[float, ...]:
    sound = shelf.sound(stretch.clip)
    heard = part(sound.samples, stretch.start_seconds, round(duration_seconds * sound.sample_rate_hz), sound.sample_rate_hz)
    return tuple(pipeline.align(model, [heard], sound.sample_rate_hz, held(frames)).logits.tolist())


def _as_dict(results: AlignResults) -> dict[str, object]:
    """The calibration (None where it cannot be fitted) and every verdict."""
    found = results.calibrated()
    verdicts = [dataclasses.asdict(verdict) for verdict in results.verdicts]
    return {"calibrated": None if found is None else dataclasses.asdict(found), "verdicts": verdicts}


def markdown(results: AlignResults, shift_seconds: float) -> str:
    """One table; chance stands beside every figure."""
    lines = [
        "Sounds called right at a logit of 0, and trials in which the own sound has the higher logit. In brackets: 95 % bootstrap",
        "interval over speakers. n counts trials, each with one own and one other sound.",
        "",
        "| clips | other sound | accuracy % | own above other % | chance % | n |",
        "|---|---|---|---|---|---|",
    ]
    titles: dict[Kind, str] = {"shift": f"same clip, {shift_seconds:g} s away", "other": "another clip of the same person"}
    for corpus in dict.fromkeys(verdict.trial.corpus for verdict in results.verdicts):
        for kind, title in titles.items():
            if results.of(corpus, kind):
                figures = results.accuracy(corpus, kind), results.preference(corpus, kind)
                cells = [f"{mean.value:.0f} [{mean.low:.0f}, {mean.high:.0f}]" for mean in figures]
                lines.append(f"| {corpus} | {title} | {' | '.join(cells)} | 50 | {figures[0].n} |")
    return "\n".join([*lines, *_reliability(results)]) + "\n"


def _reliability(results: AlignResults) -> list[str]:
    """The calibration and its curve."""
    found = results.calibrated()
    if found is None:
        return []
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
