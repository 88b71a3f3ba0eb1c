"""The overlay for editors."""

import numpy as np
import pytest

from avsep_plugin.draw.colours import colour_table
from avsep_plugin.draw.overlay import overlay


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def coloured(drawn: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return (drawn != frame).any(axis=2)


def test_no_evidence_leaves_the_picture_as_it_is() -> None:
    frame = picture()
    assert np.array_equal(overlay(frame, np.zeros((7, 7), np.float32)), frame)


def test_negative_values_count_as_none() -> None:
    frame = picture()
    assert np.array_equal(overlay(frame, np.full((3, 3), -2.0, np.float32)), frame)


def test_the_frame_itself_is_not_touched() -> None:
    frame = picture()
    before = frame.copy()
    overlay(frame, np.ones((2, 2), np.float32))
    assert np.array_equal(frame, before)


def test_only_the_area_is_coloured() -> None:
    frame = np.zeros((40, 60, 3), np.uint8)
    mask = coloured(overlay(frame, np.ones((3, 3), np.float32), (0.25, 0.5, 0.5, 0.25)), frame)
    expected = np.zeros((40, 60), bool)
    expected[20:30, 15:45] = True
    assert np.array_equal(mask, expected)


def test_an_area_past_the_edges_is_cut_and_not_squeezed() -> None:
    frame = np.zeros((40, 60, 3), np.uint8)
    values = np.array([[1.0, 1.0, 0.0, 0.0]], np.float32)
    mask = coloured(overlay(frame, values, (-0.5, 0.0, 2.0, 1.0)), frame)
    # Cells are half a picture wide; the second one covers the left half, the third one has its centre at 3/4.
    assert mask[:, :14].all()
    assert not mask[:, 46:].any()


def test_an_area_outside_the_picture_draws_nothing() -> None:
    frame = picture()
    assert np.array_equal(overlay(frame, np.ones((3, 3), np.float32), (1.5, 0.0, 0.5, 1.0)), frame)


def test_the_strongest_colour_lies_at_the_centre_of_its_cell() -> None:
    frame = np.zeros((50, 70, 3), np.uint8)
    values = np.zeros((5, 7), np.float32)
    values[3, 1] = 1.0
    drawn = overlay(frame, values).astype(int).sum(axis=2)
    rows, columns = np.nonzero(drawn == drawn.max())
    assert (rows.mean(), columns.mean()) == pytest.approx((34.5, 14.5), abs=0.5)


def test_equal_values_give_one_flat_colour() -> None:
    frame = np.full((30, 30, 3), 90, np.uint8)
    drawn = overlay(frame, np.full((4, 4), 0.7, np.float32))
    assert np.ptp(drawn.reshape(-1, 3), axis=0).max() <= 1


def test_more_evidence_hides_more_of_the_picture() -> None:
    ramp = np.linspace(0, 1, 9, dtype=np.float32)[None, :]
    black, white = np.zeros((8, 180, 3), np.uint8), np.full((8, 180, 3), 255, np.uint8)
    let_through = overlay(white, ramp)[4].astype(int) - overlay(black, ramp)[4]
    assert (np.diff(let_through.max(axis=1)) <= 1).all()
    assert let_through[-1].max() < 110


def test_the_lightness_of_the_colours_rises_evenly() -> None:
    linear = np.where(colour_table("lagoon") <= 0.04045, colour_table("lagoon") / 12.92, ((colour_table("lagoon") + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
    assert np.diff(lightness).min() > 0
    assert np.abs(lightness - np.linspace(lightness[0], lightness[-1], 256)).max() < 1.5


def test_unknown_colours_are_refused() -> None:
    with pytest.raises(KeyError, match="lagoon"):
        overlay(picture(), np.ones((2, 2), np.float32), colours="rainbow")


def test_values_of_the_wrong_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="values"):
        overlay(picture(), np.ones((2, 2, 2), np.float32))
