"""The region: what its words mean, and that nothing outside of it is ever seen."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.clip import UInt8
from avsep_plugin.config import Fit, PictureConfig
from avsep_plugin.errors import ConfigError
from avsep_plugin.media.read import FrameReader
from avsep_plugin.media.region import Region

PICTURE = PictureConfig(frame_rate=Fraction(25), stored_size=16, crop_size=16)


def write(path: Path, pictures: Sequence[UInt8], codec: str = "ffv1", pix_fmt: str = "yuv420p", rotation: int = 0) -> Path:
    """Without loss, at 25 pictures a second; [H, W, 3] RGB, or [H * 3 / 2, W] planes of yuv420p."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        planes = pictures[0].ndim == 2
        height, width = pictures[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height * 2 // 3 if planes else height, pix_fmt
        if codec == "libx264":
            stream.options = {"qp": "0"}
        if rotation:
            stream.set_display_rotation(-rotation)
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "yuv420p" if planes else "rgb24")))
        container.mux(stream.encode(None))
    return path


def write_mask(path: Path, seen: np.ndarray) -> Path:
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.height, stream.width = seen.shape
        stream.pix_fmt = "gray"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.where(seen, 255, 0).astype(np.uint8), "gray")))
        container.mux(stream.encode(None))
    return path


def seen(path: Path, region: str, picture: PictureConfig = PICTURE, count: int = 3) -> UInt8:
    with FrameReader(path, Fraction(25), Fraction(0), picture, Region.parse(region)) as reader:
        return reader.read(count)


def shaded(width: int = 64, height: int = 48) -> UInt8:
    """Red grows to the right, green downwards: a pixel's colour tells its place."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), np.zeros_like(x)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize(
    ("words", "box"),
    [
        ("left", (0, 0, 0.5, 1)), ("right", (0.5, 0, 0.5, 1)), ("0.25,.5,0.75,0.5", (0.25, 0.5, 0.75, 0.5)),
        ("25%, 0%, 50%, 100%", (0.25, 0, 0.5, 1)), ("0,0,1,1", (0, 0, 1, 1)),
    ],
)  # fmt: skip
def test_words_mean_a_box(words: str, box: tuple[float, ...]) -> None:
    assert Region.parse(words).box == box


@pytest.mark.parametrize("words", ["0,0,0,1", "0.6,0,0.5,1", "0,0,320,240", "0,50%,1,51%"])
def test_a_box_outside_the_picture_is_an_error(words: str) -> None:
    with pytest.raises(ConfigError, match="does not lie in the picture"):
        Region.parse(words)


@pytest.mark.parametrize("words", ["middle", "", "1,2,3", "-0.1,0,1,1", "a,b,c,d"])
def test_other_words_are_an_error_that_says_what_is_known(words: str) -> None:
    with pytest.raises(ConfigError, match="give left, right, x,y,w,h"):
        Region.parse(words)


def test_a_mask_that_is_not_there_or_no_picture_or_black_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        Region.parse(str(tmp_path / "missing.png"))
    (tmp_path / "notes.png").write_text("no picture at all")
    with pytest.raises(ConfigError, match="mask cannot be read"):
        Region.parse(str(tmp_path / "notes.png"))
    with pytest.raises(ConfigError, match="no white"):
        Region.parse(str(write_mask(tmp_path / "black.png", np.zeros((8, 8), bool))))


def test_a_box_is_cut_out_and_fitted_as_if_it_were_the_picture(tmp_path: Path) -> None:
    box = shaded()[24:, 16:48]
    path, alone = write(tmp_path / "a.mkv", [shaded()] * 3, pix_fmt="bgr0"), write(tmp_path / "b.mkv", [box] * 3, pix_fmt="bgr0")
    for fit in ("squash", "letterbox", "crop"):
        picture = PictureConfig(Fraction(25), 16, 16, fit=fit, zoom=1.5, centre=(0.4, 0.6))
        assert np.array_equal(seen(path, "0.25,0.5,0.5,0.5", picture), seen(alone, "0,0,1,1", picture))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_left_is_the_left_of_the_displayed_picture(tmp_path: Path, rotation: int) -> None:
    upright = np.zeros((48, 64, 3), np.uint8)
    upright[:, 32:] = 200
    coded = np.ascontiguousarray(np.rot90(upright, rotation // 90))
    path = write(tmp_path / "a.mp4", [coded] * 3, "libx264", rotation=rotation)
    assert seen(path, "left").max() < 8
    assert seen(path, "right").min() > 190


def test_an_edge_inside_a_block_of_colour_takes_the_whole_blocks_only() -> None:
    rows, columns, _ = Region.parse("0.3,0.3,0.7,0.7").place(10, 10)
    assert (rows, columns) == (slice(4, 10), slice(4, 10))
    assert Region.parse("left").place(7, 7)[:2] == (slice(0, 7), slice(0, 2))


def test_a_region_without_a_pixel_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", [shaded()])
    with pytest.raises(ConfigError, match="no whole pixels of a picture of 64x48"):
        seen(path, "0.5,0.5,0.01,0.01")


def test_outside_a_mask_is_grey_and_its_box_is_cut_out(tmp_path: Path) -> None:
    white = np.zeros((24, 32), bool)  # of half the picture's size
    white[4:16, 8:24] = True
    white[4:10, 8:16] = False
    region = Region.parse(str(write_mask(tmp_path / "mask.png", white)))
    cut = region.cut(shaded())
    assert cut.shape == (24, 32, 3)
    assert (cut[:12, :16] == 128).all()
    assert np.array_equal(cut[12:], shaded()[20:32, 16:48])
    assert np.array_equal(cut[:, 16:], shaded()[8:32, 32:48])


def planes(width: int = 64, height: int = 48, seed: int = 0) -> UInt8:
    """yuv420p [H * 3 / 2, W] of noise, colour samples shared by blocks of 2 x 2."""
    return np.random.default_rng(seed).integers(16, 235, (height * 3 // 2, width)).astype(np.uint8)


def inside_from(one: UInt8, other: UInt8, region: Region, width: int = 64, height: int = 48) -> UInt8:
    """`other`, but inside the region as `one`."""
    rows, columns, mask = region.place(height, width)
    whole = np.zeros((height, width), bool)
    whole[rows, columns] = True if mask is None else mask
    y = np.where(whole, one[:height], other[:height])
    uv = np.where(whole[::2, ::2], *(frame[height:].reshape(2, height // 2, width // 2) for frame in (one, other)))
    return np.concatenate([y, uv.reshape(height // 2, width)])


@pytest.mark.parametrize("words", ["left", "right", "0.21,0.34,0.5,0.4", "mask"])
@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_pixels_outside_change_nothing_that_is_seen(tmp_path: Path, words: str, fit: Fit) -> None:
    if words == "mask":
        y, x = np.mgrid[:31, :47]
        words = str(write_mask(tmp_path / "mask.png", (y - 12) ** 2 + (x - 20) ** 2 < 90))
    region = Region.parse(words)
    picture = PictureConfig(Fraction(25), 16, 16, fit=fit)
    clip = [planes(seed=number) for number in range(3)]
    other = [inside_from(one, planes(seed=10 + number), region) for number, one in enumerate(clip)]
    assert not np.array_equal(clip, other)
    one, two = write(tmp_path / "a.mkv", clip), write(tmp_path / "b.mkv", other)
    assert np.array_equal(seen(one, words, picture), seen(two, words, picture))
    assert not np.array_equal(seen(one, "0,0,1,1", picture), seen(two, "0,0,1,1", picture))
