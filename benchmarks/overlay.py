"""Drawing overlays: time to write a clip with a ready heat map over it, against plain ffmpeg that decodes and encodes the same clip."""

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from avsep_plugin.clip import HeatMap
from avsep_plugin.draw.levels import Levels
from avsep_plugin.drawing import Show, draw
from avsep_plugin.localize_options import LocalizeFileOptions, Style, localisation_outputs
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.probe import probe
from avsep_plugin.media.write import OVERLAY, OverlaySound
from avsep_plugin.scenes import demo_config, write_scene

SCENE_SECONDS = 5
STEP = Fraction(2, 25)
CELLS = (9, 16)


@dataclass(frozen=True)
class Spent:
    """Wall time, and processor time of this process and of those that it started."""

    wall: float
    processor: float


def make_clip(folder: Path, seconds: int) -> Path:
    """A 1280x720 clip of 25 pictures a second with 48 kHz stereo: one scene of 5 s, looped by stream copy."""
    scene, clip = folder / "scene-720.mkv", folder / f"clip-720-{seconds}.mkv"
    if not scene.is_file():
        write_scene(replace(demo_config(7, Fraction(SCENE_SECONDS)), width=1280, height=720), scene)
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


def plain(clip: Path) -> Spent:
    """What ffmpeg takes to decode the clip and to encode it in the same way."""
    settings = [word for key, value in OVERLAY.options.items() for word in (f"-{key}", value)]
    with tempfile.TemporaryDirectory() as name:
        target = str(Path(name) / "plain.mp4")
        return _spent(lambda: _ffmpeg("-i", str(clip), "-c:v", OVERLAY.encoder, *settings, "-c:a", "aac", "-b:a", "288k", target))


def ratios(clip: Path, seconds: int, repeats: int = 3, style: Style = "heat") -> tuple[float, float]:
    """Ours over plain ffmpeg, in wall time and in processor time: the shortest of some runs, taken in turn."""
    runs = [(ours(clip, seconds, style), plain(clip)) for _ in range(repeats)]
    wall = min(one.wall for one, _ in runs) / min(other.wall for _, other in runs)
    return wall, min(one.processor for one, _ in runs) / min(other.processor for _, other in runs)


def _spent(work: Callable[[], object]) -> Spent:
    start, before = time.perf_counter(), _processor_seconds()
    work()
    return Spent(time.perf_counter() - start, _processor_seconds() - before)


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([find_ffmpeg(), "-nostdin", "-v", "error", "-y", *arguments], check=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work_folder:
        measured = make_clip(Path(work_folder), 60)
        wall, processor = ratios(measured, 60)
        print(f"overlay of 60 s of 1280x720 over plain ffmpeg, {os.cpu_count()} cores: time {wall:.2f}, processor time {processor:.2f}")
