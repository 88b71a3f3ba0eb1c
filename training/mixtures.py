"""The fixed lists of evaluation mixtures: file names, offsets and levels only, kept as TSV in `training/lists/`.

They were made once by `python -m avsep_plugin.training.mixtures DATA training/lists` and are read from the package ever after:
two evaluations are comparable because they mix the same samples. Only people and noises that no model may train on are drawn:
the newsreaders' `val` people, GRID s30 s32 s33 s34, ESC-10 fold 5. Nobody is ever mixed with himself.
"""

import csv
import dataclasses
import importlib.resources
import itertools
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.errors import DataError
from avsep_plugin.media.read import AudioReader

T = TypeVar("T")
LISTS = ("newsreaders-0db", "grid-0db", "noise-0db", "noise-5db")
GRID_VAL_SPEAKERS = ("s30", "s32", "s33", "s34")
NOISE_VAL_FOLD = "5"
_SEED = 2018
_NEWSREADER_ROWS_PER_PAIR = 10  # 20 ordered pairs
_GRID_ROWS_PER_PAIR = 17  # 12 ordered pairs
_NOISE_ROWS_PER_CORPUS = 100
_STEP_SECONDS = 0.04
"""Offsets are multiples of this: one picture at 25 per second."""


@dataclass(frozen=True)
class MixtureRow:
    """One mixture. Names are relative to the data folder; the mixture is as long as `duration_seconds` of the target.

    `level_db` is the power of the target over that of the interferer, on the mono means over the mixture's length.
    `third` is a clip of somebody else of the target's corpus, whose picture has nothing to do with either sound.
    For noise, `interferer_speaker` is its class.
    """

    kind: str
    target: str
    target_start_seconds: float
    interferer: str
    interferer_start_seconds: float
    third: str
    duration_seconds: float
    level_db: float
    target_speaker: str
    interferer_speaker: str
    third_speaker: str
    """Empty, as `third` is, where there is nobody else."""
    face: float = 0.0
    """Height of the target's face in heights of the picture; 0: not known."""

    @property
    def pair(self) -> str:
        """The cluster of the bootstrap: who is heard against whom."""
        return f"{self.target_speaker}>{self.interferer_speaker}"

    @property
    def interferer_has_picture(self) -> bool:
        """Whether the interferer is a person on a picture, and not a noise."""
        return not self.kind.startswith("noise")


