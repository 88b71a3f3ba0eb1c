"""The fixed lists of evaluation mixtures, and the mixtures made from their rows."""

import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from avsep_plugin.config import PictureConfig
from avsep_plugin.errors import DataError
from avsep_plugin.training.mixing import ClipShelf, blank, with_channels
from avsep_plugin.training.mixtures import (
    GRID_VAL_SPEAKERS,
    LISTS,
    MixtureRow,
    Voice,
    noise_rows,
    read_list,
    spread,
    voice_pairs,
    write_list,
)

ROW = MixtureRow("k", "a.mov", 0.0, "b.mov", 0.25, "a.mov", 0.5, 0.0, "A", "B", "C")


def voices(speakers: str = "ABC", clips: int = 3, seconds: float = 1.0) -> list[Voice]:
    rng = np.random.default_rng(0)
    return [
        Voice(f"{speaker}{i}.mov", speaker, rng.normal(size=round((seconds + 0.1 * i) * 8000)).astype(np.float32), 8000)
        for speaker in speakers
        for i in range(clips)
    ]


def write_clip(path: Path, seconds: float = 1.0, rate: int = 16000, channels: int = 2, seed: int = 0) -> None:
    """Uncompressed sound beside pictures whose level counts the frames, 25 a second."""
    sound = (3000 * np.random.default_rng(seed).normal(size=round(seconds * rate) * channels)).clip(-32000, 32000).astype(np.int16)
    with av.open(path, "w") as container:
        picture = container.add_stream("rawvideo", rate=25)
        picture.width, picture.height, picture.pix_fmt = 16, 16, "rgb24"
        track = container.add_stream("pcm_s16le", rate=rate, layout="stereo" if channels == 2 else "mono")
        for index in range(round(25 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 8 * index, np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        samples = av.AudioFrame.from_ndarray(sound[None], format="s16", layout=track.layout.name)
        samples.sample_rate = rate
        container.mux(track.encode(samples))
        for stream in (picture, track):
            container.mux(stream.encode())


@pytest.fixture
def shelf(tmp_path: Path) -> ClipShelf:
    write_clip(tmp_path / "a.mov", seed=1)
    write_clip(tmp_path / "b.mov", rate=8000, channels=1, seed=2)
    return ClipShelf(tmp_path)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_at_least_200_mixtures(name: str) -> None:
    assert len(read_list(name)) >= 200


@pytest.mark.parametrize("name", LISTS)
def test_nobody_is_mixed_with_himself(name: str) -> None:
    assert all(len({row.target_speaker, row.interferer_speaker, row.third_speaker}) == 3 for row in read_list(name))


@pytest.mark.parametrize("name", LISTS)
def test_no_two_mixtures_are_of_the_same_clips(name: str) -> None:
    rows = read_list(name)
    assert len({(row.target, row.interferer) for row in rows}) == len(rows)


@pytest.mark.parametrize("name", LISTS)
def test_the_third_clip_is_of_the_targets_corpus(name: str) -> None:
    assert all(row.third.split("/")[0] == row.target.split("/")[0] for row in read_list(name))


@pytest.mark.parametrize("name", LISTS)
def test_only_people_and_noises_kept_from_training_appear(name: str) -> None:
    for row in read_list(name):
        for clip, speaker in ((row.target, row.target_speaker), (row.interferer, row.interferer_speaker), (row.third, row.third_speaker)):
            corpus, file = clip.split("/")
            if corpus == "newsreaders":
                assert speaker in "ABCDE"
            elif corpus == "grid":
                assert speaker in GRID_VAL_SPEAKERS
                assert file.startswith(speaker + "_")
            else:
                assert file.split("_")[1].startswith("5-")


@pytest.mark.parametrize("name", ["newsreaders-0db", "grid-0db"])
def test_every_ordered_pair_of_speakers_has_as_many_rows(name: str) -> None:
    assert len(set(Counter(row.pair for row in read_list(name)).values())) == 1


@pytest.mark.parametrize("name", ["noise-0db", "noise-5db"])
def test_half_of_the_noise_list_is_of_either_corpus(name: str) -> None:
    counts = Counter(row.target.split("/")[0] for row in read_list(name))
    assert counts["newsreaders"] == counts["grid"]


def test_the_noise_lists_differ_in_level_only() -> None:
    assert [replace(row, kind="noise-5db", level_db=5.0) for row in read_list("noise-0db")] == read_list("noise-5db")


def test_a_list_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_list(tmp_path / "x.tsv", [ROW, replace(ROW, level_db=-2.5)])
    assert read_list(str(tmp_path / "x.tsv")) == [ROW, replace(ROW, level_db=-2.5)]


def test_an_unknown_list_is_an_error() -> None:
    with pytest.raises(DataError, match="known: newsreaders-0db"):
        read_list("nobody")


def test_a_foreign_table_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(DataError, match="not a list of mixtures"):
        read_list(str(tmp_path / "x.tsv"))


def test_the_same_seed_draws_the_same_pairs() -> None:
    assert voice_pairs("k", voices(), 4, random.Random(1)) == voice_pairs("k", voices(), 4, random.Random(1))


def test_targets_are_used_evenly() -> None:
    rows = voice_pairs("k", voices(), 6, random.Random(1))
    assert set(Counter(row.target for row in rows).values()) == {4}


def test_an_interferer_is_taken_where_it_sounds() -> None:
    sound = np.zeros(40000, np.float32)
    sound[30000:32000] = 1.0
    rows = noise_rows("k", voices(seconds=0.5), [Voice("noise/n.opus", "Bark", sound, 8000)], 3, random.Random(0))
    heard = [Voice("", "", sound, 8000).level_db(row.interferer_start_seconds, row.duration_seconds) for row in rows]
    assert min(heard) > -20


def test_a_short_run_meets_all_parts_of_a_list() -> None:
    assert spread(list(range(100)), 4) == [0, 25, 50, 75]
    assert spread([1, 2, 3], None) == [1, 2, 3]
    assert spread([1, 2, 3], 9) == [1, 2, 3]


@pytest.mark.parametrize("level_db", [-3.0, 0.0, 5.0])
def test_a_mixture_has_the_rows_level(shelf: ClipShelf, level_db: float) -> None:
    mixture = shelf.mixture(replace(ROW, level_db=level_db))
    target, interferer = (sound.mean(dim=0).square().mean() for sound in (mixture.target, mixture.interferer))
    assert float(10 * torch.log10(target / interferer)) == pytest.approx(level_db, abs=1e-3)


def test_a_mixture_keeps_the_targets_rate_channels_and_samples(shelf: ClipShelf) -> None:
    mixture = shelf.mixture(ROW)
    assert mixture.sample_rate_hz == 16000
    assert torch.equal(mixture.target, shelf.sound("a.mov").samples[:, :8000])
    assert mixture.interferer.shape == (2, 8000)


def test_an_interferer_that_ends_early_is_followed_by_silence(shelf: ClipShelf) -> None:
    mixture = shelf.mixture(replace(ROW, duration_seconds=1.0))
    assert not mixture.interferer[:, 12100:].any()
    assert mixture.interferer[:, 11000:11900].any()


def test_a_silent_interferer_is_an_error(shelf: ClipShelf) -> None:
    with pytest.raises(DataError, match="silent"):
        shelf.mixture(replace(ROW, interferer_start_seconds=5.0))


def test_pictures_start_where_the_sound_starts(shelf: ClipShelf) -> None:
    picture = PictureConfig(frame_rate=Fraction(25), stored_size=16, crop_size=8)
    levels = shelf.frames("b.mov", 0.2, 0.4, picture)[:, 4, 4, 0]
    assert levels.tolist() == [8 * index for index in range(5, 15)]


def test_a_clip_that_is_not_there_is_named(shelf: ClipShelf) -> None:
    with pytest.raises(DataError, match="lacks gone"):
        shelf.sound("gone.mov")


def test_a_data_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        ClipShelf(tmp_path / "nowhere")


def test_changing_the_channels_keeps_the_mono_mean() -> None:
    sound = torch.randn(2, 50)
    for channels in (1, 2, 6):
        assert torch.allclose(with_channels(sound, channels).mean(dim=0), sound.mean(dim=0), atol=1e-6)


def test_the_blank_picture_shows_nothing() -> None:
    assert len(blank(PictureConfig(stored_size=16, crop_size=8)).unique()) == 1
