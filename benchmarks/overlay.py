"""Drawing overlays: time to write a clip with a ready heat map over it, against plain ffmpeg that decodes and encodes the same clip.

`python -m benchmarks.overlay [STYLE...] [--seconds N] [--repeats N]` prints a table in Markdown, by default of all styles.
"""

import argparse
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np

from avsep_plugin.clip import HeatMap
from avsep_plugin.draw.levels import Levels
from avsep_plugin.drawing import Show, draw, half_size
from avsep_plugin.localize_options import LocalizeFileOptions, Style, localisation_outputs
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.probe import probe
from avsep_plugin.media.write import OVERLAY, OverlaySound
from avsep_plugin.scenes import demo_config, write_scene

SCENE_SECONDS = 5
WIDTH, HEIGHT = 1280, 720
STEP = Fraction(2, 25)
CELLS = (9, 16)


@dataclass(frozen=True)
class Spent:
    """Wall time, and processor time of this process and of those that it started."""

    wall: float
    processor: float

    @classmethod
    def shortest(cls, runs: "Sequence[Spent]") -> "Spent":
        """Of some runs of the same thing."""
        return cls(min(run.wall for run in runs), min(run.processor for run in runs))

    def over(self, other: "Spent") -> "Spent":
        """How many times as long."""
        return Spent(self.wall / other.wall, self.processor / other.processor)


def make_clip(folder: Path, seconds: int) -> Path:
    """A 1280x720 clip of 25 pictures a second with 48 kHz stereo: one scene of 5 s, looped by stream copy."""
    scene, clip = folder / "scene-720.mkv", folder / f"clip-720-{seconds}.mkv"
    if not scene.is_file():
        write_scene(replace(demo_config(7, Fraction(SCENE_SECONDS)), width=WIDTH, height=HEIGHT), scene)
    loops = str(seconds // SCENE_SECONDS - 1)
    _ffmpeg("-stream_loop", loops, "-i", str(scene), "-c", "copy", str(clip))
    return clip


def moving_map(seconds: int) -> HeatMap:
    """Evidence that wanders over the whole picture, so that there is something to draw at any time."""
    steps = round(seconds / STEP)
    at = np.linspace(0, 2 * np.pi * seconds / 10, steps)[:, None, None]
    y, x = np.arange(CELLS[0])[:, None], np.arange(CELLS[1])[None, :]
    away = ((y - 4) / 3 - np.sin(at)) ** 2 + ((x - 7.5) / 4 - np.cos(at)) ** 2
    return HeatMap((12 * np.exp(-away) - 3).astype(np.float32), STEP)


def ours(clip: Path, seconds: int, style: Style = "heat") -> Spent:
    """Write the overlay video of a ready map."""
    heat_map, options = moving_map(seconds), LocalizeFileOptions(styles=(style,), data=())
    show = Show(heat_map, Levels(heat_map, np.ones(heat_map.values.shape[0], bool)), OverlaySound(clip))
    with tempfile.TemporaryDirectory() as name:
        outputs = localisation_outputs(Path(name), options)
        return _spent(lambda: draw(probe(clip), show, outputs, options, lambda _: None))


def plain(clip: Path, doubled: bool = False) -> Spent:
    """What ffmpeg takes to decode the clip and to encode it in the same way; doubled: its picture twice, as large as ours side by side."""
    width, height = half_size(WIDTH, HEIGHT)
    graph = f"[0:v]scale={width}:{height}:flags=area,split[a][b];[a][b]hstack[v]"
    twice = ("-filter_complex", graph, "-map", "[v]", "-map", "0:a") if doubled else ()
    settings = [word for key, value in OVERLAY.options.items() for word in (f"-{key}", value)]
    with tempfile.TemporaryDirectory() as name:
        target = str(Path(name) / "plain.mp4")
        return _spent(lambda: _ffmpeg("-i", str(clip), *twice, "-c:v", OVERLAY.encoder, *settings, "-c:a", "aac", "-b:a", "288k", target))


def measure(clip: Path, seconds: int, styles: Sequence[Style], repeats: int = 3) -> dict[str, Spent]:
    """The shortest of some runs, taken in turn, by style; and of ffmpeg alone, `plain` and (for side-by-side) `doubled`."""
    work: dict[str, Callable[[], Spent]] = {"plain": lambda: plain(clip)}
    if "side-by-side" in styles:
        work["doubled"] = lambda: plain(clip, doubled=True)
    work |= {style: partial(ours, clip, seconds, style) for style in styles}
    runs = [{name: run() for name, run in work.items()} for _ in range(repeats)]
    return {name: Spent.shortest([one[name] for one in runs]) for name in work}


def table(spent: dict[str, Spent]) -> str:
    """Ratios to plain ffmpeg in Markdown; of side-by-side also to ffmpeg that encodes as large a picture."""
    lines = ["| | time over plain ffmpeg | processor time | time over ffmpeg with the picture doubled |", "|---|---|---|---|"]
    for name, one in spent.items():
        if name == "plain":
            continue
        ratio, called = one.over(spent["plain"]), "ffmpeg with the picture doubled" if name == "doubled" else name
        fair = f"{one.over(spent['doubled']).wall:.2f}" if name == "side-by-side" else ""
        lines.append(f"| {called} | {ratio.wall:.2f} | {ratio.processor:.2f} | {fair} |")
    return "\n".join(lines)


def _spent(work: Callable[[], object]) -> Spent:
    start, before = time.perf_counter(), _processor_seconds()
    work()
    return Spent(time.perf_counter() - start, _processor_seconds() - before)


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([find_ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments], check=True)


def main() -> None:
    """Measure the styles that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overlay", description=__doc__)
    parser.add_argument("styles", nargs="*", metavar="STYLE", help=f"{', '.join(get_args(Style))}; default: all")
    parser.add_argument("--seconds", type=int, default=60, help=f"of the clip, in steps of {SCENE_SECONDS} (default: 60)")
    parser.add_argument("--repeats", type=int, default=3, help="runs, of which the shortest counts (default: 3)")
    given = parser.parse_args()
    unknown = set(given.styles) - set(get_args(Style))
    if unknown or given.seconds < SCENE_SECONDS or given.seconds % SCENE_SECONDS or given.repeats < 1:
        parser.error(f"cannot measure {', '.join(sorted(unknown)) or 'that'}")
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder), given.seconds)
        spent = measure(clip, given.seconds, given.styles or get_args(Style), given.repeats)
    print(f"{given.seconds} s of {WIDTH}x{HEIGHT}, {os.cpu_count()} cores, the shortest of {given.repeats} runs\n\n{table(spent)}")


if __name__ == "__main__":
    main()
