"""How well an aligner tells sound that belongs to the picture from sound that does not, on people it has never seen.

Every trial shows a stretch of picture twice, once with its own sound and once with another, equally long one:

    shift    the sound of the same clip, some tenths of a second away. Each clip gives two trials, mirror images of each other,
             so that nothing is learnt from whether the sound is cut at the beginning or at the end:
                 picture [0, d)  own sound [0, d)  other sound [s, s + d)
                 picture [s, s + d)  own sound [s, s + d)  other sound [0, d)
    other    the sound of another clip of the same person
    far      the task of the paper, as far as the clips allow: as `shift`, but 2.0 to 5.8 s away, on up to 4.2 s; a longer clip gives as
             many such pairs as follow each other in it

Chance is 50 % in all. The aligner runs through `pipeline.align`, and its logit is the mean over the pipeline's windows.

From the logits of the windows comes the calibration that makes probabilities of them (`calibration`), for half of the sounds are
the picture's own.
"""

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from torch import Tensor

from avsep_plugin import pipeline
from avsep_plugin.errors import ConfigError
from avsep_plugin.models.fused import Aligner
from avsep_plugin.pipeline import held

from .align_table import AlignResults, Stretch, Trial, Verdict, as_dict, markdown
from .evaluation_table import write_text
from .mixing import ClipShelf, part
from .mixtures import Voice, grid, newsreaders, spread, talks

CORPORA: dict[str, Callable[[Path], list[Voice]]] = {"newsreaders": newsreaders, "grid": grid}
_SEED = 2018
_SHORTEST_SECONDS = 0.3
_FAR_SECONDS = (2.0, 5.8)
"""How far the paper moves its sounds (spec 1.4)."""
_LONGEST_SECONDS = 4.2
"""Of the paper's clips."""


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

    data: folder with `newsreaders/` and `grid/`, and with longer clips for the paper's task in `clips/`, if there are any. limit: so many
    clips of each corpus. progress(done, total) after every trial.
    Raises ConfigError (unknown corpus, shift not positive), DataError (clip missing).
    """
    unknown = [name for name in corpora if name not in CORPORA]
    if unknown or shift_seconds <= 0:
        raise ConfigError(f"Unknown corpus '{unknown[0]}'; known: {', '.join(CORPORA)}." if unknown else "The shift must be positive.")
    rng = random.Random(_SEED)
    voices = {name: CORPORA[name](data) for name in corpora}
    trials = [trial for name in corpora for trial in make_trials(name, voices[name], shift_seconds, rng, limit)]
    voices["talks"] = [voice for voice in talks(data) if voice.duration_seconds >= _LONGEST_SECONDS + _FAR_SECONDS[0]]
    rng = random.Random(_SEED)
    trials += [trial for name in voices for trial in far_trials(name, spread(voices[name], limit), rng)]
    shelf = ClipShelf(data)
    verdicts = []
    for done, trial in enumerate(trials, start=1):
        verdicts.append(judge(model, trial, shelf))
        if progress is not None:
            progress(done, len(trials))
    results = AlignResults(verdicts)
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "align.md", markdown(results, shift_seconds))
    write_text(output / "align.json", json.dumps(as_dict(results), indent=1) + "\n")
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


def far_trials(corpus: str, voices: Sequence[Voice], rng: random.Random) -> Iterator[Trial]:
    """The task of the paper: mirrored pairs of trials one after the other in each clip, as many as there is room for."""
    nearest, farthest = _FAR_SECONDS
    for voice in voices:
        lasts = voice.duration_seconds
        length = round(min(_LONGEST_SECONDS, lasts - nearest), 4)
        if length < _SHORTEST_SECONDS:
            continue
        for start in (round(number * length, 4) for number in itertools.count()):
            room = round(lasts - length - start, 4)
            if room < nearest:
                break
            first = Stretch(voice.name, start)
            second = Stretch(voice.name, round(start + rng.uniform(nearest, min(farthest, room)), 4))
            yield Trial(corpus, "far", voice.speaker, first, second, length)
            yield Trial(corpus, "far", voice.speaker, second, first, length)


def judge(model: Aligner, trial: Trial, shelf: ClipShelf) -> Verdict:
    """The aligner's two logits of a trial."""
    seen, duration = trial.picture, trial.duration_seconds
    frames = shelf.frames(seen.clip, seen.start_seconds, duration, model.config.picture)
    return Verdict(trial, *(_logits(model, stretch, duration, frames, shelf) for stretch in (seen, trial.other)))


def _logits(model: Aligner, stretch: Stretch, duration_seconds: float, frames: Tensor, shelf: ClipShelf) -> tuple[float, ...]:
    sound = shelf.sound(stretch.clip)
    heard = part(sound.samples, stretch.start_seconds, round(duration_seconds * sound.sample_rate_hz), sound.sample_rate_hz)
    return tuple(pipeline.align(model, [heard], sound.sample_rate_hz, held(frames)).logits.tolist())
