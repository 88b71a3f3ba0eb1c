"""Proves the import of the authors' checkpoints: files that TensorFlow itself writes go through it and give the recorded outputs.

    python -m benchmarks.conversion [DIR]        DIR holds the recordings, as for benchmarks.parity; exit code 1 past a tolerance
    python -m benchmarks.conversion --fixture OUT    write the small checkpoint that lies in tests/golden/tensorflow

Needs TensorFlow 2 (`pip install tensorflow-cpu`), which nothing else here does, and about 3 GB of disk for a while.

For each of the four networks, a checkpoint with every variable of the training graph is written by TensorFlow: the network's own with
the synthetic weights of the recordings, and the optimiser's slots and counters, whose names and shapes come from the indexes in
tests/golden/ckpt_index, with random numbers. `avsep_plugin.release` converts it, and the converted weights run against the recording.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from avsep_plugin.models import checkpoint, published
from avsep_plugin.release.convert import RELEASED, import_all
from avsep_plugin.release.graph import is_left_out, shapes
from avsep_plugin.release.tensor_bundle import read_index

from . import parity, synthetic

INDEXES = {
    "shift": "shift.net.tf-650000.index",
    "cam": "shift.net.tf-650000.index",
    "full": "sep_full.net.tf-160000.index",
    "unet_pit": "unet_pit.net.tf-160000.index",
}
"""Network -> index of its training graph; cam's has the variables of shift's."""
Arrays = dict[str, npt.NDArray[Any]]


def write(prefix: Path, tensors: Arrays) -> None:
    """Save tensors as TensorFlow does: `prefix`.index and `prefix`.data-00000-of-00001."""
    import tensorflow as tf

    prefix.parent.mkdir(parents=True, exist_ok=True)
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=list(tensors), shape_and_slices=[""] * len(tensors), tensors=list(tensors.values()))


def training_checkpoint(network: str, step: int) -> Arrays:
    """All tensors of a training checkpoint: synthetic weights, random slots, the counter at `step`."""
    model = checkpoint.build(published.CONFIGS[network]())
    tensors: Arrays = {name: synthetic.variable(name, shape) for name, shape in shapes(model).items()}
    random = np.random.default_rng(step)
    for name, entry in read_index(parity.COMPACT_RECORDINGS / "ckpt_index" / INDEXES[network]).items():
        if is_left_out(name):
            tensors[name] = random.standard_normal(entry.shape).astype(entry.dtype)
        elif tensors[name].shape != entry.shape or tensors[name].dtype != entry.dtype:
            raise ValueError(f"{name}: the training graph has {entry.shape} {entry.dtype}")
    return tensors | {"global_step": np.array(step, np.int64)}


def rows(folder: Path, recordings: Path) -> Iterator[parity.Row]:
    """Write, import and run each network; `folder` is where files may be written."""
    os.environ["AVSEP_MODEL_DIR"] = str(folder / "models")
    for network in published.CONFIGS:
        released = next(known for known in RELEASED if known.kind == network.replace("_", "-"))
        prefix = folder / "nets" / released.kind / f"net.tf-{released.step}"
        tensors = training_checkpoint(network, released.step)
        write(prefix, tensors)
        (imported,) = import_all(prefix.parent)
        print(f"{imported.name}: {imported.variables} of {len(tensors)} tensors taken, {imported.left_out} left out", file=sys.stderr)
        state = checkpoint.read(imported.path)[1]

        def fill(model: nn.Module, state: Any = state) -> object:
            return model.load_state_dict(state)

        for path in parity.recordings(recordings):
            if parity.kind(path) == network:
                yield from parity.compare(path, fill)
        for file in (imported.path, *prefix.parent.iterdir()):
            file.unlink()


def fixture() -> Arrays:
    """A few tensors of every kind that a checkpoint of the release has."""
    return {
        "global_step": np.array(675_000, np.int64),
        "im/conv1/weights": (np.arange(24, dtype=np.float32) / 7).reshape(1, 2, 3, 4),
        "im/conv1/weights/Momentum": np.zeros((1, 2, 3, 4), np.float32),
        "sf/a/BatchNorm/beta": np.linspace(-1, 1, 300, dtype=np.float32),
        "wide": np.array([1e-300, -2.5]),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run as a command; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=parity.COMPACT_RECORDINGS, metavar="DIR")
    parser.add_argument("--fixture", type=Path, metavar="OUT")
    options = parser.parse_args(arguments)
    if options.fixture:
        write(options.fixture / "small", fixture())
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return parity.show(rows(Path(folder), options.folder))


if __name__ == "__main__":
    sys.exit(main())
