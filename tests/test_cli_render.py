"""`avsep render` draws clips for training."""

import re
from pathlib import Path

import pytest

from avsep_plugin.cli.main import run
from avsep_plugin.media.probe import probe
from avsep_plugin.scenes import TRAIN_IDENTITIES


def _render(folder: Path, *more: str) -> list[Path]:
    assert run(["render", "-o", str(folder), "--count", "1", "--seconds", "0.5", "--quiet", *more]) == 0
    return sorted(folder.iterdir())


@pytest.mark.parametrize(("kind", "seed", "size"), [("talkers", 1, (144, 144)), ("talkers", 3, (256, 144)), ("places", 0, (144, 144))])
def test_a_clip_has_picture_and_sound_of_its_kind(tmp_path: Path, kind: str, seed: int, size: tuple[int, int]) -> None:
    (clip,) = _render(tmp_path / "scenes", "--kind", kind, "--first", str(seed))
    found = probe(clip)
    assert found.video is not None
    assert (found.video.display_width, found.video.display_height) == size
    assert [(track.sample_rate_hz, track.channels) for track in found.audio] == [(48000, 1)]


def test_the_name_says_who_of_the_training_split_is_seen(tmp_path: Path) -> None:
    (clip,) = _render(tmp_path, "--first", "7")
    named = re.fullmatch(r"(\d+)_00007\.mov", clip.name)
    assert named is not None
    assert int(named[1]) in TRAIN_IDENTITIES


def test_clips_that_are_there_are_left_alone(tmp_path: Path) -> None:
    (clip,) = _render(tmp_path)
    clip.write_bytes(b"mine")
    assert _render(tmp_path) == [clip]
    assert clip.read_bytes() == b"mine"
