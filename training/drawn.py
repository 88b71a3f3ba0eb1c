"""Any folder of clips -> a list of mixtures, drawn with a seed: the same folder gives the same list, which is kept as `mixtures.tsv`.

    voices at L dB    the sound of a clip over that of a clip of somebody else
    noise at L dB     the sound of a clip over a noise: files of a folder, else rendered ones, kept beside the list

The sound of a clip is taken for the sound of its picture: what else is heard in it counts as on-screen. Everybody takes turns, clips are
used as evenly as can be, and the same pairs are mixed at every level L, the power of the clip's sound over that of the other one.
"""

import dataclasses
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from avsep_plugin.errors import AvsepError, DataError
from avsep_plugin.media.read import AudioReader
from avsep_plugin.media.write import SoundWriter
from avsep_plugin.scenes.noise import NOISE_KINDS, make_noise

from .faces import face_height, library_is_here
from .mixing import LONGEST_SECONDS
from .mixtures import LISTS, MixtureRow, fixed, read_list, write_list
from .takes import by_hash, media_below, usable_takes

LEVELS_DB = (-5.0, 0.0, 5.0)
PAIRS = 20
"""Of each kind, where nobody says."""
SEED = 2018
_MOST_SECONDS = 8.0
_LEAST_SECONDS = 0.6
_STEP_SECONDS = 0.04
_MOST_CLIPS = 400
"""More clips than that are not looked into."""
_QUIET_DB = -50.0
"""Of full scale: a sound that is softer cannot be mixed."""
_FROM_LOUDEST_DB = 10.0
_RENDERED_OF_EACH_KIND = 3
_RENDERED_SECONDS = 10
_RENDERED_HZ = 48_000


@dataclass(frozen=True)
class Draw:
    """What is drawn."""

    pairs: int = PAIRS
    levels_db: tuple[float, ...] = LEVELS_DB
    noise: Path | None = None
    recording_pattern: str = ""
    speaker_pattern: str = ""
    seed: int = SEED


@dataclass(frozen=True)
class Sound:
    """What can be drawn: a file, relative to the folder or absolute, who or what is heard, and its power in every step of 40 ms."""

    name: str
    recording: str
    speaker: str
    powers: npt.NDArray[np.float64]

    @property
    def seconds(self) -> float:
        """Length in whole steps."""
        return round(len(self.powers) * _STEP_SECONDS, 2)

    def loud_start(self, seconds: float, rng: random.Random) -> float:
        """A random start from which the sound lasts that long (0 if it never does) and is within 10 dB of its loudest such part."""
        steps = max(1, round(seconds / _STEP_SECONDS))
        sums = np.concatenate([[0.0], np.cumsum(self.powers)])
        starts = np.arange(max(1, len(self.powers) - steps + 1))
        power = sums[np.minimum(starts + steps, len(self.powers))] - sums[starts]
        return round(int(rng.choice(starts[power >= power.max() * 10 ** (-_FROM_LOUDEST_DB / 10)].tolist())) * _STEP_SECONDS, 2)


def mixtures(
    data: Path, output: Path, lists: Sequence[str], limit: int | None, wanted: Draw, progress: Callable[[int, int], None] | None = None
) -> list[MixtureRow]:
    """Those of the lists that are named; else of the fixed lists whose clips are in the folder; else drawn ones. Raises as `draw` does."""
    here = lists or [name for name in LISTS if (data / read_list(name)[0].target).is_file()]
    return fixed(here, limit) if here else draw(data, output, wanted, progress)


def draw(folder: Path, output: Path, wanted: Draw, progress: Callable[[int, int], None] | None = None) -> list[MixtureRow]:
    """The list of a folder, written to `output`/mixtures.tsv, with the height of every target's face where OpenCV is installed.

    progress(done, total) over the files and mixtures that are looked into. Raises DataError where there is too little to mix,
    ConfigError (pattern).
    """
    takes, skipped = usable_takes(folder, wanted.recording_pattern, wanted.speaker_pattern)
    takes = sorted(takes, key=lambda take: by_hash(take.name))[:_MOST_CLIPS]
    rng, total = random.Random(wanted.seed), len(takes) + 2 * wanted.pairs
    told = progress or (lambda _done, _total: None)
    voices: list[Sound] = []
    for number, take in enumerate(takes, start=1):
        voices += _sound(folder, take.name, take.recording, take.speaker)
        told(number, total)
    if len({voice.speaker for voice in voices}) < 2:
        raise DataError(
            f"{folder} has {len(voices)} clips that can be mixed, of {len({voice.speaker for voice in voices})} people, and "
            f"{len(skipped)} files that cannot be used; it takes two people. --speaker-pattern and --recording-pattern say who is who."
        )
    noises = rendered_noises(output / "noise") if wanted.noise is None else recorded_noises(wanted.noise)
    pairs = [("voices", *pair) for pair in _pairs(voices, voices, wanted.pairs, rng)]
    pairs += [("noise", *pair) for pair in _pairs(voices, noises, wanted.pairs, rng)]
    rows = []
    for number, (kind, target, other) in enumerate(pairs, start=1):
        rows.append(_row(folder, kind, target, other, voices, rng))
        told(len(takes) + number, total)
    told(total, total)
    listed = [
        dataclasses.replace(row, kind=f"{row.kind} at {level:g} dB", level_db=float(level)) for level in wanted.levels_db for row in rows
    ]
    listed.sort(key=lambda row: not row.kind.startswith("voices"))
    output.mkdir(parents=True, exist_ok=True)
    write_list(output / "mixtures.tsv", listed)
    return listed


