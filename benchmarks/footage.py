"""Clips to measure on: a rendered scene, repeated without decoding it again."""

import subprocess
from fractions import Fraction
from pathlib import Path

from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.scenes import demo_config, write_scene

SCENE_SECONDS = 20


def make_clip(folder: Path, seconds: int) -> Path:
    """A 640x360 clip of 25 pictures a second with 48 kHz stereo, `seconds` long (a multiple of 20): one scene, looped by stream copy."""
    scene = folder / "scene.mkv"
    if not scene.is_file():
        write_scene(demo_config(7, Fraction(SCENE_SECONDS)), scene)
    clip = folder / f"clip-{seconds}.mkv"
    loops = seconds // SCENE_SECONDS - 1
    command = [find_ffmpeg(), "-nostdin", "-v", "error", "-y", "-stream_loop", str(loops), "-i", str(scene), "-c", "copy", str(clip)]
    subprocess.run(command, check=True)
    return clip
