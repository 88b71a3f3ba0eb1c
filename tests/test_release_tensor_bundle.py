"""The reader of TensorFlow's V2 checkpoints, against indexes that TensorFlow wrote and files made here."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from avsep_plugin.errors import ModelError
from avsep_plugin.release.tensor_bundle import TensorBundle, read_index

GOLDEN = Path(__file__).resolve().parent / "golden"
WriteBundle = Callable[[Path, dict[str, npt.NDArray[np.generic]]], None]

INDEXES = {
    "sep_full.net.tf-160000": (697, 1_364_209_708),
    "shift.net.tf-650000": (263, 288_432_752),
    "unet_pit.net.tf-160000": (270, 804_117_704),
}
"""Index of a training graph, written by TensorFlow 1.8 -> entries, bytes of data."""


@pytest.mark.parametrize("name", INDEXES)
def test_every_entry_of_an_index_by_tensorflow_is_read(name: str) -> None:
    entries = read_index(GOLDEN / "ckpt_index" / f"{name}.index")
    assert (len(entries), max(entry.offset + entry.size for entry in entries.values())) == INDEXES[name]
    assert entries["global_step"].dtype == "<i8"


def test_entries_lie_side_by_side() -> None:
    entries = sorted(read_index(GOLDEN / "ckpt_index" / "sep_full.net.tf-160000.index").values(), key=lambda entry: entry.offset)
    assert all(first.offset + first.size == second.offset for first, second in itertools.pairwise(entries))


def test_what_tensorflow_wrote_is_read() -> None:
    """The files are TensorFlow 2.21's own: `python -m benchmarks.conversion --fixture tests/golden/tensorflow`."""
    bundle = TensorBundle(GOLDEN / "tensorflow" / "small")
    expected = {
        "global_step": np.array(675_000, np.int64),
        "im/conv1/weights": (np.arange(24, dtype=np.float32) / 7).reshape(1, 2, 3, 4),
        "im/conv1/weights/Momentum": np.zeros((1, 2, 3, 4), np.float32),
        "sf/a/BatchNorm/beta": np.linspace(-1, 1, 300, dtype=np.float32),
        "wide": np.array([1e-300, -2.5]),
    }
    read = {name: bundle.read(name) for name in bundle.entries}
    assert read.keys() == expected.keys()
    for name, value in expected.items():
        assert (read[name].dtype, read[name].shape) == (value.dtype, value.shape)
        assert np.array_equal(read[name], value)


def test_what_was_written_is_read(tmp_path: Path, write_bundle: WriteBundle) -> None:
    random = np.random.default_rng(0)
    tensors = {f"scope/layer{n}/weights": random.standard_normal((n + 1, 3)).astype(np.float32) for n in range(40)}
    write_bundle(tmp_path / "net", tensors)
    bundle = TensorBundle(tmp_path / "net")
    assert bundle.entries.keys() == tensors.keys()
    assert all(np.array_equal(bundle.read(name), tensors[name]) for name in tensors)


@pytest.mark.parametrize("at", [0, 30, -60, -47, -46, -3])
def test_a_changed_byte_of_the_index_is_noticed(tmp_path: Path, write_bundle: WriteBundle, at: int) -> None:
    write_bundle(tmp_path / "net", {"a/weights": np.ones((2, 3), np.float32), "b/weights": np.ones((4,), np.float32)})
    path = tmp_path / "net.index"
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= 0x55
    path.write_bytes(damaged)
    with pytest.raises(ModelError, match="damaged"):
        read_index(path)


def test_a_changed_number_is_noticed(tmp_path: Path, write_bundle: WriteBundle) -> None:
    write_bundle(tmp_path / "net", {"a": np.ones(4, np.float32), "b": np.zeros(4, np.float32)})
    path = tmp_path / "net.data-00000-of-00001"
    damaged = bytearray(path.read_bytes())
    damaged[20] ^= 1
    path.write_bytes(damaged)
    bundle = TensorBundle(tmp_path / "net")
    assert np.array_equal(bundle.read("a"), np.ones(4, np.float32))
    with pytest.raises(ModelError, match="checksum of 'b'"):
        bundle.read("b")


def test_data_that_end_too_soon_are_noticed(tmp_path: Path, write_bundle: WriteBundle) -> None:
    write_bundle(tmp_path / "net", {"a": np.ones(4, np.float32)})
    path = tmp_path / "net.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="not whole"):
        TensorBundle(tmp_path / "net").read("a")


@pytest.mark.parametrize("content", [b"", b"\0" * 47, b"\0" * 48, b"\xff" * 4096, b"no checkpoint at all" * 10])
def test_anything_else_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.index").write_bytes(content)
    with pytest.raises(ModelError):
        read_index(tmp_path / "net.index")


def test_random_bytes_before_a_true_footer_are_one_clear_error(tmp_path: Path, write_bundle: WriteBundle) -> None:
    write_bundle(tmp_path / "net", {"a": np.ones(4, np.float32)})
    whole, random = (tmp_path / "net.index").read_bytes(), np.random.default_rng(1)
    for _ in range(200):
        (tmp_path / "x.index").write_bytes(random.bytes(len(whole) - 48) + whole[-48:])
        with pytest.raises(ModelError):
            read_index(tmp_path / "x.index")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"net\.index"):
        TensorBundle(tmp_path / "net")
