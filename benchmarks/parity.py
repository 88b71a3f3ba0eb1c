"""Compares the networks with arrays that were recorded from the original TensorFlow graphs.

    python -m benchmarks.parity [DIR]               every .npz in DIR; exit code 1 past a tolerance, 2 where DIR holds no recording
    python -m benchmarks.parity --compact DIR OUT   thin the recordings of DIR out into OUT (how tests/golden was made)

Without DIR, or where DIR does not exist, the compact recordings in tests/golden are used. A recording is known by how its name
begins: shift, cam, full, unet_pit, heatmap. It holds activations in TensorFlow's layout (channels last) and `meta`, which is
[T, N] or [T, N, spec_len]: frames, samples, spectrogram steps. Weights and inputs are synthetic and made here (`synthetic.py`).
Each array is thinned by `x[::s0, ::s1, ...]`; the steps are in the array `strides/<name>`, or else in STRIDES.

Of the mixture's phase, the rounding of the recording's own FFT is taken out first (`eigen_fft.py`): it alone is above the
tolerance in a bin, for double precision too. The table says what the difference is with it.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import nn

from avsep_plugin.draw.heatmap import original_heat_map
from avsep_plugin.models import published

from . import synthetic
from .networks import ROUNDING, run_network

Array = npt.NDArray[Any]
Fill = Callable[[nn.Module], object]

COMPACT_RECORDINGS = Path(__file__).resolve().parent.parent / "tests" / "golden"
COMPACT_POINTS = 8400
"""Points that an array of a compact recording has at most."""

STRIDES = {
    "im_conv1": (1, 8, 8, 8),
    "sf_conv1": (1, 16),
    "scale0": (1, 2),
    "scale1": (1, 2),
    "merge": (1, 4),
    "conv4_2": (1, 2),
    "deconv8": (1, 8, 8),
}
"""Steps per axis of the recorded arrays; axes and arrays that are not named are whole."""

AUDIBLE_DB = -40.0
"""Phases are compared where the recorded spectrogram is louder than this."""


class Row(NamedTuple):
    """One array: how far off it is and how far it may be."""

    recording: str
    array: str
    shape: tuple[int, ...]
    difference: float
    tolerance: float
    note: str = ""

    @property
    def ok(self) -> bool:
        """Within the tolerance (a NaN is not)."""
        return self.difference <= self.tolerance

    def __str__(self) -> str:
        shape, verdict = "x".join(map(str, self.shape)), "ok" if self.ok else "FAILED"
        figures = f"{self.difference:>10.2e} {self.tolerance:>9.0e}"
        return f"{self.recording:<12} {self.array:<10} {shape:<18} {figures}   {verdict}{self.note}"


HEADER = f"{'recording':<12} {'array':<10} {'shape':<18} {'max |diff|':>10} {'tolerance':>9}   "


def tolerance(array: str) -> float:
    """Largest allowed difference: dB for spectrograms, radians for phases, grey levels for heat maps."""
    by_start = {"wav": 1e-5, "spec": 0.05, "phase": 1e-3, "adapt": 1.0, "fixed": 1.0}
    return by_start.get(array.partition("_")[0].rstrip("0123456789"), 1e-4)


def difference(array: str, ours: Array, recorded: Array, audible: npt.NDArray[np.bool_] | None) -> float:
    """Largest absolute difference; infinite where the shapes differ. Phases wrap, and count where `audible`."""
    if ours.shape != recorded.shape:
        return float("inf")
    distance = np.abs(ours.astype(np.float64) - recorded.astype(np.float64))
    if array.startswith("phase") and audible is not None:
        distance = np.where(audible, np.abs((distance + np.pi) % (2 * np.pi) - np.pi), 0.0)
    return float(distance.max())


def thin(x: Array, strides: tuple[int, ...]) -> Array:
    """x[::s0, ::s1, ...]."""
    return x[tuple(slice(None, None, step) for step in strides)]


def compare_network(network: str, name: str, recorded: dict[str, Array], fill: Fill) -> Iterator[Row]:
    """A row for every array of a network's recording; one that the network does not have is infinitely far off."""
    ours = run_network(network, [int(size) for size in recorded["meta"]], fill)
    for array, values in recorded.items():
        if array == "meta" or array.startswith("strides/"):
            continue
        strides = tuple(int(step) for step in recorded.get(f"strides/{array}", STRIDES.get(array, ())))
        level = recorded.get(array.replace("phase", "spec"))
        audible = level > AUDIBLE_DB if array.startswith("phase") and level is not None else None
        mine, note = thin(ours[array].numpy(), strides) if array in ours else np.empty(0), ""
        if array == "phase" and mine.shape == values.shape:
            note = f" ({difference(array, mine, values, audible):.2e} with the recording's own rounding)"
            mine = mine + thin(ours[ROUNDING].numpy(), strides)
        yield Row(name, array, values.shape, difference(array, mine, values, audible), tolerance(array), note)