def _sound(folder: Path, name: str, recording: str, speaker: str) -> list[Sound]:
    """What is in a file, if it can be mixed."""
    try:
        with AudioReader(folder / name) as audio:
            mono = audio.read(audio.sample_rate_hz * LONGEST_SECONDS).mean(axis=0, dtype=np.float64)
            step = audio.sample_rate_hz * _STEP_SECONDS
    except AvsepError:
        return []
    edges = np.round(np.arange(int(len(mono) / step) + 1) * step).astype(int)
    if len(edges) * _STEP_SECONDS < _LEAST_SECONDS:
        return []
    powers = np.add.reduceat(np.square(mono[: edges[-1]]), edges[:-1]) / step
    return [Sound(name, recording, speaker, powers)] if 10 * np.log10(powers.max() + 1e-12) > _QUIET_DB else []


def recorded_noises(folder: Path) -> list[Sound]:
    """The files of a folder, by their absolute paths, each a noise of its own. Raises DataError where none can be mixed."""
    names = sorted(media_below(folder), key=by_hash)[:_MOST_CLIPS]
    found = [one for name in names for one in _sound(folder, str((folder / name).resolve()), name, Path(name).stem)]
    if not found:
        raise DataError(f"{folder} has no sound that can be mixed in.")
    return found


def rendered_noises(folder: Path) -> list[Sound]:
    """Noises of the project's own, written as WAV; the same ones every time."""
    folder.mkdir(parents=True, exist_ok=True)
    rate, found = _RENDERED_HZ, []
    for kind, number in itertools.product(NOISE_KINDS, range(_RENDERED_OF_EACH_KIND)):
        path = folder.resolve() / f"{kind}-{number}.wav"
        with SoundWriter(path, rate, 1, "16") as file:
            file.write(make_noise(kind, _RENDERED_SECONDS * rate, rate, 2000 + number)[None])
        found += _sound(folder, str(path), path.stem, kind)
    return found


def _pairs(targets: Sequence[Sound], others: Sequence[Sound], count: int, rng: random.Random) -> list[tuple[Sound, Sound]]:
    """At most `count` pairs of different people and recordings; those who are heard take turns, and so do those who are heard over them."""
    used: Counter[str] = Counter()
    taken: set[tuple[str, str]] = set()
    pairs: list[tuple[Sound, Sound]] = []

    def least_used(choices: Iterable[Sound], role: str) -> Sound:
        chosen = min(choices, key=lambda one: (used[f"{role} {one.speaker}"], used[f"{role} {one.name}"], rng.random()))
        used.update((f"{role} {chosen.speaker}", f"{role} {chosen.name}"))
        return chosen

    while len(pairs) < count:
        free = [one for one in targets if any(_may_meet(one, other) and (one.name, other.name) not in taken for other in others)]
        if not free:
            break
        target = least_used(free, "target")
        other = least_used((one for one in others if _may_meet(target, one) and (target.name, one.name) not in taken), "other")
        taken.add((target.name, other.name))
        pairs.append((target, other))
    return pairs


def _may_meet(one: Sound, other: Sound) -> bool:
    return one.speaker != other.speaker and one.recording != other.recording


def _row(folder: Path, kind: str, target: Sound, other: Sound, voices: Sequence[Sound], rng: random.Random) -> MixtureRow:
    """A pair as a row of a list, without its level."""
    seconds = round(min(target.seconds, _MOST_SECONDS), 2)
    start, other_start = target.loud_start(seconds, rng), other.loud_start(seconds, rng)
    strangers = [voice for voice in voices if _may_meet(voice, target) and voice.speaker != other.speaker]
    third = rng.choice(strangers) if strangers else None
    face = face_height(folder / target.name, start, seconds) if library_is_here() else None
    return MixtureRow(
        kind, target.name, start, other.name, other_start, third.name if third else "", seconds, 0.0, target.speaker, other.speaker,
        third.speaker if third else "", round(face or 0.0, 3),
    )  # fmt: skip
