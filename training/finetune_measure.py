"""A separator on the fixed mixtures of the test, with the right and a wrong picture, through the same `pipeline.separate` as everything.

What is measured is appended to `measured.jsonl` as it comes, under the weights that it was measured with; a stopped run goes on from there.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from torch import Tensor

from avsep_plugin.feed import held
from avsep_plugin.models.separator import Separator
from avsep_plugin.pipeline import separate

from .evaluate import fingerprint, oracle_mask
from .finetune_mixtures import HeldOut, Shelf
from .metrics import si_sdr
from .mixing import Mixture

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Estimate:
    """SI-SDR in dB of an estimate against the target, and against the other sound."""

    target_db: float
    other_db: float


@dataclass(frozen=True)
class Figures:
    """One mixture: nothing done, an ideal ratio mask, and the separator with either picture."""

    mixture: HeldOut
    floor: Estimate
    ceiling: Estimate
    own: Estimate
    wrong: Estimate

    @property
    def gap_db(self) -> float:
        """What the right picture is worth."""
        return self.own.target_db - self.wrong.target_db


def measure(model: Separator, mixtures: Sequence[HeldOut], shelf: Shelf, journal: Path, progress: Progress | None = None) -> list[Figures]:
    """Figures of every mixture, in order. progress(done, total) after each."""
    known, weights = dict(_known(journal)), fingerprint(model)
    figures = []
    with journal.open("a") as file:
        for number, mixture in enumerate(mixtures, start=1):
            key = hashlib.sha256(json.dumps([weights, astuple(mixture)]).encode()).hexdigest()[:16]
            if key not in known:
                known[key] = _estimates(model, mixture, shelf)
                file.write(json.dumps([key, [astuple(estimate) for estimate in known[key]]]) + "\n")
                file.flush()
            figures.append(Figures(mixture, *known[key]))
            if progress:
                progress(number, len(mixtures))
    return figures


def _estimates(model: Separator, mixture: HeldOut, shelf: Shelf) -> list[Estimate]:
    """Floor, ceiling, own and wrong picture."""
    sounds = shelf.sounds(mixture)
    both = Mixture(sounds.target, sounds.other, shelf.sample_rate_hz)
    found = [both.sound.mean(dim=0), oracle_mask(both, model.config)]
    for key in (mixture.target, mixture.wrong):
        found.append(separated(model, both, shelf.pictures(key, mixture.frames)))
    target, other = sounds.target.mean(dim=0), sounds.other.mean(dim=0)
    return [Estimate(round(si_sdr(one, target), 4), round(si_sdr(one, other), 4)) for one in found]


def separated(model: Separator, mixture: Mixture, frames: Tensor) -> Tensor:
    """The mono mean [n] of the on-screen sound with pictures [N, c, c, C] uint8."""
    blocks = separate(model, [mixture.sound], mixture.sample_rate_hz, held(frames))
    return torch.cat([block.on for block in blocks], dim=1).mean(dim=0)


def _known(journal: Path) -> Iterator[tuple[str, list[Estimate]]]:
    """What was measured before; a last line that a crash left unfinished is cut off."""
    if journal.is_file():
        whole = journal.read_bytes()
        whole = whole[: whole.rfind(b"\n") + 1]
        journal.write_bytes(whole)
        for line in whole.splitlines():
            key, estimates = json.loads(line)
            yield key, [Estimate(*values) for values in estimates]
