"""Figures of merit of a heat map: closed forms, floors and ceilings."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from avsep_plugin.clip import HeatMap
from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig
from avsep_plugin.models.fused import Aligner
from avsep_plugin.scenes import SceneConfig, TalkingFace, render
from avsep_plugin.training import evaluate_localize, localize_scenes
from avsep_plugin.training import localize_floors as floors
from avsep_plugin.training.evaluate_localize import LocalizeResults
from avsep_plugin.training.localize_score import (
    RASTER,
    SceneScore,
    SoundingBox,
    above_half,
    auc,
    box_mask,
    iou,
    on_raster,
    pointing,
    score,
    top_half,
)

SMALL = FusedConfig(
    audio_widths=(4, 4, 4, 4), audio_kernels=(9, 5), audio_fused_width=6, video_width=4, video_kernel=(3, 3, 3), fusion_width=8,
    trunk_widths=(6, 8, 8), last_spatial_stride=1,
)  # fmt: skip
WHOLE = (0.0, 0.0, 1.0, 1.0)
LEFT = SoundingBox(0, 1, (0.0, 0.0, 0.5, 1.0))
RIGHT = SoundingBox(1, 2, (0.5, 0.0, 0.5, 1.0))


def tiny_aligner() -> Aligner:
    torch.manual_seed(0)
    picture = PictureConfig(Fraction(25), stored_size=32, crop_size=32, fit="crop", channels=1)
    return Aligner(ModelConfig(task="align", sample_rate_hz=16000, picture=picture, fused=SMALL, pooling="max")).eval()


def heat(values: np.ndarray) -> HeatMap:
    return HeatMap(values.astype(np.float32), Fraction(1))


def test_boxes_that_overlap_are_counted_once() -> None:
    boxes = [LEFT, SoundingBox(0, 1, (0.25, 0.0, 0.5, 1.0))]
    assert box_mask(boxes).mean() == 0.75


def test_a_map_over_a_part_of_the_picture_says_nothing_of_the_rest() -> None:
    level = on_raster(np.ones((2, 2), np.float32), (0.5, 0.0, 0.25, 1.0))
    assert level.mean() == 0.25
    assert level[:, 64:96].min() == 1


def test_cells_keep_their_centres() -> None:
    level = on_raster(np.arange(4, dtype=np.float32)[None], WHOLE)[0]
    np.testing.assert_allclose(level, np.clip((np.arange(128) + 0.5) / 32 - 0.5, 0, 3), atol=1e-5)


def test_pointing_shares_its_hit_among_the_highest_places() -> None:
    truth = box_mask([LEFT])
    assert pointing(np.ones(RASTER, np.float32), truth) == 0.5
    assert pointing(truth.astype(np.float32), truth) == 1


def test_a_map_that_is_the_box_is_perfect() -> None:
    truth = box_mask([SoundingBox(0, 1, (0.25, 0.25, 0.5, 0.5))])
    level = truth.astype(np.float32)
    assert iou(above_half(level), truth) == 1
    assert auc(1.0) == 1


def test_half_of_the_pixels_are_kept_by_rank() -> None:
    level = np.arange(np.prod(RASTER), dtype=np.float32).reshape(RASTER)
    assert top_half(level).mean() == 0.5
    assert top_half(np.zeros(RASTER, np.float32)).all()


def test_no_positive_evidence_is_an_empty_map() -> None:
    assert not above_half(-np.ones(RASTER, np.float32)).any()


def test_the_floor_of_the_whole_image_is_the_boxes_coverage() -> None:
    """Everything has the IoU that the boxes cover, and AUC is the mean IoU, in steps of 0.05. So on Flickr-SoundNet, whose consensus boxes
    make the whole image's cIoU (sum g / (sum g + pixels outside) = 0.46 / 0.95) about 0.485, its AUC is 48.7 and its success 47.4 %."""
    covers = np.linspace(0.02, 0.95, 94)
    overlaps = [iou(np.ones(RASTER, bool), box_mask([SoundingBox(0, 1, (0.0, 0.0, float(c), 1.0))])) for c in covers]
    np.testing.assert_allclose(overlaps, covers, atol=0.01)
    assert np.mean([overlap >= 0.5 for overlap in overlaps]) == pytest.approx(0.485, abs=0.02)
    assert np.mean([auc(overlap) for overlap in overlaps]) == pytest.approx(0.485, abs=0.01)