def compare_heat_map(name: str, recorded: dict[str, Array]) -> Iterator[Row]:
    """The two drawings of a heat-map recording: adaptive, and the map times ten with the fixed maximum."""
    frames, cam = recorded["frames"].astype(np.uint8), recorded["cam"].astype(np.float64)
    drawings = {"adapt": original_heat_map(frames, cam), "fixed35": original_heat_map(frames, cam * 10, adaptive=False, max_value=35.0)}
    for array, drawing in drawings.items():
        if array in recorded:
            yield Row(name, array, drawing.shape, difference(array, drawing, recorded[array], None), tolerance(array))


def kind(path: Path) -> str | None:
    """Which network (or "heatmap") a recording is of, by how its name begins."""
    return next((known for known in (*published.CONFIGS, "heatmap") if path.name.startswith(known)), None)


def recordings(folder: Path) -> list[Path]:
    """The recordings in a folder, by name."""
    return [path for path in sorted(folder.glob("*.npz")) if kind(path) is not None]


def compare(path: Path, fill: Fill = synthetic.fill) -> Iterator[Row]:
    """All rows of one recording; `fill` gives the network its weights."""
    with np.load(path) as archive:
        recorded = {name: archive[name] for name in archive.files}
    network = kind(path)
    if network is None:
        raise ValueError(f"{path.name} begins with none of: {', '.join(published.CONFIGS)}, heatmap")
    return compare_heat_map(path.stem, recorded) if network == "heatmap" else compare_network(network, path.stem, recorded, fill)


def compact_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Powers of two, given to the longest axis first until at most COMPACT_POINTS are left."""
    strides = [1] * len(shape)
    while np.prod(left := [-(-size // step) for size, step in zip(shape, strides, strict=True)]) > COMPACT_POINTS:
        strides[left.index(max(left))] *= 2
    return tuple(strides)


def compact(path: Path, out: Path) -> None:
    """Write a thinned copy of a recording, with the steps relative to the whole array; heat maps are copied whole."""
    with np.load(path) as archive:
        recorded = {name: archive[name] for name in archive.files}
    for array in [] if kind(path) == "heatmap" else [name for name in recorded if name != "meta"]:
        steps = compact_strides(recorded[array].shape)
        whole = STRIDES.get(array, ())
        recorded[f"strides/{array}"] = np.array([step * (*whole, *[1] * len(steps))[i] for i, step in enumerate(steps)])
        recorded[array] = np.ascontiguousarray(thin(recorded[array], steps))
    np.savez_compressed(out / path.name, **recorded)


def main(arguments: list[str] | None = None) -> int:
    """Run as a command; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=COMPACT_RECORDINGS, metavar="DIR")
    parser.add_argument("--compact", nargs=2, type=Path, metavar=("DIR", "OUT"))
    options = parser.parse_args(arguments)
    if options.compact:
        folder, out = options.compact
        out.mkdir(parents=True, exist_ok=True)
        for path in recordings(folder):
            compact(path, out)
        return 0
    if not options.folder.exists():
        print(f"{options.folder} does not exist: comparing with {COMPACT_RECORDINGS.name}/, the compact recordings", file=sys.stderr)
        options.folder = COMPACT_RECORDINGS
    paths = recordings(options.folder)
    if not paths:
        print(f"no recordings in {options.folder}", file=sys.stderr)
        return 2
    return show(row for path in paths for row in compare(path))


def show(rows: Iterable[Row]) -> int:
    """Print rows as they come; 0 where all are within their tolerances, otherwise 1."""
    print(HEADER)
    failed = count = 0
    for row in rows:
        print(row, flush=True)
        failed, count = failed + (not row.ok), count + 1
    print(f"{count - failed} of {count} arrays within tolerance")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
