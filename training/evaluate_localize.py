"""Does the heat map point at what sounds? Measured on rendered scenes, whose boxes are exact, with people no training has seen.

The map of every scene is made through a file, as a user would, and stands beside maps of the same pictures with a wrong sound (that of
another scene of the kind) and with silence, beside maps that never listened (`localize_floors`) and the best that its cells allow.
"""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from avsep_plugin import pipeline
from avsep_plugin.belief import steadied
from avsep_plugin.clip import Float32, HeatMap
from avsep_plugin.errors import ConfigError
from avsep_plugin.feed import Pictures, held
from avsep_plugin.footage import Footage
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import picture_area
from avsep_plugin.models.fused import Aligner
from avsep_plugin.scenes import RenderedScene, SceneConfig, render
from avsep_plugin.scenes.export import write_scene
from avsep_plugin.scenes.stage import Stage

from . import localize_floors as floors
from .evaluation_table import write_text
from .localize_scenes import SCENES, sounding_boxes
from .localize_score import SceneScore, SoundingBox, score
from .metrics import Mean, clustered_mean

ROWS = {
    "own": "ours, own sound",
    "swapped": "ours, another scene's sound",
    "silence": "ours, silence",
    "centre": "centre Gaussian",
    "whole": "whole image",
    "motion": "motion energy",
    "oracle": "oracle on the same cells",
}
FIGURES = {
    "pointing": "pointing",
    "success_half": "cIoU@0.5 half",
    "auc_half": "AUC half",
    "success_top": "cIoU@0.5 top",
    "auc_top": "AUC top",
    "evidence": "evidence",
}


@dataclass(frozen=True)
class LocalizeResults:
    """Every scene in which something sounded in sight, once for each row."""

    scenes: list[SceneScore]

    def of(self, kind: str, row: str) -> list[SceneScore]:
        """The scenes of one kind and row."""
        return [scene for scene in self.scenes if (scene.kind, scene.row) == (kind, row)]

    def mean(self, kind: str, row: str, figure: str) -> Mean:
        """Mean of one of `FIGURES` in per cent, every scene counting alike; interval over scenes."""
        found = self.of(kind, row)
        return clustered_mean([100 * getattr(scene, figure) for scene in found], [str(scene.scene) for scene in found])


def evaluate_localize(
    model: Aligner,
    output: Path,
    kinds: Sequence[str] = tuple(SCENES),
    scenes: int = 50,
    progress: Callable[[int, int], None] | None = None,
) -> LocalizeResults:
    """Render scenes, localise each, write `localize.md` and `localize.json` into `output`.

    kinds: some of `localize_scenes.SCENES`. scenes: of each kind, with the seeds 0 to scenes - 1 of the test split.
    progress(done, total) after every scene. Raises ConfigError for an unknown kind.
    """
    unknown = [kind for kind in kinds if kind not in SCENES]
    if unknown or scenes < 1:
        raise ConfigError(f"Unknown kind of scene '{unknown[0]}'; known: {', '.join(SCENES)}." if unknown else "Need at least one scene.")
    found: list[SceneScore] = []
    tasks = [(kind, seed) for kind in kinds for seed in range(scenes)]
    for done, (kind, seed) in enumerate(tasks, start=1):
        found += localize_scene(model, kind, SCENES[kind](seed), SCENES[kind](seed + scenes))
        if progress is not None:
            progress(done, len(tasks))
    results = LocalizeResults(found)
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "localize.md", markdown(results))
    write_text(output / "localize.json", json.dumps([dataclasses.asdict(scene) for scene in found], indent=1) + "\n")
    return results


def localize_scene(model: Aligner, kind: str, config: SceneConfig, other: SceneConfig) -> Iterator[SceneScore]:
    """All rows of one scene; other: the scene whose sound stands in for a wrong one."""
    scene = render(config)
    boxes = sounding_boxes(config, scene)
    for row, heat_map in maps(model, scene, Stage(other).truth.mixture, boxes).items():
        judged = score(kind, config.seed, row, heat_map, boxes)
        if judged is not None:
            yield judged


def maps(model: Aligner, scene: RenderedScene, wrong: Float32, boxes: Sequence[SoundingBox]) -> dict[str, HeatMap]:
    """The maps of all rows. wrong: [C, n] float32, a sound that does not belong to the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.mp4"
        write_scene(scene, path)
        with Footage(path, model.config.picture, cell_pixels=model.config.whole_cell_pixels) as footage:
            sound = torch.cat(list(footage.blocks()), dim=1).numpy()
            rate = footage.sample_rate_hz
            pictures = held(footage.pictures(0, len(scene.frames)))
        video = probe(path).video
    assert video is not None, "Footage has opened its picture"
    area = (0.0, 0.0, 1.0, 1.0) if model.config.whole_cell_pixels else picture_area(video, model.config.picture)
    sounds = {"own": sound, "swapped": _as_long(wrong, sound), "silence": np.zeros_like(sound)}
    found = {row: dataclasses.replace(_map(model, heard, rate, pictures), area=area) for row, heard in sounds.items()}
    own = found["own"]
    return {
        **found,
        "centre": floors.centre_gaussian(own),
        "whole": floors.whole_image(own),
        "motion": floors.motion_energy(own, scene.frames, float(scene.frame_rate)),
        "oracle": floors.oracle(own, boxes),
    }


def _map(model: Aligner, sound: Float32, sample_rate_hz: int, pictures: Pictures) -> HeatMap:
    whole = model.config.whole_cell_pixels is not None
    return steadied(pipeline.align(model, [torch.from_numpy(sound)], sample_rate_hz, pictures, whole=whole).heat_map)


def _as_long(sound: Float32, like: Float32) -> Float32:
    length = like.shape[1]
    fitted: Float32 = np.pad(sound[: like.shape[0], :length], ((0, 0), (0, max(0, length - sound.shape[1]))))
    return fitted


def markdown(results: LocalizeResults) -> str:
    """One table for each kind of scene, a row for each map."""
    lines = [
        "Per cent of the time in which something in the picture sounds; in brackets: 95 % bootstrap interval over scenes. Pointing: the",
        "highest place of the map lies in the box of what sounds. cIoU@0.5 and AUC: of the binarised map, which is what lies above half",
        "of its highest value (half), or the upper half of all pixels (top). Evidence: anything in the map is positive.",
    ]
    for kind in dict.fromkeys(scene.kind for scene in results.scenes):
        lines += [
            "",
            f"#### {kind} (n = {len(results.of(kind, 'own'))})",
            "",
            f"| | {' | '.join(FIGURES.values())} |",
            "|---" * (len(FIGURES) + 1) + "|",
        ]
        for row, title in ROWS.items():
            means = [results.mean(kind, row, figure) for figure in FIGURES]
            cells = [f"{mean.value:.0f} [{mean.low:.0f}, {mean.high:.0f}]" for mean in means[:1]] + [
                f"{mean.value:.0f}" for mean in means[1:]
            ]
            lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
