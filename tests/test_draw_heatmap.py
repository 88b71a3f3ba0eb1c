"""The original's drawing of a heat map."""

import numpy as np
import pytest

from avsep_plugin.draw.colours import colour_table
from avsep_plugin.draw.heatmap import OriginalDrawing, original_heat_map, resize_aligned


def frames(count: int = 3, height: int = 12, width: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def test_a_flat_zero_map_leaves_the_frames_untouched() -> None:
    pictures = frames()
    assert np.array_equal(original_heat_map(pictures, np.zeros((2, 4, 4))), pictures)


def test_values_under_half_the_maximum_are_not_coloured() -> None:
    pictures = frames()
    cam = np.full((2, 4, 4), 0.4)
    assert np.array_equal(original_heat_map(pictures, cam, adaptive=False, max_value=1.0), pictures)


def test_full_values_give_the_last_colour_at_the_highest_opacity() -> None:
    pictures = np.zeros((1, 6, 6, 3), np.uint8)
    drawn = original_heat_map(pictures, np.full((1, 2, 2), 10.0), adaptive=False, max_value=1.0)
    assert drawn[0, 3, 3].tolist() == [int(255 * 0.5 * 0.35), 0, 0]


def test_evidence_against_is_drawn_like_evidence_for() -> None:
    pictures, cam = frames(), np.random.default_rng(1).normal(size=(2, 5, 5))
    assert np.array_equal(original_heat_map(pictures, cam), original_heat_map(pictures, -cam))


def test_an_adaptive_map_does_not_depend_on_its_scale() -> None:
    pictures, cam = frames(), np.random.default_rng(2).random((2, 5, 5)) * 1e4
    difference = original_heat_map(pictures, cam).astype(int) - original_heat_map(pictures, 8 * cam)
    assert np.abs(difference).max() <= 1


def test_time_is_interpolated_from_the_start_of_a_cell() -> None:
    pictures = np.zeros((4, 4, 4, 3), np.uint8)
    cam = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    drawn = original_heat_map(pictures, cam, adaptive=False, max_value=1.0)
    # Frames lie at cells 0, 0.5, 1, 1.5 (held); a value of one half is the lowest that counts.
    assert [bool(frame.any()) for frame in drawn] == [False, False, True, True]


def test_resizing_keeps_the_corners() -> None:
    values = np.random.default_rng(3).random((3, 5))
    large = resize_aligned(values, 40, 60)
    assert np.allclose(large[::39, ::59], values[::2, ::4])


def test_resizing_keeps_a_plane() -> None:
    plane = np.add.outer(np.arange(4.0), 2 * np.arange(3.0))
    expected = np.add.outer(np.linspace(0, 3, 31), np.linspace(0, 4, 21))
    assert np.allclose(resize_aligned(plane, 31, 21), expected)


def test_jet_begins_dark_blue_and_ends_dark_red() -> None:
    table = colour_table("jet")
    assert table[0].tolist() == [0.0, 0.0, 0.5]
    assert table[-1].tolist() == [0.5, 0.0, 0.0]


def test_frames_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="need frames"):
        original_heat_map(np.zeros((4, 4, 3), np.uint8), np.zeros((1, 2, 2)))


def laid(drawing: OriginalDrawing, picture: np.ndarray, position: float, down: slice, across: slice) -> np.ndarray:
    """The patch over a picture, blended in exact numbers."""
    patch = drawing.patch(down, across, position)
    if patch is None:
        return picture.astype(float)
    assert patch.left % 2 == patch.top % 2 == 0
    result = picture.astype(float)
    part = result[patch.top : patch.top + patch.rgba.shape[0], patch.left : patch.left + patch.rgba.shape[1]]
    rgba = patch.rgba[: part.shape[0], : part.shape[1]].astype(float)
    part += (rgba[..., :3] - part) * rgba[..., 3:] / 255
    return result


@pytest.mark.parametrize("size", [(144, 256), (143, 201), (300, 64)])
@pytest.mark.parametrize("cells", [(9, 16), (2, 2), (1, 1), (1, 5)])
def test_a_patch_is_the_drawing(size: tuple[int, int], cells: tuple[int, int]) -> None:
    random = np.random.default_rng(4)
    picture = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    drawing = OriginalDrawing(random.normal(size=(3, *cells)))
    for position in (-1.0, 0.0, 0.3, 1.9, 5.0):
        expected = drawing.draw(picture, position).astype(float)
        got = laid(drawing, picture, position, slice(0, size[0]), slice(0, size[1]))
        assert np.abs(got - 0.5 - expected).max() <= 1.7  # rounded colour and opacity 1.2, and the original cuts off the fraction


