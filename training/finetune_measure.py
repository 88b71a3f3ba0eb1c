"""A separator on the fixed mixtures of the test, with the right and a wrong picture, through the same `pipeline.separate` as everything.

What is measured is appended to `measured.jsonl` as it comes, under the weights that it was measured with; a stopped run goes on from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avsep_plugin.models.separator import Separator

from .evaluate import fingerprint, oracle_mask, run
from .finetune_mixtures import HeldOut, Shelf
from .kept import Kept, key_of
from .metrics import si_sdr

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
    weights, figures = fingerprint(model), []
    with Kept(journal, lambda estimates: [Estimate(**fields) for fields in estimates]) as kept:
        for number, mixture in enumerate(mixtures, start=1):
            key = key_of(weights, mixture)
            if key not in kept:
                kept.add(key, _estimates(model, mixture, shelf))
            figures.append(Figures(mixture, *kept[key]))
            if progress:
                progress(number, len(mixtures))
    return figures


def _estimates(model: Separator, mixture: HeldOut, shelf: Shelf) -> list[Estimate]:
    """Floor, ceiling, own and wrong picture."""
    sounds = shelf.sounds(mixture)
    found = [sounds.sound.mean(dim=0), oracle_mask(sounds, model.config)]
    found += [run(model, sounds, shelf.pictures(key, mixture.frames)) for key in (mixture.target, mixture.wrong)]
    target, other = sounds.target.mean(dim=0), sounds.interferer.mean(dim=0)
    return [Estimate(round(si_sdr(one, target), 4), round(si_sdr(one, other), 4)) for one in found]
