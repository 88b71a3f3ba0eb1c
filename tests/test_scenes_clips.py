"""Ready-made scenes keep to their split and promise."""

from fractions import Fraction

import numpy as np
import pytest

from avsep_plugin.scenes import TEST_IDENTITIES, TRAIN_IDENTITIES, OffScreenVoice, Stage, demo_config, random_config, training_clip


def test_training_clip_is_one_voice_of_the_training_split():
    clip = training_clip(4, seconds=0.4, size=48, sample_rate_hz=16000)
    assert clip.identity in TRAIN_IDENTITIES
    assert clip.frames.shape == (10, 48, 48, 3)
    assert clip.audio.shape == (1, 6400)


def test_training_clip_depends_on_its_seed_alone():
    first, second, other = (training_clip(seed, seconds=0.4, size=32, sample_rate_hz=16000) for seed in (1, 1, 2))
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.audio, second.audio)
    assert not np.array_equal(first.frames, other.frames)


def test_training_clips_show_many_people():
    assert len({training_clip(seed, seconds=0.04, size=16, sample_rate_hz=8000).identity for seed in range(20)}) > 15


def test_demo_is_a_talker_against_another_voice_and_noise_at_0_db():
    config = demo_config(duration_seconds=Fraction(2))
    truth = Stage(config).truth
    levels = [np.sqrt(np.mean(stem.astype(np.float64) ** 2)) for stem in (truth.on, truth.off)]
    assert levels[0] == pytest.approx(levels[1], rel=1e-3)
    assert (config.width, config.height, config.frame_rate, truth.source_count) == (640, 360, 25, 3)


def test_demo_people_are_two_of_the_test_split():
    config = demo_config()
    people = {source.identity for source in (*config.on_screen, *config.off_screen) if hasattr(source, "identity")}
    assert len(people) == 2
    assert people <= set(TEST_IDENTITIES)


@pytest.mark.parametrize("split", ["train", "test"])
def test_random_scenes_are_valid_and_of_all_kinds(split):
    configs = [random_config(seed, split) for seed in range(40)]
    assert len({type(config.on_screen[0]) for config in configs}) == 3
    assert {any(isinstance(o, OffScreenVoice) for o in config.off_screen) for config in configs} == {True, False}