def test_a_patch_of_half_the_size_has_the_values_between_the_pixels() -> None:
    """Each field is the mean of the places of its pixels, where the stretching puts it back."""
    drawing = OriginalDrawing(np.linspace(0.0, 1.0, 4).reshape(1, 1, 4).repeat(2, axis=1), adaptive=False, max_value=1.0)
    whole, half = (drawing.patch(slice(0, 128), slice(0, 256), 0.0, scale=scale) for scale in (1, 2))
    assert whole is not None
    assert half is not None
    assert (half.left, half.top, half.scale) == (whole.left, whole.top, 2)
    pairs = whole.rgba.reshape(64, 2, whole.rgba.shape[1] // 2, 2, 4).mean(axis=(1, 3))
    assert np.abs(half.rgba - pairs).max() <= 3


@pytest.mark.parametrize(
    ("down", "across"), [(slice(31, 90), slice(17, 200)), (slice(-40, 180), slice(-7, 300)), (slice(0, 144), slice(130, 400))]
)
def test_a_patch_lies_where_the_map_does(down: slice, across: slice) -> None:
    picture = np.random.default_rng(5).integers(0, 256, (144, 256, 3), dtype=np.uint8)
    drawing = OriginalDrawing(np.random.default_rng(6).normal(size=(1, 4, 6)))
    whole = np.zeros((down.stop - down.start, across.stop - across.start, 3), np.uint8)
    inside = slice(max(down.start, 0), min(down.stop, 144)), slice(max(across.start, 0), min(across.stop, 256))
    place = tuple(slice(kept.start - part.start, kept.stop - part.start) for kept, part in zip(inside, (down, across), strict=True))
    whole[place] = picture[inside]
    expected = picture.astype(float)
    expected[inside] = drawing.draw(whole, 0.0)[place]
    assert np.abs(laid(drawing, picture, 0.0, down, across) - 0.5 - expected).max() <= 1.7


def test_a_patch_covers_what_is_drawn_on_and_little_else() -> None:
    cam = np.zeros((1, 9, 16))
    cam[0, 4, 8] = 1.0
    patch = OriginalDrawing(cam, adaptive=False, max_value=1.0).patch(slice(0, 720), slice(0, 1280), 0.0)
    assert patch is not None
    assert (patch.left, patch.top) == (576, 256)  # 7 * 1279 / 15 = 597, 3 * 719 / 8 = 270, at multiples of 64
    assert patch.rgba.shape == (256, 192, 4)


def test_a_patch_knows_the_steps_of_its_shot_only() -> None:
    drawing = OriginalDrawing(np.array([0.0, 1.0, 0.0]).reshape(3, 1, 1).repeat(2, axis=1), adaptive=False, max_value=1.0)
    drawn = [drawing.patch(slice(0, 64), slice(0, 64), 0.9, steps) is not None for steps in (None, slice(0, 1), slice(1, 3), slice(2, 3))]
    assert drawn == [True, False, True, False]
    assert drawing.patch(slice(0, 64), slice(0, 64), 0.9, slice(3, 3)) is None


def test_what_lies_beside_the_picture_is_no_patch() -> None:
    drawing = OriginalDrawing(np.array([[[1.0, 0.0, 0.0, 0.0]] * 2]), adaptive=False, max_value=1.0)
    assert drawing.patch(slice(0, 64), slice(-300, 64), 0.0) is None
    assert drawing.patch(slice(0, 64), slice(-20, 344), 0.0) is not None


def test_nothing_strong_enough_is_no_patch() -> None:
    weak, flat = OriginalDrawing(np.full((1, 2, 2), 0.4), adaptive=False, max_value=1.0), OriginalDrawing(np.zeros((1, 2, 2)))
    assert (weak.patch(slice(0, 64), slice(0, 64), 0.0), flat.patch(slice(0, 64), slice(0, 64), 0.0)) == (None, None)
