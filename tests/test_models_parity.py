"""The published networks give what the original graphs gave, and the comparison can tell when they do not."""

import importlib
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from avsep_plugin.draw import heatmap

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture(scope="module")
def parity() -> Iterator[ModuleType]:
    """benchmarks/parity.py, which lies in the checkout and is not installed."""
    sys.path.append(str(ROOT))
    yield importlib.import_module("benchmarks.parity")
    sys.path.remove(str(ROOT))


def recording(tmp_path: Path, name: str, **changes: np.ndarray) -> Path:
    """A folder with a copy of one compact recording, some arrays of which are replaced."""
    with np.load(GOLDEN / f"{name}.npz") as archive:
        arrays = {array: archive[array] for array in archive.files}
    np.savez(tmp_path / f"{name}_copy.npz", **(arrays | changes))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shift", "cam", "full", "unet_pit", "heatmap"])
def test_everything_recorded_is_reproduced(parity: ModuleType, name: str) -> None:
    rows = list(parity.compare(GOLDEN / f"{name}.npz"))
    with np.load(GOLDEN / f"{name}.npz") as archive:
        compared = {array for array in archive.files if "/" not in array} - {"meta", "frames"} - ({"cam"} if name == "heatmap" else set())
    assert {row.array for row in rows} == compared
    assert [str(row) for row in rows if not row.ok] == []


def test_compact_recordings_stay_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 3_000_000


@pytest.mark.slow
def test_one_perturbed_weight_fails(parity: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic = importlib.import_module("benchmarks.synthetic")
    plain = synthetic.variable

    def perturbed(name: str, shape: tuple[int, ...]) -> np.ndarray:
        value = plain(name, shape)
        if name == "gen/conv3/weights":
            value[1, 2, 3, 4] += 0.5
        return value

    monkeypatch.setattr(synthetic, "variable", perturbed)
    assert parity.main([str(recording(tmp_path, "unet_pit"))]) == 1


def test_one_perturbed_constant_fails(parity: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heatmap, "_MAX_OPACITY", 0.37)
    assert parity.main([str(recording(tmp_path, "heatmap"))]) == 1


def test_a_recording_that_is_off_by_twice_the_tolerance_fails(parity: ModuleType, tmp_path: Path) -> None:
    with np.load(GOLDEN / "heatmap.npz") as archive:
        drawn = archive["adapt"]
    drawn[0, 0, 0, 0] ^= 2
    assert parity.main([str(recording(tmp_path, "heatmap", adapt=drawn))]) == 1


def test_an_array_that_the_network_does_not_have_fails(parity: ModuleType) -> None:
    assert parity.difference("logits", np.empty(0), np.zeros((1, 1)), None) == math.inf


def test_a_nan_is_not_within_any_tolerance(parity: ModuleType) -> None:
    assert not parity.Row("full", "logits", (1, 1), math.nan, 1e-4).ok


def test_phases_wrap(parity: ModuleType) -> None:
    ours, recorded = np.array([math.pi - 1e-4]), np.array([-math.pi + 1e-4])
    assert parity.difference("phase_fg", ours, recorded, np.array([True])) == pytest.approx(2e-4)


def test_phases_count_where_there_is_sound(parity: ModuleType) -> None:
    assert parity.difference("phase_fg", np.array([0.0, 0.1]), np.array([1.0, 0.1]), np.array([False, True])) == 0.0


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        ("im_conv1", 1e-4),
        ("logits", 1e-4),
        ("cam", 1e-4),
        ("vid2", 1e-4),
        ("wav_fg", 1e-5),
        ("spec", 0.05),
        ("phase_bg", 1e-3),
        ("fixed35", 1.0),
    ],
)
def test_tolerances(parity: ModuleType, array: str, expected: float) -> None:
    assert parity.tolerance(array) == expected


def test_a_folder_without_recordings_is_exit_code_2(parity: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "other.npz").touch()
    assert parity.main([str(tmp_path)]) == 2


@pytest.mark.parametrize("arguments", [[], ["no such folder"]])
def test_without_a_folder_the_compact_recordings_are_used(
    parity: ModuleType, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    used: list[Path] = []
    monkeypatch.setattr(parity, "compare", lambda path: used.append(path) or [])
    assert parity.main(arguments) == 0
    assert [path.stem for path in used] == ["cam", "full", "heatmap", "shift", "unet_pit"]
    assert {path.parent for path in used} == {GOLDEN}


def test_a_recording_is_known_by_how_its_name_begins(parity: ModuleType) -> None:
    assert [parity.kind(Path(name)) for name in ("full_x4.npz", "unet_pit2.npz", "my_full.npz")] == ["full", "unet_pit", None]


def test_compact_recordings_keep_the_values_at_the_steps_they_name(parity: ModuleType, tmp_path: Path) -> None:
    whole = np.arange(40 * 300, dtype=np.float32).reshape(1, 40, 300)
    np.savez(tmp_path / "full.npz", wav_fg=whole, meta=np.array([63, 44144, 128]))
    out = tmp_path / "compact"
    assert parity.main(["--compact", str(tmp_path), str(out)]) == 0
    with np.load(out / "full.npz") as archive:
        steps = tuple(archive["strides/wav_fg"])
        assert archive["wav_fg"].size <= parity.COMPACT_POINTS
        np.testing.assert_array_equal(archive["wav_fg"], parity.thin(whole, steps))


@pytest.mark.usefixtures("parity")
def test_the_recordings_own_rounding_is_small_and_real() -> None:
    """Eigen's twiddle factors are some 5e-6 off, no more: the emulation is an FFT."""
    eigen_fft = importlib.import_module("benchmarks.eigen_fft").eigen_fft
    noise = np.random.default_rng(0).standard_normal(2048).astype(np.complex64)
    exact = np.fft.fft(noise.astype(np.complex128))
    error = np.abs(eigen_fft(noise) - exact).max() / np.abs(exact).max()
    assert 1e-7 < error < 1e-5
