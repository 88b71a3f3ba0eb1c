"""Memory over time: `avsep separate` with mini on two hours of footage against two minutes of it.

`python -m benchmarks.two_hours` takes about half an hour and 12 GB of disk.
"""

import tempfile
from pathlib import Path

from . import programs
from .footage import make_clip

SHORT_SECONDS, LONG_SECONDS = 120, 7200


def main() -> None:
    """Measure both in turn and print Markdown."""
    print("| separate, 640x360, all defaults | s per s of footage | peak memory, MiB |\n|---|---|---|")
    peaks = [_row(seconds) for seconds in (SHORT_SECONDS, LONG_SECONDS)]
    print(f"\nTwo hours took {peaks[1] - peaks[0]:+.0f} MiB more than two minutes.")


def _row(seconds: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        clip = make_clip(Path(name), seconds)
        run = programs.run("separate", str(clip), "-o", str(Path(name) / "out"))
    print(f"| {seconds} s | {run.seconds / seconds:.3f} | {run.peak_mib:.0f} |", flush=True)
    return run.peak_mib


if __name__ == "__main__":
    main()