def read_list(name: str) -> list[MixtureRow]:
    """The rows of a list: one of `LISTS`, or the path of a TSV file of the same columns. Raises DataError."""
    packaged = importlib.resources.files("avsep_plugin.training") / "lists" / f"{name}.tsv"
    source = packaged if packaged.is_file() else Path(name)
    try:
        table = list(csv.DictReader(source.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
        fields = [f for f in dataclasses.fields(MixtureRow) if f.default is dataclasses.MISSING or not table or f.name in table[0]]
        kinds: dict[str, Callable[[str], str | float]] = {f.name: float if f.type is float else str for f in fields}
        return [MixtureRow(**{name: convert(line[name]) for name, convert in kinds.items()}) for line in table]  # type: ignore[arg-type]
    except (OSError, UnicodeDecodeError) as exc:
        raise DataError(f"There is no list of mixtures '{name}'; known: {', '.join(LISTS)}.") from exc
    except (KeyError, ValueError, TypeError) as exc:
        raise DataError(f"'{name}' is not a list of mixtures: {exc}.") from exc


def fixed(lists: Sequence[str] = LISTS, limit: int | None = None) -> list[MixtureRow]:
    """The rows of some lists, `limit` of each, spread over it evenly (all if None). Raises DataError."""
    return [row for name in lists for row in spread(read_list(name), limit)]


def write_list(path: Path, rows: Iterable[MixtureRow]) -> None:
    """Write rows as TSV with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(field.name for field in dataclasses.fields(MixtureRow))
        table.writerows(dataclasses.astuple(row) for row in rows)


def spread(items: Sequence[T], limit: int | None) -> list[T]:
    """At most `limit` items (all if None) at equal distances, so that a short run still meets every speaker."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i * len(items) // limit] for i in range(limit)]


@dataclass(frozen=True)
class Voice:
    """A clip to draw from: name relative to the data folder, who or what is heard, mono sound [n]."""

    name: str
    speaker: str
    mono: Float32
    sample_rate_hz: int

    @property
    def duration_seconds(self) -> float:
        """Length rounded down to 0.1 ms, so that it never asks for a sample more than there is."""
        samples: int = self.mono.shape[0]
        return samples * 10000 // self.sample_rate_hz / 10000

    def level_db(self, start_seconds: float, duration_seconds: float) -> float:
        """RMS in dB of full scale of a part, what lies past the end counted as silence."""
        start = round(start_seconds * self.sample_rate_hz)
        count = max(1, round(duration_seconds * self.sample_rate_hz))
        energy = float(np.square(self.mono[start : start + count], dtype=np.float64).sum()) / count
        return 10 * float(np.log10(energy + 1e-12))


def newsreaders(data: Path) -> list[Voice]:
    """The `val` clips of the newsreaders, speakers A to E."""
    speakers: dict[str, str] = json.loads((data / "newsreaders_split.json").read_text())["val_speakers"]
    return [_voice(data, f"newsreaders/{name}", speaker) for name, speaker in sorted(speakers.items())]


def grid(data: Path) -> list[Voice]:
    """The clips of GRID's speakers that are kept for evaluation."""
    names = sorted(path.name for path in (data / "grid").iterdir())
    return [_voice(data, f"grid/{name}", name.split("_")[0]) for name in names if name.split("_")[0] in GRID_VAL_SPEAKERS]


def talks(data: Path) -> list[Voice]:
    """Longer clips of one talker each, `clips/talk_*`, as far as there are any; everyone is a speaker of his own."""
    return [_voice(data, f"clips/{path.name}", path.stem) for path in sorted((data / "clips").glob("talk_*"))]


def noises(data: Path) -> list[Voice]:
    """The clips of ESC-10's fold 5; a class such as `Rain` stands for the speaker."""
    names = sorted(path.name for path in (data / "noise").iterdir())
    kept = [name for name in names if name.split("_")[1].startswith(NOISE_VAL_FOLD)]
    return [_voice(data, f"noise/{name}", name.split("_")[0].lstrip("0123456789")) for name in kept]


def _voice(data: Path, name: str, speaker: str) -> Voice:
    with AudioReader(data / name) as reader:
        samples = reader.read(reader.sample_rate_hz * 60)
        return Voice(name, speaker, samples.mean(axis=0, dtype=np.float32), reader.sample_rate_hz)


def voice_pairs(kind: str, voices: Sequence[Voice], rows_per_pair: int, rng: random.Random) -> list[MixtureRow]:
    """Two people of one corpus at 0 dB: equally many rows for every ordered pair of speakers, clips used as evenly as can be."""
    speakers = sorted({voice.speaker for voice in voices})
    rows = []
    for target_speaker, interferer_speaker in itertools.permutations(speakers, 2):
        candidates = [
            (target, other)
            for target, other in itertools.product(voices, repeat=2)
            if (target.speaker, other.speaker) == (target_speaker, interferer_speaker)
        ]
        rng.shuffle(candidates)
        used: Counter[str] = Counter()
        for _ in range(rows_per_pair):
            target, other = min(
                candidates,
                key=lambda pair: (used[pair[0].name], pair[1].duration_seconds < pair[0].duration_seconds, used[pair[1].name]),
            )
            candidates.remove((target, other))
            used.update((target.name, other.name))
            rows.append(_row(kind, target, other, _loud_offset(other, target.duration_seconds, rng), voices, 0.0, rng))
    return rows


def noise_rows(kind: str, voices: Sequence[Voice], noise: Sequence[Voice], count: int, rng: random.Random) -> list[MixtureRow]:
    """People of one corpus under noise at 0 dB: speakers and classes of noise in turn, clips used as evenly as can be."""
    used: Counter[str] = Counter()
    taken: set[tuple[str, str]] = set()

    def least_used(choices: Iterable[Voice]) -> Voice:
        chosen = min(choices, key=lambda voice: (used[voice.name], rng.random()))
        used[chosen.name] += 1
        return chosen

    speakers, classes = sorted({v.speaker for v in voices}), sorted({n.speaker for n in noise})
    pairs = list(itertools.product(speakers, classes))
    rng.shuffle(pairs)
    rows = []
    for speaker, label in itertools.islice(itertools.cycle(pairs), count):
        target = least_used(v for v in voices if v.speaker == speaker)
        other = least_used(n for n in noise if n.speaker == label and (target.name, n.name) not in taken)
        taken.add((target.name, other.name))
        rows.append(_row(kind, target, other, _loud_offset(other, target.duration_seconds, rng), voices, 0.0, rng))
    return rows


def _loud_offset(voice: Voice, duration_seconds: float, rng: random.Random) -> float:
    """A random start from which the clip lasts long enough (0 if it never does) and is within 10 dB of its loudest such part."""
    last = max(0, int((voice.duration_seconds - duration_seconds) / _STEP_SECONDS))
    starts = [round(step * _STEP_SECONDS, 2) for step in range(last + 1)]
    levels = [voice.level_db(start, duration_seconds) for start in starts]
    return rng.choice([start for start, level in zip(starts, levels, strict=True) if level >= max(levels) - 10])


def _row(
    kind: str, target: Voice, other: Voice, other_start_seconds: float, voices: Sequence[Voice], level_db: float, rng: random.Random
) -> MixtureRow:
    strangers = [voice for voice in voices if voice.speaker not in (target.speaker, other.speaker)]
    speaker = rng.choice(sorted({voice.speaker for voice in strangers}))
    long_enough = [v for v in strangers if v.speaker == speaker and v.duration_seconds >= target.duration_seconds]
    third = rng.choice(long_enough or [voice for voice in strangers if voice.speaker == speaker])
    return MixtureRow(
        kind, target.name, 0.0, other.name, other_start_seconds, third.name, target.duration_seconds, level_db,
        target.speaker, other.speaker, third.speaker,
    )  # fmt: skip


def make_lists(data: Path, seed: int = _SEED) -> dict[str, list[MixtureRow]]:
    """All lists from the data folder; the same data and seed give the same lists. The two noise lists differ in level only."""
    rng = random.Random(seed)
    people, sentences, noise = newsreaders(data), grid(data), noises(data)
    quiet = [
        *noise_rows("noise-0db", people, noise, _NOISE_ROWS_PER_CORPUS, rng),
        *noise_rows("noise-0db", sentences, noise, _NOISE_ROWS_PER_CORPUS, rng),
    ]
    return {
        "newsreaders-0db": voice_pairs("newsreaders-0db", people, _NEWSREADER_ROWS_PER_PAIR, rng),
        "grid-0db": voice_pairs("grid-0db", sentences, _GRID_ROWS_PER_PAIR, rng),
        "noise-0db": quiet,
        "noise-5db": [dataclasses.replace(row, kind="noise-5db", level_db=5.0) for row in quiet],
    }


if __name__ == "__main__":
    for list_name, list_rows in make_lists(Path(sys.argv[1])).items():
        write_list(Path(sys.argv[2]) / f"{list_name}.tsv", list_rows)
