"""Prints the tables of docs/benchmarks.md: `python -m benchmarks [--quick]`."""

import argparse
import os
import platform
import tempfile
from pathlib import Path

import torch

from . import loader, overlay, programs, speed
from .footage import make_clip


def main() -> None:
    """Measure everything in one run and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="memory for 20 s against 1 min, not 1 min against 10 min")
    quick = parser.parse_args().quick
    torch.set_num_threads(os.cpu_count() or 1)
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}\n")
    _networks()
    print()
    loader.main()
    with tempfile.TemporaryDirectory() as name:
        _programs(Path(name), *((20, 60) if quick else (60, 600)))


def _networks() -> None:
    print("| network | precision | s per s of footage | share of the matrix-product rate | SNR against fp32, dB |\n|---|---|---|---|---|")
    for f in speed.measure():
        snr = "" if f.snr_db is None else f"{f.snr_db:.1f}"
        print(f"| {f.name} | {f.precision} | {f.seconds_per_second:.3f} | {f.share_of_gemm:.2f} | {snr} |", flush=True)


def _programs(folder: Path, short: int, long: int) -> None:
    print("\n| command | figure | value |\n|---|---|---|")
    clips = {seconds: make_clip(folder, seconds) for seconds in (short, long)}
    print(f"| reading sound and pictures | time over plain ffmpeg decoding | {programs.decoding_ratio(clips[short]):.2f} |", flush=True)
    for command in ("separate", "localize"):
        runs = {seconds: programs.run(command, str(clip), "-o", str(folder / f"{command}-{seconds}")) for seconds, clip in clips.items()}
        for seconds, run in runs.items():
            print(f"| {command}, {seconds} s of 640x360 | s per s of footage | {run.seconds / seconds:.3f} |")
        ratio = runs[long].peak_mib / runs[short].peak_mib
        print(f"| {command} | peak memory, {long} s over {short} s | {ratio:.2f} ({runs[short].peak_mib:.0f} MiB for {short} s) |")
    spent = overlay.measure(overlay.make_clip(folder, 60), 60, ["heat"])
    drawing = spent["heat"].over(spent["plain"])
    figure = f"{drawing.wall:.2f} (processor {drawing.processor:.2f})"
    print(f"| drawing an overlay, 60 s of 1280x720 | time over plain ffmpeg decoding and encoding | {figure} |")
    print(f"| avsep --help | seconds | {programs.help_seconds():.2f} |")


if __name__ == "__main__":
    main()
