"""Rendered scenes: pictures, sound and truth agree exactly."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from avsep_plugin.errors import ConfigError
from avsep_plugin.scenes import (
    TEST_IDENTITIES,
    TRAIN_IDENTITIES,
    Ball,
    OffScreenNoise,
    OffScreenVoice,
    SceneConfig,
    Stage,
    Struck,
    TalkingFace,
    render,
)
from avsep_plugin.scenes.looks import FaceLook
from avsep_plugin.scenes.voice import Speaker

BUSY = SceneConfig(
    on_screen=(TalkingFace(1003, x=0.25, size=0.4), Ball(1001, x=0.6, reach=0.1), Struck(1002, "bar", x=0.8, size=0.3)),
    off_screen=(OffScreenVoice(1005), OffScreenNoise("wind")),
    seed=5,
    width=128,
    height=72,
    duration_seconds=Fraction(3, 5),
    sample_rate_hz=16000,
)
TALKER = SceneConfig(
    on_screen=(TalkingFace(1003),), seed=2, width=96, height=96, duration_seconds=Fraction(6, 5), sample_rate_hz=16000, channels=1
)


rendered = cache(render)
"""A scene depends on its config alone; what several tests look at is rendered once."""


def _rms(x):
    return float(np.sqrt(np.mean(x.astype(np.float64) ** 2)))


def test_shapes_and_types():
    scene = rendered(BUSY)
    assert scene.frames.shape == (15, 72, 128, 3)
    assert scene.frames.dtype == np.uint8
    assert scene.on.shape == scene.off.shape == (2, 9600)
    assert scene.on.dtype == scene.off.dtype == np.float32


def test_same_config_gives_same_scene():
    first, second = render(BUSY), rendered(BUSY)
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.on, second.on)
    assert np.array_equal(first.off, second.off)
    assert first.onsets == second.onsets


def test_other_seed_gives_other_scene():
    first, second = rendered(TALKER), rendered(replace(TALKER, seed=3))
    assert not np.array_equal(first.frames, second.frames)
    assert not np.array_equal(first.on, second.on)


def test_frames_one_by_one_are_the_rendered_frames():
    assert np.array_equal(np.stack(list(Stage(TALKER).frames())), rendered(TALKER).frames)


def test_mixture_is_the_sum_of_the_stems_and_in_range():
    scene = rendered(replace(BUSY, snr_db=-20.0))
    assert np.array_equal(scene.mixture, scene.on + scene.off)
    assert np.abs(scene.mixture).max() <= 0.99


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 12.0])
def test_stems_stand_at_the_wanted_ratio(snr_db):
    scene = rendered(replace(BUSY, snr_db=snr_db))
    assert 20 * np.log10(_rms(scene.on) / _rms(scene.off)) == pytest.approx(snr_db, abs=0.01)


def test_no_off_screen_source_means_silence_off_screen():
    assert not rendered(TALKER).off.any()


def test_sources_are_counted():
    truth = Stage(replace(BUSY, on_screen=(*BUSY.on_screen, TalkingFace(1009, x=0.5, speaks=False)))).truth
    assert (truth.source_count, truth.on_count) == (5, 3)


def test_late_sound_is_the_same_sound_and_earlier_pictures_are_cut():
    late = replace(TALKER, offset_seconds=Fraction(1, 5))
    plain, shifted = rendered(TALKER), rendered(late)
    assert np.array_equal(shifted.on, plain.on)
    assert np.array_equal(shifted.frames[:-5], plain.frames[5:])
    assert shifted.offset_seconds == Fraction(1, 5)


def test_early_sound_is_shifted_by_exactly_the_offset():
    early = replace(TALKER, offset_seconds=Fraction(-1, 5))
    plain, shifted = rendered(TALKER), rendered(early)
    assert np.array_equal(shifted.on[:, :-3200], plain.on[:, 3200:])
    assert np.array_equal(shifted.frames, plain.frames)


def test_onsets_move_with_the_sound():
    bell = replace(TALKER, on_screen=(Struck(1002, "bell"),), duration_seconds=Fraction(3))
    plain, early = Stage(bell).truth.onsets[0], Stage(replace(bell, offset_seconds=Fraction(-1, 4))).truth.onsets[0]
    moved = [onset - 0.25 for onset in plain if onset >= 0.25]
    assert early[: len(moved)] == pytest.approx(moved)


@pytest.mark.parametrize("source", [TalkingFace(1004), Ball(1001), Struck(1002, "drum")], ids=["face", "ball", "drum"])
def test_energy_rises_within_ten_milliseconds_of_each_onset(source):
    truth = Stage(replace(TALKER, on_screen=(source,), duration_seconds=Fraction(5), seed=1)).truth
    span = 160
    onsets = [round(onset * 16000) for onset in truth.onsets[0] if 0.02 < onset < 4.9]
    assert onsets
    for at in onsets:
        before, after = truth.on[0, max(0, at - 2 * span) : at - span], truth.on[0, at : at + 2 * span]
        assert _rms(after) > 1.2 * _rms(before) + 1e-4


def test_boxes_lie_inside_the_picture_and_have_an_area():
    edge = replace(BUSY, on_screen=(TalkingFace(1003, x=0.05, y=0.1, size=0.9), Ball(1001, x=0.95), Struck(1002, x=0.9, y=0.9)))
    for box in Stage(edge).truth.boxes:
        assert box.w > 0
        assert box.h > 0
        assert min(box.x, box.y) >= 0
        assert max(box.x + box.w, box.y + box.h) <= 1 + 1e-6


def test_mouth_lies_in_the_face_below_its_middle():
    scene = Stage(TALKER).truth
    face, mouth = scene.track(0, "face"), scene.track(0, "mouth")
    assert np.all(mouth[:, 0] >= face[:, 0])
    assert np.all(mouth[:, 0] + mouth[:, 2] <= face[:, 0] + face[:, 2])
    assert np.all(mouth[:, 1] + mouth[:, 3] <= face[:, 1] + face[:, 3])
    assert np.all(np.abs(mouth[:, 1] + mouth[:, 3] / 2 - 0.6) < 0.06)


def test_mouth_box_holds_the_motion_of_the_mouth():
    still = replace(TALKER, on_screen=(TalkingFace(1003, sway=0.0),), duration_seconds=Fraction(2))
    scene = rendered(still)
    boxes = scene.track(0, "mouth")
    left, top = boxes[:, 0].min(), boxes[:, 1].min()
    right, bottom = (boxes[:, 0] + boxes[:, 2]).max(), (boxes[:, 1] + boxes[:, 3]).max()
    motion = np.abs(np.diff(scene.frames.astype(np.float64), axis=0)).sum(axis=(0, 3))
    rows, columns = (np.arange(96)[:, None] + 0.5) / 96, (np.arange(96)[None] + 0.5) / 96
    inside = (rows > top - 0.01) & (rows < bottom + 0.01) & (columns > left - 0.01) & (columns < right + 0.01)
    below_eyes = rows > 0.47
    assert (motion * inside).sum() > 0.75 * (motion * below_eyes).sum()


def test_object_box_holds_all_motion_of_a_ball():
    scene = rendered(replace(TALKER, on_screen=(Ball(1001),), width=128, height=128))
    boxes = scene.track(0, "object") * 128
    for index in range(len(boxes) - 1):
        changed = np.argwhere(np.abs(np.diff(scene.frames[index : index + 2].astype(int), axis=0)).sum(axis=(0, 3)) > 60)
        changed = changed[changed[:, 0] < 0.8 * 128]  # the shadow on the table moves too
        pair = boxes[index : index + 2]
        assert np.all(changed[:, 1] >= pair[:, 0].min() - 2)
        assert np.all(changed[:, 1] <= (pair[:, 0] + pair[:, 2]).max() + 2)
        assert np.all(changed[:, 0] >= pair[:, 1].min() - 2)
        assert np.all(changed[:, 0] <= (pair[:, 1] + pair[:, 3]).max() + 2)


def test_mouth_in_the_picture_follows_the_voice_in_the_sound():
    truth = Stage(replace(TALKER, on_screen=(TalkingFace(1003, sway=0.0),), duration_seconds=Fraction(4))).truth
    heights = truth.track(0, "mouth")[:, 3]
    loudness = np.sqrt(np.mean(truth.on[0].reshape(len(heights), -1).astype(np.float64) ** 2, axis=1))
    assert np.corrcoef(heights, loudness)[0, 1] > 0.6


def test_listening_face_is_silent_and_keeps_its_mouth_shut():
    truth = Stage(replace(TALKER, on_screen=(TalkingFace(1003, speaks=False, sway=0.0),))).truth
    assert not truth.on.any()
    assert np.ptp(truth.track(0, "mouth"), axis=0).max() == 0


def test_source_on_the_left_is_louder_on_the_left():
    scene = Stage(replace(TALKER, channels=2, on_screen=(TalkingFace(1003, x=0.2),))).truth
    assert _rms(scene.on[0]) > 1.2 * _rms(scene.on[1])


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_number_of_channels(channels):
    assert Stage(replace(BUSY, channels=channels)).truth.on.shape[0] == channels


def test_odd_frame_rates_and_lengths():
    config = replace(TALKER, frame_rate=Fraction(30000, 1001), duration_seconds=Fraction(1001, 3000), sample_rate_hz=44100)
    scene = rendered(config)
    assert scene.frames.shape[0] == 10
    assert scene.on.shape == (1, round(44100 * Fraction(1001, 3000)))


def test_split_identities_are_disjoint():
    assert not set(TRAIN_IDENTITIES) & set(TEST_IDENTITIES)


def test_identity_of_the_other_split_is_refused():
    with pytest.raises(ConfigError, match="train split"):
        replace(TALKER, split="train")
    with pytest.raises(ConfigError, match="test split"):
        replace(TALKER, on_screen=(TalkingFace(5),))
    with pytest.raises(ConfigError, match="test split"):
        replace(TALKER, off_screen=(OffScreenVoice(5),))


def test_no_two_identities_look_or_sound_alike():
    people = [*TRAIN_IDENTITIES, *TEST_IDENTITIES]
    assert len({FaceLook.of(identity) for identity in people}) == len(people)
    assert len({Speaker.of(identity) for identity in people}) == len(people)


@pytest.mark.parametrize(
    "change",
    [{"width": 4}, {"duration_seconds": Fraction(0)}, {"sample_rate_hz": 10}, {"channels": 0}, {"seed": -1}, {"split": "val"}],
    ids=lambda change: next(iter(change)),
)
def test_bad_settings_are_refused(change):
    with pytest.raises(ConfigError):
        replace(TALKER, **change)
