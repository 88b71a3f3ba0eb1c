"""Scenes as files: what is decoded is what was rendered."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from avsep_plugin.errors import OutputError
from avsep_plugin.scenes import OffScreenNoise, SceneConfig, TalkingFace, render, write_scene

CONFIG = SceneConfig(
    on_screen=(TalkingFace(1003),), off_screen=(OffScreenNoise("hum"),), width=96, height=64, duration_seconds=Fraction(3, 5)
)


def _decode(path):
    with av.open(str(path)) as container:
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    channels = CONFIG.channels
    sound = np.concatenate([block if block.shape[0] == channels else block.reshape(-1, channels).T for block in blocks], axis=1)
    return pictures, sound if sound.dtype.kind == "f" else sound / 2.0 ** (8 * sound.dtype.itemsize - 1)


@pytest.mark.parametrize(("suffix", "bits"), [(".mov", 24), (".mkv", 16), (".avi", 16)])
def test_lossless_containers_hold_the_mixture_to_half_a_level(tmp_path, suffix, bits):
    scene = render(CONFIG)
    write_scene(scene, tmp_path / f"scene{suffix}")
    _, sound = _decode(tmp_path / f"scene{suffix}")
    assert sound.shape == scene.mixture.shape
    assert np.abs(sound - scene.mixture).max() <= 0.51 / 2 ** (bits - 1)


def test_mp4_holds_every_picture_and_the_sound_in_place(tmp_path):
    scene = render(CONFIG)
    write_scene(scene, tmp_path / "scene.mp4")
    pictures, sound = _decode(tmp_path / "scene.mp4")
    assert pictures.shape == scene.frames.shape
    assert np.abs(pictures.astype(float) - scene.frames).mean() < 4
    error = sound[:, : scene.mixture.shape[1]] - scene.mixture
    assert 20 * np.log10(np.std(scene.mixture) / np.std(error)) > 25


def test_file_is_the_same_every_time_and_from_config_or_rendered_scene(tmp_path):
    write_scene(CONFIG, tmp_path / "a.mp4")
    write_scene(render(CONFIG), tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(("name", "change"), [("scene.xyz", {}), ("scene.mp4", {"width": 95}), ("scene.mkv", {"channels": 9})])
def test_what_cannot_be_written_is_one_clear_error_and_no_file(tmp_path, name, change):
    with pytest.raises(OutputError):
        write_scene(replace(CONFIG, **change), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_missing_folder_is_an_output_error(tmp_path):
    with pytest.raises(OutputError):
        write_scene(CONFIG, tmp_path / "nowhere" / "scene.mp4")
