"""The command itself, as a process: time and memory for whole clips, decoding against plain ffmpeg, and `avsep --help`."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from avsep_plugin.config import PictureConfig
from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader, FrameReader

AVSEP = [str(Path(sys.executable).with_name("avsep"))]


@dataclass(frozen=True)
class Run:
    """Wall time and peak memory of a process."""

    seconds: float
    peak_mib: float


def run(*arguments: str) -> Run:
    """Run `avsep` with those arguments, quietly."""
    start = time.perf_counter()
    process = subprocess.Popen([*AVSEP, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    complaint = process.stderr.read()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"avsep {' '.join(arguments)} failed: {complaint.decode()}")
    return Run(time.perf_counter() - start, usage.ru_maxrss / 1024)


def help_seconds(repeats: int = 5) -> float:
    """Shortest time of `avsep --help`."""
    return min(run("--help").seconds for _ in range(repeats))


def decoding_ratio(clip: Path) -> float:
    """Time to read a clip's sound and pictures for mini over the time that ffmpeg takes to decode both streams and throw them away."""
    ours, plain = [], []
    for _ in range(3):
        start = time.perf_counter()
        _read(clip)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        subprocess.run([find_ffmpeg(), "-v", "error", "-i", str(clip), "-f", "null", "-"], check=True)
        plain.append(time.perf_counter() - start)
    return min(ours) / min(plain)


def _read(clip: Path) -> None:
    info = probe(clip)
    assert info.video is not None
    picture = PictureConfig(Fraction(25), 104, 88, "crop", 1)
    with AudioReader(clip) as audio, FrameReader(clip, picture.frame_rate, audio.start_seconds, picture) as frames:
        while audio.read(audio.sample_rate_hz).shape[1]:
            frames.read(25)
