"""footage -> shards -> batches."""

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
import torch
import webdataset

from avsep_plugin.config import ModelConfig, PictureConfig, SeparatorConfig
from avsep_plugin.errors import DataError
from avsep_plugin.training.dataset import Batches
from avsep_plugin.training.prepare import prepare
from avsep_plugin.training.recipe import DataConfig, Recipe
from avsep_plugin.training.shards import INT16_SCALE, Piece, Shards, ShardWriter, read_manifest

MODEL = ModelConfig(
    sample_rate_hz=8000, picture=PictureConfig(frame_rate=Fraction(25), stored_size=20, crop_size=16, channels=1, fit="squash")
)
RATE = 16000
TONES_HZ = (203, 253, 303, 353)
"""Of the four clips; a frame of 40 ms is no whole number of periods of any, so that a shifted tone is another signal."""


def write_clip(path: Path, seconds: float, tone_hz: float, grey: int | None = 128) -> None:
    """A clip of one tone; its picture, where it has one, brightens by one level a frame (and starts again at black)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = (0.5 * np.sin(2 * np.pi * tone_hz * np.arange(int(seconds * RATE)) / RATE) * 32767).astype(np.int16)
    with av.open(str(path), "w") as container:
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        video = container.add_stream("ffv1", rate=25, width=32, height=32, pix_fmt="yuv420p") if grey is not None else None
        if video is not None:
            for number in range(int(seconds * 25)):
                plane = np.full((48, 32), 128, np.uint8)
                plane[:32] = (grey + number) % 256
                container.mux(video.encode(av.VideoFrame.from_ndarray(plane, "yuv420p")))
            container.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(sound[None], "s16", "mono")
        frame.sample_rate = RATE
        container.mux(audio.encode(frame))
        container.mux(audio.encode())


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    for number in range(4):
        write_clip(tmp_path / "talk" / f"s{number // 2}_{number}.mkv", 1.2, TONES_HZ[number], 40 + 30 * number)
    write_clip(tmp_path / "hiss" / "air.mka", 2.0, 1000, None)
    write_clip(tmp_path / "talk" / "short.mkv", 0.2, 300)
    return tmp_path


@pytest.fixture
def shards(footage: Path) -> Shards:
    prepare([footage / "talk", footage / "hiss"], footage / "shards", MODEL, speaker_pattern=r"^(s\d)_")
    return Shards(footage / "shards")


def recipe(**data: object) -> Recipe:
    defaults = DataConfig(window_frames=15, interferers={"same": 1.0}, corpora={"talk": 1.0})
    return Recipe(model=MODEL, data=replace(defaults, **data), seed=5)  # type: ignore[arg-type]


def test_what_is_stored_is_the_clip_at_the_models_rates(shards: Shards) -> None:
    segment = next(s for s in shards.segments if s.source == "talk/s0_0.mkv")
    frames, audio = shards.frames(segment), shards.audio(segment)
    assert frames.shape == (30, 20, 20, 1)
    assert audio.shape == (2, 9600)
    expected = 0.5 * np.sin(2 * np.pi * TONES_HZ[0] * np.arange(9600) / 8000)
    assert np.abs(audio[0, 500:-500] / INT16_SCALE - expected[500:-500]).max() < 2e-3
    brightness = frames.reshape(30, -1).mean(axis=1)
    assert np.all(np.diff(brightness) > 0)


def test_skipped_sources_are_reported_with_the_reason(footage: Path) -> None:
    done = prepare([footage / "talk"], footage / "out", MODEL)
    assert done.stored == 4
    assert "0.6 s" in done.skipped["talk/short.mkv"]


def test_a_second_call_goes_on_where_the_first_stopped(footage: Path) -> None:
    first = prepare([footage / "talk"], footage / "out", MODEL)
    again = prepare([footage / "talk", footage / "hiss"], footage / "out", MODEL)
    assert (first.already, again.already) == (0, 5)
    assert len(Shards(footage / "out").segments) == 5


def test_a_long_take_is_stored_in_pieces_and_shards_of_bounded_size(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_clip(footage / "takes" / "long.mkv", 25.0, 203, 1)
    monkeypatch.setattr("avsep_plugin.training.shards.SHARD_BYTES", 300_000)
    done = prepare([footage / "takes", footage / "talk"], footage / "out", MODEL)
    shards = Shards(footage / "out")
    segments = [segment for segment in shards.segments if segment.source == "takes/long.mkv"]
    assert done.stored == 5
    assert [shards.audio(segment).shape[1] for segment in segments] == [80000, 80000, 40000]
    assert len({segment.shard for segment in segments}) > 1
    expected = 0.5 * np.sin(2 * np.pi * 203 * np.arange(160000, 200000) / 8000)
    assert np.abs(shards.audio(segments[2])[0, 500:-500] / INT16_SCALE - expected[500:-500]).max() < 2e-3


def test_nothing_of_a_source_counts_that_turns_out_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pieces() -> Iterator[Piece]:
        yield np.zeros((2, 100), np.int16), None
        raise DataError("damaged")

    monkeypatch.setattr("avsep_plugin.training.shards.SHARD_BYTES", 800)
    with ShardWriter(tmp_path) as writer:
        writer.add("a/1", "a", "", [(np.ones((2, 100), np.int16), None)])
        with pytest.raises(DataError):
            writer.add("a/2", "a", "", pieces())
        writer.skip("a/2", "damaged")
    assert [(line["source"], line["skipped"], len(line["segments"])) for line in read_manifest(tmp_path)] == [
        ("a/1", None, 1),
        ("a/2", "damaged", 0),
    ]


def test_two_folders_of_one_name_are_refused(footage: Path) -> None:
    write_clip(footage / "other" / "talk" / "a.mkv", 1.0, 203)
    with pytest.raises(DataError, match="called 'talk'"):
        prepare([footage / "talk", footage / "other" / "talk"], footage / "out", MODEL)


def test_a_damaged_store_is_one_clear_error(footage: Path) -> None:
    (footage / "out").mkdir()
    (footage / "out" / "store.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        prepare([footage / "talk"], footage / "out", MODEL)


def test_an_unfinished_line_of_the_manifest_is_prepared_again(footage: Path) -> None:
    prepare([footage / "talk"], footage / "out", MODEL)
    manifest = footage / "out" / "manifest.jsonl"
    manifest.write_text(manifest.read_text()[:-30])
    again = prepare([footage / "talk"], footage / "out", MODEL)
    shards = Shards(footage / "out")
    assert again.already == 4
    assert len(shards.segments) == 4
    assert all(shards.audio(segment).shape[0] == 2 for segment in shards.segments)


def test_excluded_sources_are_not_stored(footage: Path) -> None:
    prepare([footage / "talk"], footage / "out", MODEL, exclude=["talk/s1_*"])
    assert {s.source for s in Shards(footage / "out").segments} == {"talk/s0_0.mkv", "talk/s0_1.mkv"}


def test_other_settings_do_not_mix_in_one_folder(footage: Path, shards: Shards) -> None:
    with pytest.raises(DataError, match="other settings"):
        prepare([footage / "talk"], shards.folder, replace(MODEL, sample_rate_hz=16000))


def test_shards_are_tar_files_that_others_can_read(shards: Shards) -> None:
    with tarfile.open(next(shards.folder.glob("*.tar"))) as tar:
        assert {name.split(".", 1)[1] for name in tar.getnames()} == {"json", "frames.npy", "audio.npy"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # webdataset leaves closing its files to Python
def test_webdataset_reads_the_shards_without_their_manifest(shards: Shards) -> None:
    """Key by key what random access gives."""
    tars = [str(path) for path in sorted(shards.folder.glob("*.tar"))]
    samples = {sample["__key__"]: sample for sample in webdataset.WebDataset(tars, shardshuffle=False).decode()}
    assert samples.keys() == {segment.member for segment in shards.segments}
    for segment in shards.segments:
        sample = samples[segment.member]
        assert sample["json"] == {"key": segment.key, "corpus": segment.corpus, "source": segment.source, "speaker": segment.speaker}
        assert np.array_equal(sample["audio.npy"], shards.audio(segment))
        assert ("frames.npy" in sample) == (segment.frames is not None)
        assert segment.frames is None or np.array_equal(sample["frames.npy"], shards.frames(segment))


def test_a_folder_without_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="avsep prepare"):
        Shards(tmp_path)


def test_a_batch_is_a_function_of_its_number(shards: Shards) -> None:
    first, second = Batches([shards], recipe()).mix(7, 3), Batches([shards], recipe()).mix(7, 3)
    other = Batches([shards], recipe()).mix(8, 3)
    assert torch.equal(first.frames, second.frames)
    assert torch.equal(first.off, second.off)
    assert not torch.equal(first.on, other.on)


def test_picture_and_sound_of_a_window_start_together(shards: Shards) -> None:
    """Clip and frame number, known from the brightness, against the tone and its phase, known from the sound."""
    batch = Batches([shards], recipe(window_frames=10, flip=False)).mix(3, 8)
    clips = [next(s for s in shards.segments if s.source == f"talk/s{number // 2}_{number}.mkv") for number in range(4)]
    shown = {
        int(frame[0, 0, 0]): (tone_hz, index)
        for tone_hz, clip in zip(TONES_HZ, clips, strict=True)
        for index, frame in enumerate(shards.frames(clip))
    }
    for frames, sound in zip(batch.frames, batch.on, strict=True):
        tone_hz, start = shown[int(frames[0, 0, 0, 0])]
        expected = 0.5 * np.sin(2 * np.pi * tone_hz * (start * 320 + np.arange(400, 800)) / 8000)
        assert np.abs(sound[0, 400:800].numpy() - expected).max() < 0.02


def test_a_known_person_is_never_paired_with_himself(shards: Shards) -> None:
    batch = Batches([shards], recipe()).mix(11, 40)

    def pitch(sound: npt.NDArray[np.float32]) -> float:
        return float(np.abs(np.fft.rfft(sound * np.hanning(sound.size))).argmax() * 8000 / sound.size)

    for on, off in zip(batch.on.numpy(), batch.off.numpy(), strict=True):
        assert (pitch(on[0]) < 275) != (pitch(off[0, 0]) < 275)


def test_a_corpus_of_one_person_cannot_be_mixed_with_itself(footage: Path) -> None:
    prepare([footage / "talk"], footage / "one", MODEL, only=["talk/s0_*"], speaker_pattern=r"^(s\d)_")
    with pytest.raises(DataError, match="same speaker"):
        Batches([Shards(footage / "one")], recipe()).mix(0, 2)


def test_every_pair_of_picture_and_shifted_sound_is_equally_likely(shards: Shards) -> None:
    """1.2 s, a window of 0.6 s and shifts of 0.2 to 0.48 s: 15 frames of slack."""
    batches = Batches([shards], recipe(window_frames=15, shift_seconds=(0.2, 0.48)))
    clip = next(segment for segment in shards.segments if segment.frames is not None)
    random = np.random.default_rng(0)
    pairs = Counter(batches.windows.shifted_starts(random, clip, 1.0) for _ in range(15000))
    possible = {(a, b) for a in range(16) for b in range(16) if 5 <= abs(a - b) <= 12}
    assert pairs.keys() == possible
    assert max(abs(count - 15000 / len(possible)) for count in pairs.values()) < 5 * (15000 / len(possible)) ** 0.5


def test_partners_share_a_mixture(shards: Shards) -> None:
    batch = Batches([shards], recipe(partners=1.0, mixtures_per_clip=2, level_db=3.0)).mix(9, 6)
    mixtures = batch.on + batch.off[:, 0]
    for first, second in zip(mixtures[::2], mixtures[1::2], strict=True):
        assert torch.allclose(first / first.std(), second / second.std(), atol=1e-4)
    assert not torch.equal(batch.frames[0], batch.frames[1])


def test_a_turned_partner_is_the_clip_itself_at_another_time(shards: Shards) -> None:
    batch = Batches([shards], recipe(partners=1.0, turned=1.0, window_frames=16)).mix(9, 6)
    for first, second in zip(range(0, 6, 2), range(1, 6, 2), strict=True):
        turn = next(n for n in range(1, 16) if torch.equal(torch.roll(batch.frames[first], -n, 0), batch.frames[second]))
        assert 4 <= turn < 12
        seam = batch.on.shape[2] - turn * 320
        away = (torch.arange(batch.on.shape[2]) - seam).abs() > 300
        away &= torch.roll(away, -turn * 320)  # neither at its own seam nor at the other's
        assert away.sum() > 1000
        assert torch.equal(torch.roll(batch.on[first], -turn * 320, 1)[:, away], batch.on[second][:, away])
        assert batch.on[first, :, seam].abs().max() == batch.on[second, :, seam].abs().max() == 0
        for one, other in ((first, second), (second, first)):
            assert torch.allclose(batch.off[one, 0], batch.on[other] * batch.on[one].std() / batch.on[other].std(), atol=1e-3)


def test_damage_is_the_same_for_all_sounds_of_a_mixture(shards: Shards) -> None:
    clean = Batches([shards], recipe(partners=1.0)).mix(3, 8)
    worn = Batches([shards], recipe(partners=1.0, damage=1.0)).mix(3, 8)
    assert clean.frames.shape == worn.frames.shape
    assert not torch.equal(clean.frames, worn.frames)
    for first, second in zip(range(0, 8, 2), range(1, 8, 2), strict=True):
        mixtures = [worn.on[n] + worn.off[n, 0] for n in (first, second)]
        scale = (mixtures[0] * mixtures[1]).sum() / mixtures[1].square().sum()
        assert torch.allclose(mixtures[0], scale * mixtures[1], atol=1e-3)


def test_damage_takes_the_treble_and_no_more(shards: Shards) -> None:
    windows, random = Batches([shards], recipe(damage=1.0)).windows, np.random.default_rng(0)
    hiss = np.random.default_rng(1).standard_normal((2, windows.samples)).astype(np.float32)
    for _ in range(10):
        spectrum = np.abs(np.fft.rfft(windows.dulled(random, hiss)[0])) / np.abs(np.fft.rfft(hiss))
        assert spectrum[:, : int(0.9 * 2500 / 4000 * spectrum.shape[1])].min() > 0.9


def test_some_are_heard_alone(shards: Shards) -> None:
    off = Batches([shards], recipe(alone=0.5)).mix(0, 40).off
    silent = sum(not one.any() for one in off)
    assert 8 < silent < 32


def test_who_rests_holds_still_and_says_nothing_while_others_do(shards: Shards) -> None:
    batch = Batches([shards], recipe(resting=1.0, window_frames=16)).mix(1, 12)
    for frames, on, off in zip(batch.frames.numpy(), batch.on, batch.off[:, 0], strict=True):
        brightness = frames.reshape(16, -1).mean(axis=1)
        rest = int(np.argmax(brightness > brightness[0]))  # it brightens from frame to frame as soon as it moves
        begun = (rest - 1) * 320
        assert 4 <= rest - 1 <= 12
        assert not on[:, :begun].any()
        assert on[:, begun : begun + 200].abs().max() > 0.1
        assert off[:, :begun].abs().max() > 0.1


def test_a_network_that_sees_nothing_learns_from_all_sounds(shards: Shards) -> None:
    listener = replace(MODEL, separator=SeparatorConfig(kind="recurrent", head="mask", with_video=False))
    told = replace(recipe(corpora={"hiss": 1.0}, interferers={"talk": 1.0}), model=listener)
    batch = Batches([shards], told).mix(0, 4)
    assert batch.frames.shape == (4, 15, 0, 0, 1)
    assert batch.on.abs().max() > 0.1
    with pytest.raises(DataError, match="hiss"):
        Batches([shards], recipe(corpora={"hiss": 1.0}))


def test_off_screen_level_stays_in_its_range(shards: Shards) -> None:
    batch = Batches([shards], recipe(level_db=3.0)).mix(2, 30)
    ratio_db = 20 * torch.log10(batch.off[:, 0].square().mean((1, 2)).sqrt() / batch.on.square().mean((1, 2)).sqrt())
    assert ratio_db.abs().max() < 3.01
    assert ratio_db.std() > 0.5


def test_a_shifted_negative_is_the_same_clip_at_another_time(shards: Shards) -> None:
    batch = Batches([shards], recipe(window_frames=15, shift_seconds=(0.2, 0.5), negatives="shift")).align(4, 6)
    assert batch.aligned.shape == batch.shifted.shape == (6, 2, 4800)
    spectra = [np.abs(np.fft.rfft(x[:, 0].numpy())).argmax(axis=1) for x in (batch.aligned, batch.shifted)]
    assert np.array_equal(*spectra)
    assert not torch.allclose(batch.aligned, batch.shifted, atol=1e-2)


def test_a_smaller_portion_is_part_of_a_larger_one(tmp_path: Path) -> None:
    for number in range(12):
        write_clip(tmp_path / "talk" / f"{number}.mkv", 0.8, 200 + 10 * number)
    prepare([tmp_path / "talk"], tmp_path / "shards", MODEL)

    def used(portion: float) -> set[str]:
        return {segment.source for segment in Batches([Shards(tmp_path / "shards")], recipe(portion=portion)).pools.seen["talk"]}

    assert 0 < len(used(0.4)) < len(used(0.7)) < len(used(1.0)) == 12
    assert used(0.4) < used(0.7)


def test_a_missing_corpus_is_named(shards: Shards) -> None:
    with pytest.raises(DataError, match="'rain'"):
        Batches([shards], recipe(interferers={"rain": 1.0}))


def test_manifest_lines_are_json(shards: Shards) -> None:
    for line in (shards.folder / "manifest.jsonl").read_text().splitlines():
        assert {"source", "skipped", "segments"} == json.loads(line).keys()
