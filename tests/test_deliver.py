"""What is delivered of a track: names, tracks of the video, the replaced sound block by block."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avsep_plugin.clip import Float32
from avsep_plugin.deliver import Delivered, TrackWriter, output_names, video_sounds
from avsep_plugin.media.read import AudioReader
from avsep_plugin.media.write import SoundWriter, StemWriter
from avsep_plugin.part import Part

RATE = 48000


def noise(samples: int, seed: int = 0) -> Float32:
    """[2, n] on the grid of 24 bits."""
    values = np.random.default_rng(seed).uniform(-0.4, 0.4, (2, samples))
    return (np.rint(values * 2**20) / 2**20).astype(np.float32)


def read(path: Path) -> Float32:
    with AudioReader(path) as reader:
        return reader.read(10**7)


def deliver(
    folder: Path, mixture: Float32, on: Float32, part: Part, amount: float = 1.0, finish: Any = None, piece: int = 997
) -> TrackWriter:
    stems = StemWriter(folder / "on.wav", folder / "off.wav", RATE, 2, "24")
    with TrackWriter(stems, SoundWriter(folder / "replaced.wav", RATE, 2), part, 2, 0, amount, finish) as writer:
        for start in range(0, mixture.shape[1], piece):
            writer.write(mixture[:, start : start + piece], on[:, start : start + piece])
    return writer


@pytest.mark.parametrize("amount", [0.0, 0.25, 1.0])
def test_the_replaced_sound_is_the_mixture_less_some_of_the_off_screen_sound(tmp_path: Path, amount: float) -> None:
    mixture, on = noise(5000), noise(5000, 1)
    writer = deliver(tmp_path, mixture, on, Part(), amount)
    assert np.abs(read(tmp_path / "replaced.wav") - (mixture - np.float32(amount) * (mixture - on))).max() <= 2.0**-23
    assert np.array_equal(read(tmp_path / "on.wav"), on)
    assert np.array_equal(read(tmp_path / "off.wav"), mixture - on)
    assert writer.is_changed is (amount > 0)


def test_nothing_changes_where_nothing_is_off_screen(tmp_path: Path) -> None:
    mixture = noise(5000)
    assert not deliver(tmp_path, mixture, mixture, Part()).is_changed
    assert np.array_equal(read(tmp_path / "replaced.wav"), mixture)


def test_only_the_part_changes_and_the_stems_are_the_part(tmp_path: Path) -> None:
    mixture, on = noise(5000), noise(5000, 1)
    deliver(tmp_path, mixture, on, Part(1000, 3000, fade=100))
    replaced = read(tmp_path / "replaced.wav")
    assert np.array_equal(replaced[:, :1000], mixture[:, :1000])
    assert np.array_equal(replaced[:, 3000:], mixture[:, 3000:])
    assert np.array_equal(replaced[:, 1100:2900], on[:, 1100:2900])
    assert np.array_equal(read(tmp_path / "on.wav"), on[:, 1000:3000])
    assert np.array_equal(read(tmp_path / "off.wav"), (mixture - on)[:, 1000:3000])


def test_a_part_that_reaches_beyond_the_end(tmp_path: Path) -> None:
    mixture, on = noise(5000), noise(5000, 1)
    deliver(tmp_path, mixture, on, Part(4000, 9000))
    assert np.array_equal(read(tmp_path / "on.wav"), on[:, 4000:])


def test_padding_is_silence_around_the_stems(tmp_path: Path) -> None:
    mixture, on = noise(3000), noise(3000, 1)
    deliver(tmp_path, mixture, on, Part(1000, 2000, pad_from=-500, pad_to=100_000))
    padded = read(tmp_path / "on.wav")
    assert padded.shape == (2, 100_500)
    assert np.array_equal(padded[:, 1500:2500], on[:, 1000:2000])
    assert not padded[:, :1500].any()
    assert not padded[:, 2500:].any()


def test_padding_never_cuts(tmp_path: Path) -> None:
    mixture = noise(3000)
    deliver(tmp_path, mixture, mixture, Part(0, None, pad_from=500, pad_to=1000))
    assert np.array_equal(read(tmp_path / "on.wav"), mixture)


class Late:
    """A chain that turns the sound round and gives it back 300 samples late."""

    def __init__(self) -> None:
        self._held = np.zeros((2, 0), np.float32)

    def process(self, sound: Float32) -> Float32:
        held = np.concatenate([self._held, -sound], axis=1)
        keep = max(0, held.shape[1] - 300)
        self._held = held[:, keep:]
        return held[:, :keep]

    def flush(self) -> Float32:
        return self._held


@pytest.mark.parametrize("piece", [100, 997, 5000])
def test_a_finishing_chain_works_on_the_replaced_sound_of_the_part_only(tmp_path: Path, piece: int) -> None:
    mixture, on = noise(5000), noise(5000, 1)
    writer = deliver(tmp_path, mixture, on, Part(1000, 3000, fade=1), finish=Late(), piece=piece)
    expected = mixture.copy()
    expected[:, 1001:2999] = -on[:, 1001:2999]
    got = read(tmp_path / "replaced.wav")
    outside = np.r_[0:1000, 1001:2999, 3000:5000]
    assert np.array_equal(got[:, outside], expected[:, outside])
    assert np.array_equal(read(tmp_path / "on.wav"), on[:, 1000:3000])
    assert writer.is_changed


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        stems = StemWriter(tmp_path / "on.wav", tmp_path / "off.wav", RATE, 2)
        with TrackWriter(stems, SoundWriter(tmp_path / "replaced.wav", RATE, 2), Part(), 2) as writer:
            writer.write(noise(100), noise(100))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def made(track: int, is_changed: bool = True) -> Delivered:
    paths = (Path(f"{kind}{track}.wav") for kind in ("on", "off", "replaced"))
    return Delivered(track, *paths, Fraction(0), Fraction(1), 2, RATE, is_changed)


def described(*given: Any) -> list[tuple[str | None, str, bool]]:
    return [(sound.file.name if sound.file else None, sound.title, sound.added) for sound in video_sounds(*given)]


def test_tracks_of_the_video() -> None:
    assert described([made(0)], ("replace",)) == [("replaced0.wav", "", False)]
    assert described([made(0, False)], ("replace", "stems")) == [(None, "", False)]
    assert described([made(0)], ("add-tracks",)) == [
        (None, "Original", False), ("on0.wav", "On-screen", True), ("off0.wav", "Off-screen", True),
    ]  # fmt: skip
    assert described([made(0)], ("replace", "add-tracks")) == [
        ("replaced0.wav", "", False), ("on0.wav", "On-screen", True), ("off0.wav", "Off-screen", True), (None, "Original", True),
    ]  # fmt: skip
    assert described([made(0), made(1)], ("add-tracks",))[2:4] == [
        ("on0.wav", "On-screen (track 1)", True), ("off0.wav", "Off-screen (track 1)", True),
    ]  # fmt: skip


def test_added_stems_start_where_the_stems_do() -> None:
    starts = [sound.start_seconds for sound in video_sounds([made(0)], ("replace", "add-tracks"))]
    assert starts[:3] == [0, 1, 1]


def test_names_of_the_files() -> None:
    source = Path("clips/Talk.MP4")
    assert output_names(source, ("stems", "replace"), [0], False, "wav", "source") == {
        "on": "on-screen.wav", "off": "off-screen.wav", "video": "Talk.MP4",
    }  # fmt: skip
    assert output_names(source, ("add-tracks",), [0], False, "wav", "mkv") == {"video": "Talk.mkv"}
    assert output_names(source, ("stems",), [0, 1], True, "flac", "source") == {
        "track1-on": "track1-on-screen.flac", "track1-off": "track1-off-screen.flac",
        "track2-on": "track2-on-screen.flac", "track2-off": "track2-off-screen.flac",
    }  # fmt: skip