def test_the_floor_of_noise_at_half_of_its_height_is_half_of_the_boxes() -> None:
    """A random 14x14 map above half of its height covers half of the picture and knows nothing: it reaches 0.5 nowhere, as recorded there
    (0.0 to 0.8 %), and its AUC on boxes of 46 % is |A and B| / |A or B| = 0.23 / 0.73."""
    rng = np.random.default_rng(0)
    truth = box_mask([SoundingBox(0, 1, (0.0, 0.0, 0.46, 1.0))])
    overlaps = [iou(above_half(on_raster(rng.random((14, 14), np.float32), WHOLE)), truth) for _ in range(50)]
    assert max(overlaps) < 0.5
    assert np.mean([auc(overlap) for overlap in overlaps]) == pytest.approx(0.315, abs=0.03)


def test_only_the_time_in_which_something_sounds_counts() -> None:
    values = np.zeros((4, 1, 2))
    values[:, 0, 0] = 1
    found = score("k", 0, "own", heat(values), [LEFT, RIGHT])
    assert found is not None
    assert (found.cells, found.pointing, found.success_half, found.evidence) == (2, 0.5, 0.5, 1)


def test_a_silent_scene_gives_no_figure() -> None:
    assert score("k", 0, "own", heat(np.zeros((4, 1, 2))), []) is None


def test_the_oracle_hits_and_the_whole_image_hits_by_chance() -> None:
    like = heat(np.zeros((2, 9, 16)))
    oracle, whole = (score("k", 0, "", m, [LEFT, RIGHT]) for m in (floors.oracle(like, [LEFT, RIGHT]), floors.whole_image(like)))
    assert oracle is not None
    assert whole is not None
    assert (oracle.pointing, oracle.success_half) == (1, 1)
    assert (whole.pointing, whole.success_half) == (0.5, 1)


def test_the_centre_is_the_highest_place_of_its_gaussian() -> None:
    hill = floors.centre_gaussian(heat(np.zeros((1, 9, 15)))).values[0]
    assert np.unravel_index(hill.argmax(), hill.shape) == (4, 7)
    np.testing.assert_allclose(hill, hill[::-1, ::-1])


def test_motion_is_found_where_and_when_it_is() -> None:
    frames = np.zeros((50, 36, 64, 3), np.uint8)
    frames[25::2, :18, :32] = 255  # flickers in the second second, in the upper left quarter
    moved = floors.motion_energy(heat(np.zeros((2, 2, 2))), frames, 25.0).values
    assert moved[1, 0, 0] > 100
    assert moved.sum() == moved[1, 0, 0]


def test_the_mean_over_scenes_counts_every_scene_alike() -> None:
    scenes = [SceneScore("k", i, "own", 1.0 - i, 0, 0, 0, 0, 1, cells=1 + 98 * i) for i in range(2)]
    assert LocalizeResults(scenes).mean("k", "own", "pointing").value == 50


@pytest.mark.parametrize("kind", list(localize_scenes.SCENES))
def test_scenes_of_one_seed_are_the_same_and_of_two_differ(kind: str) -> None:
    make = localize_scenes.SCENES[kind]
    assert make(3) == make(3)
    assert make(3) != make(4)
    assert make(3).split == "test"


def test_of_two_faces_one_talks() -> None:
    for seed in range(5):
        assert sorted(face.speaks for face in localize_scenes.talker_and_listener(seed).on_screen) == [False, True]


def test_every_row_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(seed: int) -> SceneConfig:
        return SceneConfig((TalkingFace(1000),), seed=seed, width=96, height=64, duration_seconds=Fraction(1))

    monkeypatch.setitem(localize_scenes.SCENES, "talker", small)
    results = evaluate_localize.evaluate_localize(tiny_aligner(), tmp_path, ["talker"], scenes=1)
    assert [scene.row for scene in results.scenes] == list(evaluate_localize.ROWS)
    assert results.mean("talker", "oracle", "success_half").value == 100
    assert all(title in (tmp_path / "localize.md").read_text() for title in evaluate_localize.ROWS.values())


def test_silence_is_not_the_scene_s_sound() -> None:
    scene = render(SceneConfig((TalkingFace(1000),), width=96, height=64, duration_seconds=Fraction(1)))
    model: Aligner = tiny_aligner()
    found = evaluate_localize.maps(model, scene, scene.mixture * 0, [])
    np.testing.assert_array_equal(found["swapped"].values, found["silence"].values)
    assert not np.array_equal(found["own"].values, found["silence"].values)
