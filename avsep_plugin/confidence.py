"""Do sound and picture of a clip belong together at all? What the aligner says of every window, and which shots are left alone.

    sound, pictures --aligner--> logit of each window --calibration--> probability
                                        shot:  0.1  0.2  0.1       none reaches P: the whole shot is left untouched
                                        shot:  0.1  0.9  0.2       one does: all of it is separated, the quiet windows too

So a voice-over above pictures of something else stays, and a translator over a closed mouth goes where the mouth is seen to talk
elsewhere in the shot. Abstention is per shot and never per window.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import torch
from torch import Tensor

from avsep_plugin.clip import Evidence
from avsep_plugin.confidence_file import Confidence
from avsep_plugin.config import CalibrationConfig
from avsep_plugin.dsp.windows import Grid
from avsep_plugin.feed import Pictures, cut, inputs
from avsep_plugin.models.fused import Aligner
from avsep_plugin.pipeline import Progress, evidence_of, report

_DIGITS = 6


def evidence(
    model: Aligner,
    mixture: Iterable[Tensor],
    sample_rate_hz: int,
    pictures: Pictures,
    cuts_seconds: tuple[Fraction, ...] = (),
    progress: Progress | None = None,
) -> Iterator[Evidence]:
    """The aligner's logit of every window of a sound in pieces [C, n]; the arguments are those of `pipeline.separate`.

    Always in float32: a calibration holds for the numbers that it was fitted on. Raises TooShortError as `separate` does.
    """
    grid = Grid(model.config, sample_rate_hz, cuts_seconds)
    for window, sound in cut(mixture, grid, grid.window):
        frames, audio = inputs(model, grid, window, sound, pictures)
        with torch.inference_mode():
            logit = float(model(frames, audio).logits)
        yield evidence_of(window, grid, sound, logit)
        report(progress, window, grid, sound)


def untouched(found: Iterable[Evidence], calibration: CalibrationConfig, abstain_below: float, shots: int) -> frozenset[int]:
    """Numbers, out of 0 to shots - 1, of the shots of which no window reaches that probability; none where it is 0."""
    if not abstain_below:
        return frozenset()
    return frozenset(range(shots)) - {one.shot for one in found if calibration.probability(one.logit) >= abstain_below}


def rows(
    found: Iterable[Evidence], calibration: CalibrationConfig, left_alone: frozenset[int], start_seconds: Fraction
) -> list[Confidence]:
    """The windows as they are written; `start_seconds` is the time of the first sample on the file's clock."""
    return [
        Confidence(
            round(float(start_seconds + one.start_seconds), _DIGITS), round(float(start_seconds + one.end_seconds), _DIGITS), one.shot,
            round(one.logit, _DIGITS), round(calibration.probability(one.logit), _DIGITS), one.shot in left_alone,
        )
        for one in found
    ]  # fmt: skip
