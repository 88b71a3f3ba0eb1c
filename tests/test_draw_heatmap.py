"""The original's drawing of a heat map."""

import numpy as np
import pytest

from avsep_plugin.draw.colours import colour_table
from avsep_plugin.draw.heatmap import original_heat_map, resize_aligned


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
