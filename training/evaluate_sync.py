"""How well offsets between sound and picture are found, on clips in which they are known because they were put there.

A clip is cut so that its sound is d seconds late (early for d < 0), with nothing made up; what remains is |d| shorter:

    picture of the clip   |...d...|===================|            pictures [d, L), sound [0, L - d)
    its sound             |===================|...d...|

Beside these stand trials with the sound of another clip of the same person, or of another scene: there is no offset to be found in them,
and every one that is given is a false alarm. Two rows need no model: always 0, and a guess anywhere in the range that is searched.

The measurement is that of `avsep sync` (`sync_pieces.find_curve`), which may say nothing; the error of those that it would rather not give
counts as well in the row "every clip".
"""

import dataclasses
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from avsep_plugin.config import CalibrationConfig
from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.models.fused import Aligner
from avsep_plugin.pipeline import held
from avsep_plugin.scenes import render
from avsep_plugin.scenes.export import write_scene
from avsep_plugin.sync_curve import ABSTAIN_BELOW, SyncCurve, height, read_off
from avsep_plugin.sync_pieces import Search, find_curve

from .calibration import fit
from .evaluation_table import write_text
from .localize_scenes import talker
from .mixing import ClipShelf, part
from .mixtures import grid, newsreaders, spread

CORPORA = ("newsreaders", "grid", "scenes")
_REACH_SECONDS = {"newsreaders": Fraction(3, 10), "grid": Fraction(1), "scenes": Fraction(1)}
"""The largest offset that is put in."""
_SEARCHED_SECONDS = {"newsreaders": Fraction(1, 2), "grid": Fraction(1), "scenes": Fraction(1)}
_SCENES = 40
_SEED = 2018
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


def evaluate_sync(
    data: Path | None,
    model: Aligner,
    output: Path,
    corpora: Sequence[str] = CORPORA,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SyncResults:
    """Measure offsets that were put in; write `sync.md` and `sync.json` into `output`.

    data: folder with `newsreaders/` and `grid/`; None: rendered scenes only. limit: so many clips of each corpus. progress(done, total)
    after every trial. Raises ConfigError (unknown corpus), DataError (no data, clip missing).
    """
    unknown = [name for name in corpora if name not in CORPORA]
    if unknown:
        raise ConfigError(f"Unknown corpus '{unknown[0]}'; known: {', '.join(CORPORA)}.")
    with tempfile.TemporaryDirectory() as folder:
        scenes = Path(folder)
        clips = {name: _clips(name, data, scenes, limit) for name in corpora}
        trials = [trial for name in corpora for trial in make_trials(name, clips[name], random.Random(_SEED))]
        shelves = {name: ClipShelf(scenes if name == "scenes" else data or scenes) for name in corpora}
        guesses = random.Random(_SEED + 1)
        found = []
        for done, trial in enumerate(trials, start=1):
            reach = float(_SEARCHED_SECONDS[trial.corpus])
            found.append(measure(model, trial, shelves[trial.corpus], guesses.uniform(-reach, reach)))
            if progress is not None:
                progress(done, len(trials))
    results = SyncResults(found)
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "sync.md", markdown(results))
    write_text(output / "sync.json", json.dumps(_as_dict(results), indent=1) + "\n")
    return results


@dataclass(frozen=True)
class Clip:
    """Something to put offsets into."""

    name: str
    speaker: str
    duration_seconds: float


def make_trials(corpus: str, clips: Sequence[Clip], rng: random.Random) -> Iterator[Trial]:
    """Of every clip one late and one early trial, and one with the sound of another clip of the same person (scenes: of any)."""
    reach = float(_REACH_SECONDS[corpus])
    for clip in clips:
        for sign in (1, -1):
            offset = round(sign * rng.uniform(0, reach), 4)
            yield Trial(corpus, clip.speaker, clip.name, clip.name, offset, clip.duration_seconds)
        others = [other for other in clips if other.name != clip.name and (corpus == "scenes" or other.speaker == clip.speaker)]
        if others:
            other = rng.choice(others)
            length = min(clip.duration_seconds, other.duration_seconds)
            yield Trial(corpus, clip.speaker, clip.name, other.name, round(rng.uniform(-reach, reach), 4), length)


def measure(model: Aligner, trial: Trial, shelf: ClipShelf, guess_seconds: float = 0.0) -> Found:
    """Put the offset in, to the sample, and measure it as `avsep sync` does."""
    sound = shelf.sound(trial.sound)
    length = trial.duration_seconds - abs(trial.offset_seconds)
    heard = part(sound.samples, max(0.0, -trial.offset_seconds), round(length * sound.sample_rate_hz), sound.sample_rate_hz)
    frames = shelf.frames(trial.clip, max(0.0, trial.offset_seconds), length, model.config.picture)
    lasts = Fraction(heard.shape[1], sound.sample_rate_hz)
    found = find_curve(
        model, [heard], sound.sample_rate_hz, held(frames), (Fraction(0), lasts), lasts, Search(_SEARCHED_SECONDS[trial.corpus])
    )  # fmt: skip
    verdict = read_off(found, model.config.calibration)
    peak = height(found, model.config.calibration) if found.scores else 0.0
    return Found(trial, verdict.offset_seconds, verdict.confidence, peak, guess_seconds, found)


def _clips(corpus: str, data: Path | None, scenes: Path, limit: int | None) -> list[Clip]:
    """What is measured of a corpus: the people whom no model may learn from; scenes are rendered here."""
    if corpus == "scenes":
        return [_scene(scenes, seed) for seed in range(min(limit or _SCENES, _SCENES))]
    if data is None:
        raise DataError(f"The corpus '{corpus}' needs a folder with data.")
    voices = (newsreaders if corpus == "newsreaders" else grid)(data)
    return [Clip(voice.name, voice.speaker, voice.duration_seconds) for voice in spread(voices, limit)]


def _scene(folder: Path, seed: int) -> Clip:
    config = talker(seed)
    write_scene(render(config), folder / f"{seed}.mp4")
    return Clip(f"{seed}.mp4", str(seed), float(config.duration_seconds))


def _row(name: str, errors: Sequence[float]) -> Row:
    milliseconds = 1000 * np.asarray(errors)
    within = tuple(float(100 * np.mean(milliseconds <= limit)) for limit in _LIMITS_MS)
    return Row(
        name, len(errors), float(np.median(milliseconds)), float(milliseconds.mean()), float(np.quantile(milliseconds, 0.9)), within
    )  # fmt: skip


def _as_dict(results: SyncResults) -> dict[str, object]:
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
            lines.append(f"| {corpus} | up to {float(_REACH_SECONDS[corpus]):g} s | {row.name} | {figures} |")
    lines += ["", "| clips | no offset given, own sound | no offset given, another clip's sound | false alarms |", "|---|---|---|---|"]
    for corpus in corpora:
        own, other = results.abstained(corpus), results.abstained(corpus, own=False)
        alarms = ["-", "-"] if other is None else [f"{other:.0f} %", f"{100 - other:.0f} %"]
        lines.append(f"| {corpus} | {own:.0f} % | {' | '.join(alarms)} |")
    found = results.confidence()
    if found is not None:
        lines += ["", f"Confidence fitted here: sigmoid({found.slope:.4g} * height {found.offset:+.4g})."]
    return "\n".join(lines) + "\n"
