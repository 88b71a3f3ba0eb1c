"""Fuzzes everything that opens a media file: whatever the bytes are, the answer is an AvsepError of one line or a result, in bounded time.

    pip install atheris
    python tests/fuzz_readers.py corpus/ -max_total_time=3600 -timeout=30 -rss_limit_mb=4096 -max_len=100000

The folder is filled with the clips of tests/broken.py, whole and damaged, where it is empty. libFuzzer keeps in it what reaches new lines
of our code, and writes an input that fails, crashes or hangs as crash-*, timeout-* or oom-* where it runs. FFmpeg itself is not
instrumented. Such an input is looked at alone with `python tests/fuzz_readers.py crash-...`, and becomes a test when it is mended.
"""

import sys
import tempfile
import warnings
from fractions import Fraction
from functools import partial
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["avsep_plugin.media"]):
    from avsep_plugin.media.packets import picture_packets
    from avsep_plugin.media.probe import picture_seconds, probe
    from avsep_plugin.media.read import AudioReader, FrameReader, PictureReader
    from avsep_plugin.media.shots import find_cuts

from broken import HARMS, KINDS, write_clip

from avsep_plugin.config import PictureConfig
from avsep_plugin.errors import AvsepError

_SQUARE = PictureConfig(frame_rate=Fraction(25), stored_size=16, crop_size=8)
_SCRATCH = Path(tempfile.mkdtemp(prefix="avsep-fuzz-"))
_SECONDS = 60
"""A jump of the timestamps may make an hour of silence or of one picture out of ten bytes; that much of it is read."""


def read_in_every_way(path: Path) -> None:
    """Open a file as the program does. Raises what is no AvsepError, and AssertionError for one of several lines."""
    either = (probe, picture_seconds, _cuts, _sound, _squares, _pictures)
    ways = [picture_packets, *(partial(way, tolerate_damage=tolerate) for way in either for tolerate in (False, True))]
    for look in ways:
        try:
            look(path)
        except AvsepError as exc:
            if len(str(exc).splitlines()) != 1:
                raise AssertionError(f"no single line: {exc!r}") from exc


def _sound(path: Path, tolerate_damage: bool) -> None:
    with AudioReader(path, tolerate_damage=tolerate_damage) as reader:
        left = _SECONDS * reader.sample_rate_hz
        while left > 0 and (got := reader.read(min(left, 1 << 16)).shape[1]):
            left -= got
        assert all(note for note in reader.notes)


def _squares(path: Path, tolerate_damage: bool) -> None:
    with FrameReader(path, _SQUARE.frame_rate, Fraction(0), _SQUARE, tolerate_damage=tolerate_damage) as reader:
        for _ in range(_SECONDS):
            if reader.last_frame is not None:
                break
            assert reader.read(25).shape == (25, 16, 16, 3)


def _pictures(path: Path, tolerate_damage: bool) -> None:
    with PictureReader(path, tolerate_damage=tolerate_damage) as reader:
        last = None
        for time, picture in reader:
            assert last is None or time >= last
            assert picture.ndim == 3
            last = time


def _cuts(path: Path, tolerate_damage: bool) -> None:
    find_cuts(path, tolerate_damage=tolerate_damage).merged(Fraction(0))


def one_input(content: bytes) -> None:
    """What libFuzzer calls."""
    path = _SCRATCH / "a.mp4"
    path.write_bytes(content)
    read_in_every_way(path)


def fill(folder: Path) -> None:
    """Clips to begin with."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        whole = write_clip(folder / f"whole.{kind}", kind, pictures=6, samples=4000).read_bytes()
        for name, harm in HARMS.items():
            (folder / f"{name.replace('/', ' of ')}.{kind}").write_bytes(harm(whole))


def main() -> None:
    """Fill an empty folder, then fuzz."""
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("-") and not Path(word).is_file()]
    for folder in folders[:1]:
        if not folder.is_dir() or not any(folder.iterdir()):
            fill(folder)
    warnings.simplefilter("error")
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
