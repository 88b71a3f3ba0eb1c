"""The clips of the fixed lists at 0 dB, made poor: small faces off centre, coarse pictures, thin sound.

`python -m benchmarks.poor DATA POOR` writes them to the new folder POOR, on which `avsep evaluate POOR -o evaluation --limit 60 --lists
newsreaders-0db` then measures as it does on DATA. The picture is shrunk to 60 to 90 % and put on a blurred copy of itself, with a quarter
to three quarters of the free room at its left and above it, by a hash of the clip's name; x264 at CRF 34, AAC at 48 kbit/s. Noises stay
as they are.
"""

import argparse
import shutil
import subprocess
import zlib
from pathlib import Path

from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.training.mixtures import read_list

LISTS = ("newsreaders-0db", "grid-0db", "noise-0db")


def make_poor(source: Path, target: Path, name: str) -> None:
    """One clip; the same name gives the same place and size. Raises CalledProcessError."""
    digest = zlib.crc32(name.encode())
    scale = 0.6 + 0.3 * ((digest >> 8) % 100) / 100
    across, down = (0.25 + 0.5 * (part % 1000) / 1000 for part in (digest, digest >> 16))
    size = ":".join(f"trunc({side}*{scale}/2)*2" for side in ("iw", "ih"))
    place = f"x='(W-w)*{across}':y='(H-h)*{down}'"
    picture = f"split[a][b];[a]gblur=sigma=20[ground];[b]scale={size}[small];[ground][small]overlay={place}"
    coders = ["-c:v", "libx264", "-crf", "34", "-preset", "veryfast", "-c:a", "aac", "-b:a", "48k"]
    subprocess.run([find_ffmpeg(), "-nostdin", "-v", "error", "-i", str(source), "-vf", picture, *coders, str(target)], check=True)


def main() -> None:
    """Make all clips that the lists name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="folder with the clips that the lists name")
    parser.add_argument("poor", type=Path, help="a folder that is not there yet")
    folders = parser.parse_args()
    folders.poor.mkdir(parents=True)
    rows = [row for name in LISTS for row in read_list(name)]
    for name in sorted({clip for row in rows for clip in (row.target, row.interferer, row.third) if clip}):
        target = folders.poor / name
        target.parent.mkdir(exist_ok=True)
        if name.startswith("noise/"):
            shutil.copyfile(folders.data / name, target)
        else:
            make_poor(folders.data / name, target, name)


if __name__ == "__main__":
    main()
