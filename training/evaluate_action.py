"""How well actions are recognised, on clips that were prepared for it: 25 windows of each, their probabilities averaged (spec 12).

    own       the clip as it is
    silence   without its sound
    other     with the sound of a clip of another class

Own minus the others is what the sound is worth to the network. The windows lie at equal distances from the clip's beginning to its end, in
the middle of the stored picture; none reaches over the seam of two stored pieces.
"""

import dataclasses
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.media.read import centre_crop
from avsep_plugin.models.action import Recogniser

from .evaluation_table import write_text
from .metrics import Mean, clustered_mean
from .mixtures import spread
from .pools import check_store
from .shards import INT16_SCALE, Segment, Shards
from .splits import class_labels, class_of

ROWS = ("own", "silence", "other")
WINDOWS = 25
_TITLES = {"own": "own sound", "silence": "no sound", "other": "sound of another class"}
_SEED = 2018
_AT_ONCE = 5
_GROUP = re.compile(r"(.*_g\d+)_c\d+")

Take = list[Segment]
"""All stored pieces of a clip, in order."""


@dataclass(frozen=True)
class Recognition:
    """What was said of a clip."""

    row: str
    clip: str
    group: str
    """Clips of one group show the same people and place (UCF-101: the gXX of the file's name)."""
    action: str
    said: str
    probability: float
    """Of the right class."""


@dataclass(frozen=True)
class ActionResults:
    """All clips in all rows; `classes` is how many there are to choose from."""

    found: list[Recognition]
    classes: int

    def accuracy(self, row: str) -> Mean:
        """Per cent of clips named right, interval over groups."""
        found = [one for one in self.found if one.row == row]
        return clustered_mean([100.0 * (one.said == one.action) for one in found], [one.group for one in found])


def evaluate_action(
    shards: Path,
    model: Recogniser,
    output: Path,
    rows: Sequence[str] = ROWS,
    limit: int | None = None,
    windows: int = WINDOWS,
    progress: Callable[[int, int], None] | None = None,
) -> ActionResults:
    """Evaluate on the clips of a folder of shards and write `action.md` and `action.json` into `output`.

    limit: so many clips, spread evenly over all. progress(done, total) after every clip.
    Raises ConfigError (unknown row), DataError (no shards, prepared for another model, or a clip of none of the model's classes).
    """
    unknown = [row for row in rows if row not in ROWS]
    if unknown:
        raise ConfigError(f"Unknown row '{unknown[0]}'; known: {', '.join(ROWS)}.")
    home = Shards(shards)
    check_store(home, model.config)
    takes = spread(_takes(home, model), limit)
    rng, found = random.Random(_SEED), []
    for done, take in enumerate(takes, start=1):
        found += _judge(home, model, take, _another(rng, takes, take) if "other" in rows else take, rows, windows)
        if progress is not None:
            progress(done, len(takes))
    results = ActionResults(found, len(model.config.classes))
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "action.md", markdown(results, windows))
    write_text(output / "action.json", json.dumps(_as_dict(results), indent=1) + "\n")
    return results


def _takes(home: Shards, model: Recogniser) -> list[Take]:
    """The clips with a picture, each of a class that the model knows."""
    takes: dict[str, Take] = {}
    for segment in home.segments:
        if segment.frames is not None:
            takes.setdefault(segment.source, []).append(segment)
    if not takes:
        raise DataError(f"{home.folder} has no clips with a picture.")
    class_labels(takes, model.config.classes)
    return list(takes.values())


def _another(rng: random.Random, takes: Sequence[Take], take: Take) -> Take:
    """A clip of another class. Raises DataError where there is none."""
    others = [other for other in takes if class_of(other[0].source) != class_of(take[0].source)]
    if not others:
        raise DataError("The row 'other' needs clips of two classes.")
    return rng.choice(others)


