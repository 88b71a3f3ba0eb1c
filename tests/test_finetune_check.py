"""Which pieces are left out before anything is learnt, and the mixtures that are made of the rest."""

import dataclasses
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avsep_plugin.config import PictureConfig
from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.models import checkpoint
from avsep_plugin.models.fused import Aligner
from avsep_plugin.training import finetune_check
from avsep_plugin.training.finetune_check import check
from avsep_plugin.training.finetune_mixtures import Shelf, held_out
from avsep_plugin.training.finetune_prepare import close, source
from avsep_plugin.training.shards import Segment, Shards, ShardWriter, StoreConfig, write_store
from avsep_plugin.training.takes import Take

PICTURE = PictureConfig(frame_rate=Fraction(25), stored_size=20, crop_size=16, channels=1)


def takes(recordings: int = 5, cameras: str = "a") -> list[Take]:
    return [Take(f"{n}{camera}.mov", str(n), str(n // 2), 2.0) for n in range(recordings) for camera in cameras]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two pieces of each of five recordings of three people, the first recording nearly silent; two noises."""
    folder, random = tmp_path / "test", np.random.default_rng(0)
    folder.mkdir()
    write_store(folder, StoreConfig(16000, PICTURE))
    with ShardWriter(folder) as writer:
        for take in takes():
            level = 50 if take.recording == "0" else 9000
            pieces = [
                (
                    random.integers(-level, level, (2, 16000 + 640 * n), dtype=np.int16),
                    random.integers(0, 255, (25 + n, 20, 20, 1), np.uint8),
                )
                for n in range(2)
            ]
            writer.add(source(take), "footage", take.speaker, pieces)
        for name in ("hum", "hiss"):
            writer.add(f"noise/{name}", "noise", "", [(random.integers(-999, 999, (2, 32000), dtype=np.int16), None)])
    close(folder)
    return folder


@pytest.fixture
def aligner(tiny_models: dict[str, Path]) -> Aligner:
    config, _ = checkpoint.describe(tiny_models["align"])
    return Aligner(dataclasses.replace(config, picture=PICTURE))


def judged(monkeypatch: pytest.MonkeyPatch, apart: set[str]) -> list[str]:
    """The aligner calls 0.1 what is named and 0.5 all else; the list of what it was asked."""
    asked: list[str] = []

    def probability(_shards: Shards, segment: Segment, _aligner: Aligner) -> float:
        asked.append(segment.key)
        return 0.1 if segment.source in apart else 0.5

    monkeypatch.setattr(finetune_check, "probability", probability)
    return asked


def test_quiet_pieces_and_those_that_do_not_belong_together_are_left_out(
    shards: Path, aligner: Aligner, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(monkeypatch, {"footage/3a.mov"})
    found = check(shards, aligner, 0.3)
    assert (found.pieces, found.kept, found.apart, found.quiet) == (10, 6, 2, 2)
    assert {segment.source for segment in Shards(shards).segments} == {
        *(f"footage/{n}a.mov" for n in (1, 2, 4)), "noise/hum", "noise/hiss"
    }  # fmt: skip


def test_another_threshold_asks_nobody_again(shards: Path, aligner: Aligner, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = judged(monkeypatch, {"footage/3a.mov"})
    assert check(shards, aligner, 0.6).kept == 0
    assert check(shards, aligner, 0.0).kept == 8
    assert len(asked) == len(set(asked)) == 8


def test_the_aligner_must_see_what_was_stored(shards: Path, aligner: Aligner) -> None:
    aligner.config = dataclasses.replace(aligner.config, sample_rate_hz=8000)
    with pytest.raises(ConfigError, match="--aligner"):
        check(shards, aligner, 0.3)


def test_a_probability_is_the_calibrated_mean_logit(shards: Path, aligner: Aligner) -> None:
    home = Shards(shards)
    assert 0 < finetune_check.probability(home, home.segments[-3], aligner.eval()) < 1


def test_nobody_is_mixed_with_himself_and_recordings_take_turns(shards: Path) -> None:
    mixtures = held_out(Shards(shards), takes(), {"voices": 12, "noise": 8})
    voices = [one for one in mixtures if one.kind == "voices"]
    speaker = {take.recording: take.speaker for take in takes()}
    assert all(speaker[one.target_recording] != speaker[one.other_recording] for one in voices)
    assert set(Counter(one.target_recording for one in voices).values()) <= {2, 3}
    assert len({(one.target, one.other) for one in mixtures}) == len(mixtures) == 20
    assert mixtures == held_out(Shards(shards), takes(), {"voices": 12, "noise": 8})


def test_the_wrong_picture_is_of_who_is_heard_else_or_of_somebody_else(shards: Path) -> None:
    speaker = {take.name: take.speaker for take in takes()}
    for one in held_out(Shards(shards), takes(), {"voices": 12, "noise": 8}):
        seen = one.wrong.removeprefix("footage/").split("#")[0]
        assert (one.wrong == one.other) if one.kind == "voices" else (speaker[seen] != one.target_speaker)


def test_both_sounds_of_a_mixture_are_as_loud_and_as_long(shards: Path) -> None:
    shelf = Shelf(Shards(shards))
    for one in held_out(Shards(shards), takes(), {"voices": 6, "noise": 6}):
        sounds = shelf.sounds(one)
        powers = [float(sound.mean(dim=0).square().sum()) for sound in (sounds.target, sounds.interferer)]
        assert powers[0] == pytest.approx(powers[1], rel=1e-4)
        assert sounds.target.shape == sounds.interferer.shape == (2, one.frames * 640)
        assert shelf.pictures(one.wrong, one.frames).shape == (one.frames, 16, 16, 1)


def test_too_few_recordings_that_are_left_cannot_be_tested(shards: Path, aligner: Aligner, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(monkeypatch, {"footage/3a.mov", "footage/1a.mov"})
    check(shards, aligner, 0.3)
    with pytest.raises(DataError, match="belongs to the picture"):
        held_out(Shards(shards), takes())
