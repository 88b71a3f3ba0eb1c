"""Shot cuts: found where they were put, by the file's clock; too short shots are joined."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.media.region import Region
from avsep_plugin.media.shots import Cuts, find_cuts

TICKS_HZ = 90_000


def scene(number: int, step: int, width: int = 96, height: int = 64) -> np.ndarray:
    """A picture of the shot `number` in which something moves a little with every step."""
    place = np.random.default_rng(number).integers(40, 216, (4, 6, 3)).repeat(height // 4, axis=0).repeat(width // 6, axis=1)
    place[20:30, 10 + step % 40 : 20 + step % 40] = 250
    return place.astype(np.uint8)


def write(path: Path, pictures: Sequence[np.ndarray], times: Sequence[Fraction], codec: str = "libx264") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, TICKS_HZ)
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(time * TICKS_HZ), Fraction(1, TICKS_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shots(lengths: Sequence[int]) -> list[np.ndarray]:
    return [scene(number, step) for number, length in enumerate(lengths) for step in range(length)]


def even(count: int, rate: Fraction = Fraction(25), start: Fraction = Fraction(0)) -> list[Fraction]:
    return [start + number / rate for number in range(count)]


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(25), Fraction(60)])
@pytest.mark.parametrize("start", [Fraction(0), Fraction(10)])
def test_cuts_are_found_at_the_first_picture_of_a_shot(tmp_path: Path, rate: Fraction, start: Fraction) -> None:
    path = write(tmp_path / "a.mkv", shots([20, 31, 17]), even(68, rate, start))
    found = find_cuts(path)
    assert [float(time) for time in found.times] == pytest.approx([float(start + number / rate) for number in (20, 51)], abs=0.0006)
    assert float(found.end) == pytest.approx(float(start + 68 / rate), abs=0.05)


def test_cuts_of_a_variable_frame_rate_are_at_their_own_times(tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.12, 40)).tolist()
    found = find_cuts(write(tmp_path / "a.mp4", shots([18, 22]), [Fraction(time) for time in times]))
    first = found.times[0] - find_start(tmp_path / "a.mp4")
    assert [len(found.times), float(first)] == pytest.approx([1, times[18] - times[0]], abs=1e-4)


def find_start(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return frame.pts * frame.time_base


def test_one_shot_has_no_cut_however_much_moves(tmp_path: Path) -> None:
    assert find_cuts(write(tmp_path / "a.mkv", shots([80]), even(80))).times == ()


def test_slow_fade_is_no_cut(tmp_path: Path) -> None:
    fading = [(scene(0, step) * (1 - step / 60)).astype(np.uint8) for step in range(60)]
    assert find_cuts(write(tmp_path / "a.mkv", fading, even(60))).times == ()


def test_a_picture_that_changes_its_size_is_read_on(tmp_path: Path) -> None:
    """Two H.264 streams of other sizes, one after the other in one file."""
    parts = [write(tmp_path / f"{n}.h264", [scene(n, s, 96, 64 + 32 * n) for s in range(20)], even(20)) for n in range(2)]
    (tmp_path / "a.h264").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert len(find_cuts(tmp_path / "a.h264").times) == 1


def test_only_cuts_in_the_region_count(tmp_path: Path) -> None:
    halves = [np.concatenate([scene(0, step), scene(1 + step // 30, step)], axis=1) for step in range(60)]
    path = write(tmp_path / "a.mkv", halves, even(60), "ffv1")
    assert find_cuts(path, Region.parse("left")).times == ()
    assert len(find_cuts(path, Region.parse("right")).times) == 1


def test_nothing_is_read_after_the_end_that_is_asked_for(tmp_path: Path) -> None:
    seen: list[Fraction] = []
    found = find_cuts(write(tmp_path / "a.mkv", shots([10, 10, 10]), even(30)), end_seconds=Fraction(15, 25), progress=seen.append)
    assert (len(found.times), len(seen)) == (1, 15)
    assert float(found.end) == pytest.approx(15 / 25, abs=0.001)


def test_progress_follows_the_files_clock(tmp_path: Path) -> None:
    seen: list[Fraction] = []
    find_cuts(write(tmp_path / "a.mkv", shots([10]), even(10)), progress=seen.append)
    assert [float(time) for time in seen] == pytest.approx([number / 25 for number in range(10)], abs=0.001)


@pytest.mark.parametrize(
    ("times", "merged"),
    [
        ((), ()),
        ((1.0, 2.0), (1.0, 2.0)),
        ((1.0, 1.04), (1.0,)),  # a flash
        ((0.2, 1.0), (1.0,)),  # a short first shot
        ((1.0, 4.8), (1.0,)),  # a short last shot
        ((1.0, 1.2, 1.5, 1.8), (1.0, 1.5)),  # shots of 0.2 to 0.3 s, joined two by two
        ((-3.0, 2.0), (2.0,)),  # before the sound
    ],
)
def test_shots_that_are_too_short_are_joined(times: tuple[float, ...], merged: tuple[float, ...]) -> None:
    start = Fraction(10)
    cuts = Cuts(tuple(start + Fraction(time) for time in times), end=start + 5)
    assert [float(time) for time in cuts.merged(start)] == list(merged)
