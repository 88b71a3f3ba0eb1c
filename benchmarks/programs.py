"""The command itself, as a process: time and memory for whole clips, decoding against plain ffmpeg, and `avsep --help`."""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from avsep_plugin.config import PictureConfig
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.read import AudioReader, FrameReader
from avsep_plugin.models import checkpoint, zoo

AVSEP = [str(Path(sys.executable).with_name("avsep"))]

_MEASURE = """
import resource, subprocess, sys, time
start = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""A small process between: Linux counts the memory of the process that starts a program to the program's peak, and ours is large."""


@dataclass(frozen=True)
class Run:
    """Wall time and peak memory of a process."""

    seconds: float
    peak_mib: float


def run(*arguments: str) -> Run:
    """Run `avsep` with those arguments, quietly."""
    process = subprocess.run([sys.executable, "-c", _MEASURE, *AVSEP, *arguments], capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise RuntimeError(f"avsep {' '.join(arguments)} failed: {process.stderr}")
    seconds, peak_kib = map(float, process.stdout.split())
    return Run(seconds, peak_kib / 1024)


def help_seconds(repeats: int = 5) -> float:
    """Shortest time of `avsep --help`."""
    return min(run("--help").seconds for _ in range(repeats))


def decoding_ratio(clip: Path) -> float:
    """Time to read a clip's sound and pictures for mini over the time that ffmpeg takes to decode both streams and throw them away."""
    config, _, _ = checkpoint.read(zoo.find("mini", "separate"))
    ours, plain = [], []
    for _ in range(3):
        start = time.perf_counter()
        _read(clip, config.picture)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        subprocess.run([find_ffmpeg(), "-nostdin", "-v", "error", "-i", str(clip), "-f", "null", "-"], check=True)
        plain.append(time.perf_counter() - start)
    return min(ours) / min(plain)


def _read(clip: Path, picture: PictureConfig) -> None:
    with AudioReader(clip) as audio, FrameReader(clip, picture.frame_rate, audio.start_seconds, picture) as frames:
        while audio.read(audio.sample_rate_hz).shape[1]:
            frames.read(25)
