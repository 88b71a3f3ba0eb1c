"""The picture readers: by timestamp, upright, in the right place on the square."""

import gc
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.config import Fit, PictureConfig
from avsep_plugin.errors import NoVideoError
from avsep_plugin.media.geometry import whole_size
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import FrameReader, PictureReader, centre_crop, picture_area

TICKS_HZ = 90_000


def grey(level: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def quadrants(width: int = 64, height: int = 48) -> np.ndarray:
    """Top left black, top right and bottom left dark, bottom right white: no two turns of it look the same."""
    picture = grey(0, width, height)
    picture[: height // 2, width // 2 :] = 80
    picture[height // 2 :, : width // 2] = 160
    picture[height // 2 :, width // 2 :] = 240
    return picture


def write_pictures(
    path: Path, pictures: Sequence[np.ndarray], times: Sequence[Fraction | float], *, rotation: int = 0, aspect: Fraction | None = None
) -> Path:  # fmt: skip
    """Encode [H, W, 3] pictures at their own times in seconds; rotation is degrees clockwise to show them upright."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS_HZ)
        stream.time_base = Fraction(1, TICKS_HZ)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(-rotation)
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(time * TICKS_HZ), Fraction(1, TICKS_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def levels(frames: np.ndarray) -> list[int]:
    """Grey level of each frame, rounded to tens."""
    return [round(float(frame.mean()) / 10) * 10 for frame in frames]


SMALL = PictureConfig(frame_rate=Fraction(10), stored_size=16, crop_size=12)


def test_frame_is_the_picture_displayed_in_its_middle(tmp_path: Path) -> None:
    times = [0, 0.04, 0.13, 0.26, 0.27, 0.50]  # variable frame rate
    path = write_pictures(tmp_path / "a.mp4", [grey(level) for level in (20, 60, 100, 140, 180, 220)], times)
    with FrameReader(path, Fraction(10), Fraction(0), SMALL) as reader:
        assert levels(reader.read(7)) == [60, 100, 100, 180, 180, 220, 220]  # displayed at 0.05, 0.15, 0.25, ...


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_origin_moves_the_frames_on_the_files_clock(tmp_path: Path, suffix: str) -> None:
    times = [10 + index / 10 for index in range(6)]
    path = write_pictures(tmp_path / f"a{suffix}", [grey(30 * index + 20) for index in range(6)], times)
    start = next(iter(PictureReader(path)))[0]
    with FrameReader(path, Fraction(10), start + Fraction(1, 5), SMALL) as reader:
        assert levels(reader.read(3)) == [80, 110, 140]


def test_first_picture_is_held_before_and_last_after(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "a.mkv", [grey(40), grey(200)], [1, 1.1])
    with FrameReader(path, Fraction(10), Fraction(0), SMALL) as reader:
        assert levels(reader.read(20)) == [40] * 11 + [200] * 9
        assert reader.last_frame is not None


def test_any_split_of_reads_gives_the_same_frames(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "a.mp4", [grey(10 * index) for index in range(20)], [index / 25 for index in range(20)])
    with (
        FrameReader(path, Fraction(2997, 100), Fraction(0), SMALL) as one,
        FrameReader(path, Fraction(2997, 100), Fraction(0), SMALL) as other,
    ):
        whole = one.read(24)
        assert np.array_equal(whole, np.concatenate([other.read(count) for count in (1, 5, 0, 7, 11)]))


def test_no_drift_in_an_hour(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "a.mkv", [grey(40), grey(200)], [0, 3599.5])
    with FrameReader(path, Fraction(30000, 1001), Fraction(0), SMALL) as reader:
        last_dark = int(Fraction("3599.5") * Fraction(30000, 1001) - Fraction(1, 2))
        for _ in range(last_dark // 1000):
            reader.read(1000)
        assert levels(reader.read(last_dark % 1000 + 2)[-3:]) == [40, 40, 200]


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotated_footage_stands_upright(tmp_path: Path, rotation: int) -> None:
    upright = quadrants()
    coded = np.ascontiguousarray(np.rot90(upright, rotation // 90))  # turned back, counter-clockwise
    path = write_pictures(tmp_path / "a.mp4", [coded] * 3, [0, 0.04, 0.08], rotation=rotation)
    info = probe(path).video
    assert info is not None
    assert (info.rotation_degrees, info.display_width, info.display_height) == (rotation, 64, 48)
    _, shown = next(iter(PictureReader(path)))
    assert np.abs(shown.astype(int) - upright).mean() < 6
    with FrameReader(path, Fraction(10), Fraction(0), SMALL) as reader:
        square = reader.read(1)[0]
    assert np.abs(square[[2, 2, 13, 13], [2, 13, 2, 13], 0].astype(int) - [0, 80, 160, 240]).max() < 20


def test_sample_aspect_stretches_the_displayed_picture(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "a.mp4", [grey(100)] * 2, [0, 0.04], aspect=Fraction(2, 1))
    info = probe(path).video
    assert info is not None
    assert (info.width, info.display_width, info.display_height) == (64, 128, 48)
    assert next(iter(PictureReader(path)))[1].shape == (48, 128, 3)


def test_letterbox_lays_grey_bars(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "a.mp4", [grey(255, 64, 32)] * 2, [0, 0.04])
    with FrameReader(path, Fraction(10), Fraction(0), PictureConfig(stored_size=16, crop_size=16, fit="letterbox")) as reader:
        square = reader.read(1)[0]
    assert np.all(square[:4] == 128)
    assert np.all(square[12:] == 128)
    assert np.all(square[4:12] > 240)


def test_crop_keeps_the_central_square(tmp_path: Path) -> None:
    picture = grey(0, 64, 32)
    picture[:, 16:48] = 250
    path = write_pictures(tmp_path / "a.mp4", [picture] * 2, [0, 0.04])
    with FrameReader(path, Fraction(10), Fraction(0), PictureConfig(stored_size=16, crop_size=16, fit="crop")) as reader:
        assert reader.read(1)[0, :, 1:15].min() > 200


def test_centre_crop_is_the_middle() -> None:
    frames = np.arange(2 * 16 * 16 * 3, dtype=np.uint32).astype(np.uint8).reshape(2, 16, 16, 3)
    assert np.array_equal(centre_crop(frames, SMALL), frames[:, 2:14, 2:14])


@pytest.mark.parametrize(
    ("fit", "area"),
    [
        ("squash", (1 / 8, 1 / 8, 3 / 4, 3 / 4)), ("letterbox", (1 / 8, -1 / 4, 3 / 4, 3 / 2)), ("crop", (5 / 16, 1 / 8, 3 / 8, 3 / 4)),
    ],
)  # fmt: skip
def test_area_of_the_crop_on_the_displayed_picture(tmp_path: Path, fit: str, area: tuple[float, ...]) -> None:
    info = probe(write_pictures(tmp_path / "a.mp4", [grey(0, 64, 32)] * 2, [0, 0.04])).video
    assert info is not None
    config = PictureConfig(stored_size=16, crop_size=12, fit=fit)  # type: ignore[arg-type]
    assert picture_area(info, config) == pytest.approx(area)


ZOOMED = PictureConfig(stored_size=16, crop_size=12, fit="crop", zoom=2.0, centre=(0.5, 0.75))


def test_area_of_a_zoomed_crop(tmp_path: Path) -> None:
    info = probe(write_pictures(tmp_path / "a.mp4", [grey(0, 64, 32)] * 2, [0, 0.04])).video
    assert info is not None  # the fitted square is the middle half across; the crop is 12/32 of it, around (1/2, 3/4)
    assert picture_area(info, ZOOMED) == pytest.approx((1 / 2 - 3 / 32, 3 / 4 - 3 / 16, 3 / 16, 3 / 8))


@pytest.mark.parametrize("fit", ["squash", "letterbox", "crop"])
@pytest.mark.parametrize(("width", "height"), [(128, 64), (64, 128)])
def test_a_mark_is_seen_where_the_area_says(tmp_path: Path, fit: Fit, width: int, height: int) -> None:
    column, row = width // 2 + 4, height // 2 - 6
    picture = grey(0, width, height)
    picture[row - 3 : row + 3, column - 3 : column + 3] = 255
    config = PictureConfig(stored_size=64, crop_size=48, fit=fit, zoom=1.5, centre=(0.55, 0.42))
    path = write_pictures(tmp_path / "a.mp4", [picture] * 2, [0, 0.04])
    info = probe(path).video
    assert info is not None
    with FrameReader(path, Fraction(25), Fraction(0), config) as reader:
        seen = centre_crop(reader.read(1), config)[0, :, :, 0].astype(float)
    bright = np.clip(seen - 160, 0, None)  # above the grey of letterbox bars
    y, x = ((axis * bright).sum() / bright.sum() + 0.5 for axis in np.indices(bright.shape))
    left, top, wide, high = picture_area(info, config)
    assert (left + x / 48 * wide, top + y / 48 * high) == pytest.approx((column / width, row / height), abs=0.012)


@pytest.mark.parametrize(("width", "height"), [(128, 64), (64, 128), (100, 64)])
def test_a_whole_picture_is_seen_in_whole_cells(tmp_path: Path, width: int, height: int) -> None:
    picture = grey(0, width, height)
    picture[: height // 2, : width // 2] = 255
    config = PictureConfig(stored_size=16, crop_size=16, fit="crop", zoom=2.0)
    path = write_pictures(tmp_path / "a.mp4", [picture] * 2, [0, 0.04])
    with FrameReader(path, Fraction(25), Fraction(0), config, cell_pixels=16) as reader:
        seen = reader.read(1)[0, :, :, 0]
    assert seen.shape == (round(height / 64 * 2) * 16, round(width / 64 * 2) * 16)  # the short side is 2 * stored_size
    assert seen[: seen.shape[0] // 2, : seen.shape[1] // 2].mean() > 240
    assert seen[seen.shape[0] // 2 :].mean() < 15


def test_a_whole_picture_keeps_its_size_where_the_footage_changes_it(tmp_path: Path) -> None:
    """Two pictures of other shapes in one raw stream, as a card that was filled by two cameras."""
    parts = [write_pictures(tmp_path / f"{n}.mpg", [grey(90, *size)] * 3, [0, 0.04, 0.08]) for n, size in enumerate([(64, 48), (48, 96)])]
    joined = tmp_path / "joined.mpg"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    with FrameReader(joined, Fraction(25), Fraction(0), SMALL, tolerate_damage=True, cell_pixels=8) as reader:
        assert reader.read(6).shape[1:] == (16, 16, 3)


def test_a_strip_is_squeezed() -> None:
    assert whole_size(4096, 16, PictureConfig(stored_size=64, crop_size=64, fit="crop"), 16) == (256, 64)


@pytest.mark.parametrize(("centre", "corner"), [((0, 0), (0, 0)), ((1, 1), (16, 16)), ((0.5, 0.9), (8, 16)), ((0.4, 0.6), (5, 11))])
def test_the_kept_part_never_reaches_outside(centre: tuple[float, float], corner: tuple[int, int]) -> None:
    assert PictureConfig(stored_size=16, crop_size=12, zoom=2.0, centre=centre).corner == corner


def test_picture_reader_gives_every_picture_at_its_time(tmp_path: Path) -> None:
    times = [Fraction(1, 2), Fraction(11, 20), Fraction(4, 5)]
    path = write_pictures(tmp_path / "a.mkv", [grey(50), grey(100), grey(150)], times)
    with PictureReader(path) as reader:
        shown = list(reader)
    assert [time for time, _ in shown] == times
    assert levels(np.stack([picture for _, picture in shown])) == [50, 100, 150]


def test_pictures_without_timestamps_go_on_at_the_average_rate(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "a.h264", [grey(20 * index) for index in range(10)], [index / 25 for index in range(10)])
    with PictureReader(path) as reader:
        times = [time for time, _ in reader]
    assert np.allclose(np.diff([float(time) for time in times]), 1 / 25)


def test_sound_with_cover_art_has_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=44100, layout="mono")
        cover = container.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame(32, 32, "yuvj420p")
        picture.pts, picture.time_base = 0, Fraction(1, 25)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4410), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(sound.encode(frame))
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        container.mux(sound.encode(None))
    assert probe(path).video is None
    with pytest.raises(NoVideoError, match=r"a\.mp3 has no picture"):
        FrameReader(path, Fraction(25), Fraction(0), SMALL)


def test_pictures_that_were_shown_are_let_go(tmp_path: Path) -> None:
    """Without the help of Python's collector of rings, which comes round only now and then."""
    path = write_pictures(tmp_path / "a.mp4", [grey(90)] * 60, [Fraction(n, 25) for n in range(60)])
    gc.collect()
    gc.disable()
    try:
        with FrameReader(path, Fraction(25), Fraction(0), SMALL) as reader:
            reader.read(60)
            alive = sum(type(one) is av.VideoFrame for one in gc.get_objects())
    finally:
        gc.enable()
    assert alive < 10
