"""The painter: areas, edges and poses."""

import numpy as np
import pytest

from avsep_plugin.scenes.canvas import Brush, Pose, box, ellipse, stroke, to_frame


def _coverage(shape, area, pose, size=64):
    picture = np.zeros((3, size, size), dtype=np.float32)
    Brush(picture, pose).fill(area, shape, (1.0, 1.0, 1.0))
    return picture[0]


@pytest.mark.parametrize("tilt", [0.0, 0.6])
@pytest.mark.parametrize(
    ("shape", "area", "expected"),
    [
        (ellipse(0, 0, 1, 0.6), (-1, -0.6, 1, 0.6), np.pi * 0.6),
        (box(-1, -0.5, 1, 0.5), (-1, -0.5, 1, 0.5), 2.0),
        (stroke(-0.5, 0, 0.5, 0, 0.3), (-0.8, -0.3, 0.8, 0.3), 0.6 + np.pi * 0.09),
    ],
)
def test_painted_area_is_the_area_of_the_shape(shape, area, expected, tilt):
    pose = Pose(31.3, 32.6, 20.0, tilt)
    assert _coverage(shape, area, pose).sum() / 20.0**2 == pytest.approx(expected, rel=0.02)


def test_figure_moved_by_whole_pixels_is_painted_alike():
    shape, area = ellipse(0.1, 0, 0.8, 0.5), (-1, -1, 1, 1)
    here, there = _coverage(shape, area, Pose(20.3, 20.0, 9.0)), _coverage(shape, area, Pose(25.3, 27.0, 9.0))
    assert np.allclose(here[5:40, 5:40], there[12:47, 10:45], atol=1e-5)


def test_nothing_is_painted_outside_the_picture():
    assert _coverage(ellipse(0, 0, 1, 1), (-1, -1, 1, 1), Pose(-50.0, 10.0, 10.0)).sum() == 0


def test_within_cuts_the_shape_off():
    picture = np.zeros((3, 40, 40), dtype=np.float32)
    Brush(picture, Pose(20.0, 20.0, 10.0)).fill((-2, -2, 2, 2), ellipse(0, 0, 1.5, 1.5), (1, 1, 1), soft=1.0, within=box(-2, -2, 0, 2))
    assert picture[:, :, 21:].sum() == 0
    assert picture[:, 20, 15].min() > 0.5


def test_frame_is_rounded_to_eight_bits():
    frame = to_frame(np.full((3, 2, 4), 0.5, dtype=np.float32))
    assert frame.shape == (2, 4, 3)
    assert np.all(frame == 128)
