"""Patches, and how they lie on the planes of a picture: as the plain drawing in RGB would have it."""

import av
import numpy as np
import pytest
from PIL import Image
from sighted import from_rgb, to_rgb

from avsep_plugin.draw.colours import colour_table
from avsep_plugin.draw.grid import Canvas, cell_weights, fitting_scale
from avsep_plugin.draw.legend import legend
from avsep_plugin.draw.paint import MAX_OPACITY, Painter, Patch, rising
from avsep_plugin.media.planes import Layer, copied, doubled, hd_tags, plane

SIZE = (320, 240)
AREA = (0.1, 0.2, 0.7, 0.6)


def photo(width: int = SIZE[0], height: int = SIZE[1]) -> av.VideoFrame:
    """Soft colours, which 4:2:0 can hold."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([60 + 100 * x / width, 60 + 100 * y / height, 120 + 0 * x], axis=2).astype(np.uint8)
    return from_rgb(rgb, hd_tags(av.VideoFrame(width, height, "yuv420p")))


def cells() -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.5, 1, (4, 5)).astype(np.float32).clip(0)


def overlaid(picture: np.ndarray, levels: np.ndarray, area: tuple[float, float, float, float]) -> np.ndarray:
    """The plain drawing: every pixel takes its level's colour, as opaque as the level is high."""
    left, top, width, height = area
    rows, down = cell_weights((np.arange(picture.shape[0]) + 0.5) / picture.shape[0], levels.shape[0], top, height)
    columns, across = cell_weights((np.arange(picture.shape[1]) + 0.5) / picture.shape[1], levels.shape[1], left, width)
    level = down @ levels @ across.T
    opacity = MAX_OPACITY * rising(level)[..., None]
    drawn = picture.astype(float)
    drawn[rows, columns] += opacity * (255 * colour_table("lagoon")[np.round(255 * level).astype(int)] - drawn[rows, columns])
    return drawn


def opacities(levels: list[list[float]], area: tuple[float, float, float, float], width: int = 96, height: int = 64) -> np.ndarray:
    """[height, width] of what is painted, field by field."""
    values = np.array(levels, np.float32)
    patch = Painter(width, height, values.shape, area).heat(values)
    alpha = np.zeros((height, width), int)
    if patch is not None:
        painted = patch.rgba[..., 3].repeat(patch.scale, axis=0).repeat(patch.scale, axis=1)
        alpha[patch.top : patch.top + painted.shape[0], patch.left : patch.left + painted.shape[1]] = painted
    return alpha


def test_planes_are_drawn_as_rgb_would_be() -> None:
    frame = photo()
    expected = overlaid(to_rgb(frame), cells(), AREA)
    patch = Painter(*SIZE, (4, 5), AREA).heat(cells())
    assert patch is not None
    drawn = copied(frame)
    Layer().lay(patch, drawn)
    difference = np.abs(to_rgb(drawn) - expected).max(axis=2)
    edge = np.zeros(difference.shape, bool)
    for side in (0.1 * SIZE[0], 0.8 * SIZE[0]):
        edge[:, round(side) - 8 : round(side) + 8] = True
    for side in (0.2 * SIZE[1], 0.8 * SIZE[1]):
        edge[round(side) - 8 : round(side) + 8] = True  # there the patch fades over a field
    assert difference[~edge].max() <= 16
    assert difference[~edge].mean() < 1.5


def test_no_evidence_is_no_patch() -> None:
    painter = Painter(*SIZE, (4, 5), AREA)
    nothing = np.full((4, 5), -1, np.float32)
    assert (painter.heat(nothing), painter.contours(nothing)) == (None, None)


def test_only_the_area_is_painted() -> None:
    expected = np.zeros((64, 96), bool)
    expected[32:48, 24:72] = True
    assert np.array_equal(opacities([[1, 1], [1, 1]], (0.25, 0.5, 0.5, 0.25)) > 0, expected)


def test_an_area_past_the_edges_is_cut_and_not_squeezed() -> None:
    # Cells are half a picture wide; the second one covers the left half, the third one has its centre at 3/4.
    alpha = opacities([[1, 1, 0, 0]], (-0.5, 0.0, 2.0, 1.0))
    assert alpha[:, :22].min() == alpha.max()
    assert not alpha[:, 74:].any()


def test_an_area_outside_the_picture_paints_nothing() -> None:
    assert not opacities([[1]], (1.5, 0.0, 0.5, 1.0)).any()


def test_the_strongest_colour_lies_at_the_centre_of_its_cell() -> None:
    levels = np.zeros((4, 6))
    levels[2, 1] = 1
    alpha = opacities(levels.tolist(), (0, 0, 1, 1))
    assert np.argwhere(alpha == alpha.max()).mean(axis=0) == pytest.approx((2.5 * 16, 1.5 * 16), abs=1)


def test_equal_levels_give_one_flat_colour() -> None:
    patch = Painter(*SIZE, (4, 5), (0, 0, 1, 1)).heat(np.full((4, 5), 0.6, np.float32))
    assert patch is not None
    assert not np.ptp(patch.rgba.reshape(-1, 4), axis=0).any()


def test_the_lightness_of_the_colours_rises_evenly() -> None:
    table = colour_table("lagoon")
    linear = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
    assert np.diff(lightness).min() > 0
    assert np.abs(lightness - np.linspace(lightness[0], lightness[-1], 256)).max() < 1.5


