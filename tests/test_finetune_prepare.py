"""Takes and noises on their way into the shards."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from avsep_plugin.config import PictureConfig
from avsep_plugin.errors import DataError
from avsep_plugin.scenes.export import write_clip
from avsep_plugin.training import finetune_prepare
from avsep_plugin.training.finetune_prepare import close, is_closed, prepare_noise, prepare_takes, seconds_per_file, shot_pieces, skipped
from avsep_plugin.training.shards import Shards, StoreConfig
from avsep_plugin.training.takes import Take

STORE = StoreConfig(16000, PictureConfig(frame_rate=Fraction(25), stored_size=20, crop_size=16, channels=1))


def take(name: str, seconds: float = 2.0) -> Take:
    return Take(name, Path(name).stem, Path(name).stem, seconds)


@pytest.mark.parametrize(
    ("seconds", "minutes", "most"), [([10, 10], 1, 11), ([10, 100], 1, 50), ([100, 100], 1, 30), ([5, 100, 200], 1, 27.5)]
)
def test_long_files_share_what_short_ones_leave(seconds: list[float], minutes: float, most: float) -> None:
    takes = [take(f"{n}.mov", length) for n, length in enumerate(seconds)]
    assert seconds_per_file(takes, minutes) == pytest.approx(most)


def _cut_clip(path: Path) -> Path:
    """3.2 s, black until 1.2 s and white from there on; the sound is 0.25 before the cut and -0.25 after it."""
    frames = np.zeros((80, 48, 64, 3), np.uint8)
    frames[30:] = 255
    sound = np.full((1, 3 * 48000 + 9600), 0.25, np.float32)
    sound[:, 30 * 1920 :] = -0.25
    write_clip(path, frames, Fraction(25), sound, 48000)
    return path


def test_no_piece_has_a_cut_in_it_and_sound_and_picture_stay_together(tmp_path: Path) -> None:
    pieces = list(shot_pieces(_cut_clip(tmp_path / "cut.mov"), STORE, Fraction(60)))
    assert [frames.shape[0] for _, frames in pieces if frames is not None] == [30, 50]
    assert [sound.shape[1] for sound, _ in pieces] == [30 * 640, 50 * 640]
    middles = [(np.sign(sound[0, 5000]), int(frames[10].mean()) > 128) for sound, frames in pieces if frames is not None]
    assert middles == [(1, False), (-1, True)]


def test_pieces_of_a_long_shot_are_short_and_end_at_the_limit(tmp_path: Path) -> None:
    write_clip(tmp_path / "long.mov", np.zeros((275, 48, 64, 3), np.uint8), Fraction(25), np.full((1, 11 * 16000), 0.25, np.float32), 16000)
    pieces = list(shot_pieces(tmp_path / "long.mov", STORE, Fraction(10)))
    assert [sound.shape[1] / 16000 for sound, _ in pieces] == [4.0, 4.0, 2.0]


def test_edges_are_at_every_cut_and_nowhere_farther_apart_than_a_piece() -> None:
    edges = finetune_prepare._edges([30, 250, 255], 100)
    found = [0, *(next(edges) for _ in range(8))]
    assert {30, 250, 255} <= set(found)
    assert max(after - before for before, after in pairwise(found)) <= 100


def test_what_cannot_be_used_is_noted_and_a_stopped_run_goes_on(tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    for name in ("a.mov", "b.mov"):
        make_clip(tmp_path / name, seconds=2.0)
    (tmp_path / "broken.mov").write_bytes(b"no movie")
    takes, most = [take("a.mov"), take("broken.mov"), take("b.mov")], seconds_per_file([take("a.mov")], 1)
    prepare_takes(tmp_path, takes[:2], tmp_path / "tune", STORE, most)
    prepare_takes(tmp_path, takes, tmp_path / "tune", STORE, most)
    sources = [segment.source for segment in Shards(tmp_path / "tune").segments]
    assert sources == ["footage/a.mov", "footage/b.mov"]
    assert list(skipped(tmp_path / "tune")) == ["footage/broken.mov"]
    assert not is_closed(tmp_path / "tune")
    close(tmp_path / "tune")
    assert is_closed(tmp_path / "tune")


def _noises(folder: Path, tmp_path: Path) -> dict[str, set[str]]:
    found = {}
    for part in ("tune", "test"):
        prepare_noise(folder, part, tmp_path / part, STORE, 0.3)
        found[part] = {segment.source for segment in Shards(tmp_path / part).segments}
    return found


def test_no_noise_is_on_both_sides(tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    for number in range(5):
        make_clip(tmp_path / "room" / f"{number}.wav", picture=False)
    found = _noises(tmp_path / "room", tmp_path)
    assert (len(found["tune"]), len(found["test"]), found["tune"] & found["test"]) == (3, 2, set())


def test_rendered_noises_of_tuning_and_test_are_not_the_same_sound(tmp_path: Path) -> None:
    sounds = []
    for part in ("tune", "test"):
        prepare_noise(None, part, tmp_path / part, STORE, 0.3)
        home = Shards(tmp_path / part)
        sounds.append({home.audio(segment)[0, :2000].tobytes() for segment in home.segments})
    assert not sounds[0] & sounds[1]
    assert [len(part) for part in sounds] == [48, 24]


def test_a_folder_with_one_noise_is_too_small(tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    make_clip(tmp_path / "room" / "one.wav", picture=False)
    with pytest.raises(DataError, match="two files"):
        _noises(tmp_path / "room", tmp_path)
