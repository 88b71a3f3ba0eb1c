"""What is found out about a clip before it is separated: where its shots are, and which of them are better left alone.

picture --find_cuts--> shots --aligner (where it is needed)--> confidence --abstain_below--> shots that are left untouched
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from torch import Tensor

from avsep_plugin.confidence import evidence, rows, untouched
from avsep_plugin.confidence_file import Confidence
from avsep_plugin.dsp.shots import ONE_SHOT, Shots
from avsep_plugin.footage import Footage
from avsep_plugin.media.shots import find_cuts
from avsep_plugin.models.fused import Aligner
from avsep_plugin.pipeline import Progress


@dataclass(frozen=True)
class Survey:
    """The shots of a clip and, where an aligner was asked, its windows."""

    shots: Shots = ONE_SHOT
    windows: list[Confidence] = field(default_factory=list)

    def notes(self, abstain_below: float) -> list[str]:
        """What the user has to be told: where the clip was left as it is."""
        heard, left = {window.shot for window in self.windows}, {window.shot for window in self.windows if window.abstained}
        if not left:
            return []
        where = "The clip is" if len(heard) == 1 else f"{len(left)} of {len(heard)} shots are"
        return [f"{where} left untouched: nothing there reaches the probability {abstain_below:g} that sound and picture belong together."]


class Passes:
    """Progress of several passes over a clip, each of which counts for an equal share of every second."""

    def __init__(self, progress: Progress | None, count: int, duration_seconds: Fraction | None) -> None:
        self._progress, self._count, self._begun = progress, count, 0
        self._length = None if duration_seconds is None else float(duration_seconds)

    def begin(self) -> Progress:
        """Progress of the next pass; where the clip's length is unknown, passes before the last one are silent."""
        before, self._begun = self._begun, self._begun + 1
        last = self._begun == self._count

        def told(seconds: float) -> None:
            if self._progress is None:
                return
            if self._length is not None:
                within = seconds if last else min(max(seconds, 0.0), self._length)
                self._progress((before * self._length + within) / self._count)
            elif last:
                self._progress(seconds)

        return told


def survey(
    footage: Footage,
    shots: bool,
    aligner: Aligner | None,
    abstain_below: float,
    passes: Passes,
    start_seconds: Fraction | None = None,
    end_seconds: Fraction | None = None,
    blocks: Callable[[Footage], Iterable[Tensor]] = Footage.blocks,
) -> Survey:
    """Look through a clip: for its cuts, if `shots`, and with the aligner, if there is one. Each is a pass of its own.

    footage: the open clip; it is not read, the same file is opened again. start_seconds, end_seconds, blocks: where on the file's clock
    the sound begins and ends that is separated, and how it is read from a fresh Footage; by default all of it. Memory grows with the
    number of cuts and windows only.
    """
    start_seconds = footage.start_seconds if start_seconds is None else start_seconds
    found = Shots(_cuts(footage, start_seconds, end_seconds, passes.begin())) if shots else ONE_SHOT
    if aligner is None:
        return Survey(found)
    with footage.again(aligner.config.picture) as again:
        sound = (blocks(again), again.sample_rate_hz, again.pictures)
        windows = list(evidence(aligner, *sound, found.cuts_seconds, passes.begin()))
    calibration = aligner.config.calibration
    left_alone = untouched(windows, calibration, abstain_below, len(found.cuts_seconds) + 1)
    return Survey(replace(found, untouched=left_alone), rows(windows, calibration, left_alone, start_seconds))


def _cuts(footage: Footage, start_seconds: Fraction, end_seconds: Fraction | None, progress: Progress) -> tuple[Fraction, ...]:
    cuts = find_cuts(
        footage.path, footage.region, end_seconds, progress=lambda time: progress(float(time - start_seconds)),
        tolerate_damage=footage.tolerate_damage,
    )  # fmt: skip
    return cuts.merged(start_seconds)