@torch.inference_mode()
def _judge(home: Shards, model: Recogniser, take: Take, other: Take, rows: Sequence[str], windows: int) -> list[Recognition]:
    """What the mean probability over all windows says of a clip, in every row."""
    size = model.config.window.frames
    seen, heard = places(_lengths(take), size, windows), places(_lengths(other), size, windows)
    sums = {row: torch.zeros(len(model.config.classes)) for row in rows}
    for first in range(0, windows, _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        device = model.lb.weight.device
        video = model.fused.see(torch.stack([_frames(home, model, take[piece], at) for piece, at in seen[part]]).to(device))
        own = torch.stack([_sound(home, model, take[piece], at) for piece, at in seen[part]])
        for row in rows:
            sound = own if row == "own" else torch.zeros_like(own)
            if row == "other":
                sound = torch.stack([_sound(home, model, other[piece], at) for piece, at in heard[part]])
            sums[row] += functional.softmax(model.judge(video, sound.to(device)).float(), dim=1).sum(dim=0).cpu()
    return [_recognition(model, row, take[0].source, total / windows) for row, total in sums.items()]


def _recognition(model: Recogniser, row: str, source: str, probabilities: Tensor) -> Recognition:
    classes, action = model.config.classes, class_of(source)
    match = _GROUP.fullmatch(Path(source).stem)
    group = f"{action}/{match[1]}" if match else source
    best = int(probabilities.argmax())
    return Recognition(row, source, group, action, classes[best], float(probabilities[classes.index(action)]))


def _lengths(take: Take) -> list[int]:
    """Frames of every piece of a clip."""
    return [segment.frames.shape[0] for segment in take if segment.frames is not None]


def places(lengths: Sequence[int], size: int, count: int) -> list[tuple[int, int]]:
    """(piece, first frame in it) of `count` windows of `size` frames, evenly over pieces of these lengths.

    A window that would reach over a seam moves into the piece in which its middle lies; in a piece shorter than a window it begins with it.
    """
    total, found = sum(lengths), []
    for number in range(count):
        start = round(max(total - size, 0) * number / max(count - 1, 1))
        piece, begin = 0, 0
        while piece < len(lengths) - 1 and start + size // 2 >= begin + lengths[piece]:
            begin += lengths[piece]
            piece += 1
        found.append((piece, min(max(start - begin, 0), max(lengths[piece] - size, 0))))
    return found


def _frames(home: Shards, model: Recogniser, segment: Segment, start: int) -> Tensor:
    """Window of the middle of the picture [T, c, c, C] uint8; the last picture stays where the piece has ended."""
    stored = home.frames(segment)
    index = np.minimum(np.arange(start, start + model.config.window.frames), len(stored) - 1)
    return torch.from_numpy(np.ascontiguousarray(centre_crop(stored[index], model.config.picture)))


def _sound(home: Shards, model: Recogniser, segment: Segment, start: int) -> Tensor:
    """The sound [2, N] float32 of that window; silence where the piece has ended."""
    first, count = model.config.window_samples(start), model.config.window_samples(model.config.window.frames)
    found = torch.from_numpy(home.audio(segment)[:, first : first + count].astype(np.float32) / INT16_SCALE)
    return functional.pad(found, (0, count - found.shape[1]))


def _as_dict(results: ActionResults) -> dict[str, object]:
    """Accuracies, and what was said of every clip."""
    rows = dict.fromkeys(one.row for one in results.found)
    accuracy = {row: dataclasses.asdict(results.accuracy(row)) for row in rows}
    return {"classes": results.classes, "accuracy": accuracy, "clips": [dataclasses.asdict(one) for one in results.found]}


def markdown(results: ActionResults, windows: int) -> str:
    """One table; chance stands beside every figure."""
    lines = [
        f"Clips whose action was named right by the mean probability over {windows} windows. In brackets: 95 % bootstrap interval over",
        "groups of clips of the same people.",
        "",
        "| | accuracy % | chance % | n |",
        "|---|---|---|---|",
    ]
    for row in dict.fromkeys(one.row for one in results.found):
        mean = results.accuracy(row)
        lines.append(f"| {_TITLES[row]} | {mean.value:.1f} [{mean.low:.1f}, {mean.high:.1f}] | {100 / results.classes:.1f} | {mean.n} |")
    return "\n".join(lines) + "\n"
