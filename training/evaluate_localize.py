"""Does the heat map point at what sounds? Measured on rendered scenes, whose boxes are exact, with people no training has seen.

Two points are taken from the positive evidence of a map: its highest cell, and its centre of mass. A point hits if it lies in
the box of a source that sounds while its cell of time lasts. Beside the hit rates stand two that need no model:

    chance    the share of the looked-at area that the boxes cover: a point thrown blindly
    centre    how often the middle of the looked-at area lies in a box: the prior that footage is framed around its subject
"""

import dataclasses
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avsep_plugin import pipeline
from avsep_plugin.clip import HeatMap
from avsep_plugin.errors import ConfigError
from avsep_plugin.footage import Footage
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import picture_area
from avsep_plugin.models.fused import Aligner
from avsep_plugin.scenes import render
from avsep_plugin.scenes.export import write_scene

from .evaluation_table import write_text
from .localize_hits import SceneHits, hits
from .localize_scenes import SCENES, sounding_boxes
from .metrics import Mean, clustered_mean

FIGURES = ("highest", "centre_of_mass", "chance", "centre")


@dataclass(frozen=True)
class LocalizeResults:
    """Hits of every scene in which something sounded in sight."""

    scenes: list[SceneHits]

    def of(self, kind: str) -> list[SceneHits]:
        """The scenes of one kind."""
        return [scene for scene in self.scenes if scene.kind == kind]

    def mean(self, kind: str, figure: str) -> Mean:
        """Mean of one of `FIGURES` in per cent, every scene counting alike; interval over scenes."""
        return clustered_mean([100 * getattr(s, figure) for s in self.of(kind)], [str(s.scene) for s in self.of(kind)])


def map_of(path: Path, model: Aligner) -> HeatMap:
    """The heat map of a file, by the same pipeline as `avsep localize`, with the part of the picture that it covers."""
    picture = model.config.picture
    with Footage(path, picture) as footage:
        found = pipeline.align(model, footage.blocks(), footage.sample_rate_hz, footage.pictures).heat_map
    video = probe(path).video
    assert video is not None, "Footage has opened its picture"
    return dataclasses.replace(found, area=picture_area(video, picture))


def evaluate_localize(
    model: Aligner,
    output: Path,
    kinds: Sequence[str] = tuple(SCENES),
    scenes: int = 50,
    progress: Callable[[int, int], None] | None = None,
) -> LocalizeResults:
    """Render scenes, localise each through a file as a user would, write `localize.md` and `localize.json` into `output`.

    kinds: some of `localize_scenes.SCENES`. scenes: of each kind, with the seeds 0 to scenes - 1 of the test split.
    progress(done, total) after every scene. Raises ConfigError for an unknown kind.
    """
    unknown = [kind for kind in kinds if kind not in SCENES]
    if unknown or scenes < 1:
        raise ConfigError(f"Unknown kind of scene '{unknown[0]}'; known: {', '.join(SCENES)}." if unknown else "Need at least one scene.")
    found: list[SceneHits] = []
    tasks = [(kind, seed) for kind in kinds for seed in range(scenes)]
    for done, (kind, seed) in enumerate(tasks, start=1):
        scene_hits = localize_scene(model, kind, seed)
        found += [scene_hits] if scene_hits else []
        if progress is not None:
            progress(done, len(tasks))
    results = LocalizeResults(found)
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "localize.md", markdown(results))
    write_text(output / "localize.json", json.dumps([dataclasses.asdict(scene) for scene in found], indent=1) + "\n")
    return results


def localize_scene(model: Aligner, kind: str, seed: int) -> SceneHits | None:
    """Render one scene into a temporary file, localise it, compare with its boxes."""
    config = SCENES[kind](seed)
    scene = render(config)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.mp4"
        write_scene(scene, path)
        return hits(kind, seed, map_of(path, model), sounding_boxes(config, scene))


def markdown(results: LocalizeResults) -> str:
    """One table: the map's two points against the two rates that need no model."""
    titles = {
        "highest": "highest cell of the map",
        "centre_of_mass": "centre of mass of the positive evidence",
        "chance": "chance (area of the boxes)",
        "centre": "centre of the picture",
    }
    lines = [
        "Share of the time, in per cent, in which a point lies in the box of what sounds. In brackets: 95 % bootstrap interval over",
        "scenes.",
        "",
        f"| scenes | {' | '.join(titles.values())} | n |",
        "|---" * (len(titles) + 2) + "|",
    ]
    for kind in dict.fromkeys(scene.kind for scene in results.scenes):
        means = [results.mean(kind, figure) for figure in titles]
        cells = [f"{mean.value:.0f} [{mean.low:.0f}, {mean.high:.0f}]" for mean in means]
        lines.append(f"| {kind} | {' | '.join(cells)} | {means[0].n} |")
    return "\n".join(lines) + "\n"