def test_unknown_colours_are_refused() -> None:
    with pytest.raises(KeyError, match="lagoon"):
        colour_table("rainbow")


def test_a_patch_covers_what_is_drawn_on_and_little_else() -> None:
    levels = np.full((9, 16), -1, np.float32)
    levels[2, 3] = 1
    patch = Painter(1280, 720, (9, 16), (0, 0, 1, 1)).heat(levels)
    assert patch is not None
    rows, columns = patch.rgba.shape[0] * patch.scale, patch.rgba.shape[1] * patch.scale
    # The cell lies at 240 to 320, 160 to 240; its colour reaches to the centres of its neighbours at most.
    assert (patch.left <= 240, patch.left + columns >= 320, columns <= 256) == (True, True, True)
    assert (patch.top <= 160, patch.top + rows >= 240, rows <= 256) == (True, True, True)
    assert patch.left % 2 == patch.top % 2 == 0


def test_only_the_patch_changes() -> None:
    frame = photo()
    drawn = copied(frame)
    Layer().lay(Patch(np.tile(np.array([250, 20, 20, 200], np.uint8), (8, 8, 1)), 32, 16, 2), drawn)
    for index, half in ((0, 1), (1, 2), (2, 2)):
        changed = plane(drawn, index) != plane(frame, index)
        assert changed[16 // half : 32 // half, 32 // half : 48 // half].mean() > 0.9
        changed[16 // half : 32 // half, 32 // half : 48 // half] = False
        assert not changed.any()


def test_a_patch_may_reach_past_the_edge() -> None:
    frame = copied(photo(64, 48))
    Layer().lay(Patch(np.full((40, 40, 4), 255, np.uint8), 32, 16, 2), frame)
    assert (plane(frame, 0)[20:, 36:] > 225).all()


def test_strength_decides_the_opacity() -> None:
    weak, strong = (Painter(*SIZE, (1, 1), (0, 0, 1, 1), opacity=0.5).heat(np.full((1, 1), v, np.float32)) for v in (0.3, 1.0))
    assert weak is not None
    assert strong is not None
    assert weak.rgba[..., 3].max() < strong.rgba[..., 3].max() == 128


def test_contours_lie_at_even_places_and_mark_the_threshold() -> None:
    patch = Painter(*SIZE, (1, 4), AREA).contours(np.array([[-1, 1, 1, -1]], np.float32))
    assert patch is not None
    assert patch.left % 2 == patch.top % 2 == 0
    lines = patch.rgba[patch.rgba.shape[0] // 2, :, 3] > 200
    crossings = patch.left + np.flatnonzero(np.diff(lines.astype(int)) == 1)
    assert len(crossings) == 6  # up through three levels and down again
    assert np.abs(crossings - crossings[::-1].mean() + (crossings[::-1] - crossings.mean())).max() <= 3  # alike on both sides


def test_side_by_side_is_both() -> None:
    both = doubled(photo())
    assert (both.width, both.height) == (640, 240)
    for index in range(3):
        assert np.array_equal(*np.split(plane(both, index), 2, axis=1))
        assert np.array_equal(np.split(plane(both, index), 2, axis=1)[0], plane(photo(), index))


def test_a_patch_can_be_laid_further_to_the_right() -> None:
    patch = Patch(np.tile(np.array([250, 20, 20, 200], np.uint8), (8, 8, 1)), 32, 16, 2)
    both, alone = doubled(photo()), copied(photo())
    Layer().lay(patch, both, right=320)
    Layer().lay(patch, alone)
    for index in range(3):
        left, right = np.split(plane(both, index), 2, axis=1)
        assert np.array_equal(left, plane(photo(), index))
        assert np.array_equal(right, plane(alone, index))


def test_weights_add_up_to_one() -> None:
    places, weights = cell_weights((np.arange(100) + 0.5) / 100, 7, 0.1, 0.5)
    assert (places.start, places.stop) == (10, 60)
    assert weights.sum(axis=1) == pytest.approx(np.ones(50))


@pytest.mark.parametrize(("size", "scale"), [((64, 48), 2), ((640, 360), 4), ((1280, 720), 8), ((1080, 1920), 16), ((3840, 2160), 16)])
def test_scale_goes_with_the_picture(size: tuple[int, int], scale: int) -> None:
    assert fitting_scale(*size) in (scale, scale // 2)
    canvas = Canvas(*size, (3, 3), (0, 0, 1, 1), fitting_scale(*size))
    assert canvas.rows * canvas.scale >= size[1]


@pytest.mark.parametrize("kind", ["heat", "heat-only", "contours", "original"])
def test_legend_lies_in_the_lower_left_corner(kind: str) -> None:
    patch = legend(640, 360, kind, "other.wav")  # type: ignore[arg-type]
    assert patch is not None
    rows, columns = patch.rgba.shape[:2]
    assert (patch.left + columns < 640, patch.top + rows <= 360, patch.top > 180) == (True, True, True)
    assert np.unique(np.array(Image.fromarray(patch.rgba).convert("RGB")).reshape(-1, 3), axis=0).shape[0] > 3


def test_small_pictures_have_no_legend() -> None:
    assert legend(64, 48) is None


def test_names_in_the_legend_cannot_do_harm() -> None:
    odd = legend(1280, 720, "heat", "a\n\x1b[31m\u202e" + "x" * 500)
    assert odd is not None
    assert odd.rgba.shape[1] < 1280
