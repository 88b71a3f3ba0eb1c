"""How well offsets between sound and picture are found, on clips in which they are known because they were put there.

A clip is cut so that its sound is d seconds late (early for d < 0), with nothing made up; what remains is |d| shorter:

    picture of the clip   |...d...|===================|            pictures [d, L), sound [0, L - d)
    its sound             |===================|...d...|

Beside these stand trials with the sound of another clip of the same person, or of another scene: there is no offset to be found in them,
and every one that is given is a false alarm. Two rows need no model: always 0, and a guess anywhere in the range that is searched.

The measurement is that of `avsep sync` (`sync_pieces.find_curve`), which may say nothing; the error of those that it would rather not give
counts as well in the row "every clip". What is given goes by a confidence in whose fit the person has no part (`sync_trials`).

What was measured is appended to `sync.jsonl` in the output folder as it comes; a run that was stopped goes on from there.
"""

import json
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.models.fused import Aligner
from avsep_plugin.pipeline import held
from avsep_plugin.scenes import TalkingFace, render
from avsep_plugin.scenes.export import write_scene
from avsep_plugin.sync_curve import height, read_off
from avsep_plugin.sync_pieces import Search, find_curve

from .evaluate import fingerprint
from .evaluation_table import write_text
from .kept import Kept, key_of
from .localize_scenes import talker
from .mixing import ClipShelf, part
from .mixtures import grid, newsreaders, spread
from .sync_table import SyncResults, as_dict, markdown
from .sync_trials import CORPORA, REACH_SECONDS, Found, Trial, found_from

_SEARCHED_SECONDS = {"newsreaders": Fraction(1, 2), "grid": Fraction(1), "scenes": Fraction(1)}
_SCENES = 40
_SEED = 2018


def evaluate_sync(
    data: Path | None,
    model: Aligner,
    output: Path,
    corpora: Sequence[str] = CORPORA,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SyncResults:
    """Measure offsets that were put in; write `sync.md`, `sync.json` and `sync.jsonl` into `output`.

    data: folder with `newsreaders/` and `grid/`; None: rendered scenes only. limit: so many clips of each corpus. progress(done, total)
    after every trial, those of an earlier run with the same weights included. Raises ConfigError (unknown corpus), DataError (no data, clip
    missing).
    """
    unknown = [name for name in corpora if name not in CORPORA]
    if unknown:
        raise ConfigError(f"Unknown corpus '{unknown[0]}'; known: {', '.join(CORPORA)}.")
    clips = {name: _clips(name, data, limit) for name in corpora}
    trials = [trial for name in corpora for trial in make_trials(name, clips[name], random.Random(_SEED))]
    output.mkdir(parents=True, exist_ok=True)
    guesses, weights = random.Random(_SEED + 1), fingerprint(model)
    found = []
    with tempfile.TemporaryDirectory() as scenes, Kept(output / "sync.jsonl", found_from) as kept:
        shelves = {name: ClipShelf(Path(scenes) if name == "scenes" else data or Path(scenes)) for name in corpora}
        for done, trial in enumerate(trials, start=1):
            reach = float(_SEARCHED_SECONDS[trial.corpus])
            guess = guesses.uniform(-reach, reach)
            key = key_of(weights, trial)
            if key not in kept:
                if trial.corpus == "scenes":
                    _render(Path(scenes), {trial.clip, trial.sound})
                kept.add(key, measure(model, trial, shelves[trial.corpus], guess))
            found.append(replace(kept[key], guess_seconds=guess))
            if progress is not None:
                progress(done, len(trials))
    results = SyncResults(found)
    write_text(output / "sync.md", markdown(results))
    write_text(output / "sync.json", json.dumps(as_dict(results), indent=1) + "\n")
    return results


@dataclass(frozen=True)
class Clip:
    """Something to put offsets into."""

    name: str
    speaker: str
    duration_seconds: float


def make_trials(corpus: str, clips: Sequence[Clip], rng: random.Random) -> Iterator[Trial]:
    """Of every clip one late and one early trial, and one with the sound of another clip of the same person (scenes: of any)."""
    reach = float(REACH_SECONDS[corpus])
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


def _clips(corpus: str, data: Path | None, limit: int | None) -> list[Clip]:
    """What is measured of a corpus: the people whom no model may learn from. Scenes are rendered when they are needed."""
    if corpus == "scenes":
        return [_scene(seed) for seed in range(min(limit or _SCENES, _SCENES))]
    if data is None:
        raise DataError(f"The corpus '{corpus}' needs a folder with data.")
    voices = (newsreaders if corpus == "newsreaders" else grid)(data)
    return [Clip(voice.name, voice.speaker, voice.duration_seconds) for voice in spread(voices, limit)]


def _scene(seed: int) -> Clip:
    config = talker(seed)
    assert isinstance(config.on_screen[0], TalkingFace), "a talker has a face"
    return Clip(f"{seed}.mp4", str(config.on_screen[0].identity), float(config.duration_seconds))


def _render(folder: Path, names: Iterable[str]) -> None:
    """The scenes of those names, as far as they are not there yet."""
    for path in (folder / name for name in names):
        if not path.exists():
            write_scene(render(talker(int(path.stem))), path)
