"""How the pictures of a clip follow each other: exact rates in every container, variable rates seen as such."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.errors import NoVideoError
from avsep_plugin.media.pacing import Pacing

FILM, NTSC, DOUBLE = Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)


def write(path: Path, times: Iterable[Fraction], rate: Fraction, bf: int = 0) -> Path:
    """Pictures at these times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"bf": str(bf), "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 120000)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number % 200, np.uint8), "rgb24")
            frame.pts, frame.time_base = round(time * 120000), Fraction(1, 120000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mov", ".mkv", ".mts"])
@pytest.mark.parametrize("rate", [FILM, Fraction(25), NTSC, DOUBLE, Fraction(15)])
def test_a_steady_clip_has_its_exact_rate(tmp_path: Path, rate: Fraction, suffix: str) -> None:
    found = Pacing.of(write(tmp_path / f"a{suffix}", (n / rate for n in range(90)), rate, bf=2))  # packets out of order
    assert (found.rate, found.is_steady, found.pictures, found.length_seconds) == (rate, True, 90, 90 / rate)


def test_pictures_that_come_unevenly_are_seen(tmp_path: Path) -> None:
    times = [n / Fraction(30) for n in range(90) if n % 7 not in (3, 4)]
    found = Pacing.of(write(tmp_path / "a.mkv", times, Fraction(30)))
    assert not found.is_steady
    assert found.pictures == len(times)
    assert abs(found.length_seconds - 3) < Fraction(1, 20)


def test_one_picture_is_steady(tmp_path: Path) -> None:
    found = Pacing.of(write(tmp_path / "a.mov", [Fraction(0)], Fraction(25)))
    assert (found.is_steady, found.pictures) == (True, 1)


def test_sound_alone_has_no_pace(tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    with pytest.raises(NoVideoError):
        Pacing.of(make_clip(tmp_path / "a.mov", picture=False))
