"""A demonstration with exact truth: a rendered scene is separated by its own picture and by a wrong one, and localised.

The scene's people and voices are of the test split: no model of this project has been trained on them.

    scene.mov           what is on screen and what is off screen, together
    scene/              the stems, the clip with the on-screen sound, the overlay and the heat map
    wrong-picture.mov   the same sound under the picture of another scene
    wrong-picture/      its stems: what a model does that is told to look elsewhere
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from avsep_plugin.clip import Float32
from avsep_plugin.dsp.levels import si_sdr
from avsep_plugin.files import separate_file
from avsep_plugin.localisation import localize_file
from avsep_plugin.media.read import AudioReader
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.scenes import RenderedScene, demo_config, render, write_scene

RIGHT_SEED = 1
WRONG_SEED = 2


@dataclass(frozen=True)
class Demonstration:
    """SI-SDR of the on-screen sound against the truth, in dB, and the files that were written, by what they are."""

    mixture_db: float
    right_picture_db: float
    wrong_picture_db: float
    files: dict[str, Path]


def demonstrate(
    output: Path, separator: Separator, aligner: Aligner, say: Callable[[str], None], duration_seconds: Fraction = Fraction(10)
) -> Demonstration:
    """Render, separate twice and localise into the folder `output`; `say` is told what is being done."""
    output.mkdir(parents=True, exist_ok=True)
    say(f"rendering two scenes of {duration_seconds} seconds")
    scene, other = (render(demo_config(seed, duration_seconds)) for seed in (RIGHT_SEED, WRONG_SEED))
    right, wrong = output / "scene.mov", output / "wrong-picture.mov"
    write_scene(scene, right)
    write_scene(dataclasses.replace(scene, frames=other.frames), wrong)
    say("separating with the right picture")
    with_right = separate_file(right, output / right.stem, separator).outputs
    say("separating with the wrong picture")
    with_wrong = separate_file(wrong, output / wrong.stem, separator).outputs
    say("localising")
    maps = localize_file(right, output / right.stem, aligner).outputs
    files = {"scene": right, **with_right, **maps, "on-screen sound by the wrong picture": with_wrong["on"]}
    return Demonstration(_si_sdr(scene.mixture, scene), _heard(with_right["on"], scene), _heard(with_wrong["on"], scene), files)


def _heard(stem: Path, scene: RenderedScene) -> float:
    with AudioReader(stem) as reader:
        return _si_sdr(reader.read(scene.on.shape[1]), scene)


def _si_sdr(sound: Float32, scene: RenderedScene) -> float:
    """SI-SDR in dB of a sound [C, n] against the scene's on-screen sound, on the mono means."""
    estimate, truth = (torch.from_numpy(np.ascontiguousarray(stem.mean(axis=0))) for stem in (sound, scene.on))
    return float(si_sdr(estimate, truth))
