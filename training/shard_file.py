"""One shard: a tar file of .npy arrays, as webdataset wants it, of which it is known where each array begins."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from avsep_plugin.atomic import atomic


@dataclass(frozen=True)
class Place:
    """Where an array lies: byte offset of its first item in the shard, and its shape."""

    offset: int
    shape: tuple[int, ...]


def write_shard(
    path: Path, arrays: Sequence[tuple[str, npt.NDArray[Any]]], about: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Place]:
    """Write arrays named <key>.<kind> into one tar, whole or not at all, what there is to say about a key before them -> where they lie."""
    told = dict(about or {})
    with atomic(path) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name, array in arrays:
                key, kind = name.rsplit(".", 1)
                if key in told:
                    _add(tar, f"{member(key)}.json", json.dumps(told.pop(key)).encode())
                buffer = io.BytesIO()
                np.save(buffer, array, allow_pickle=False)
                _add(tar, f"{member(key)}.{kind}.npy", buffer.getvalue())
        return _places(temporary, [name for name, _ in arrays])


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def member(key: str) -> str:
    """A name of members for webdataset: dots only before the kind of array, no more than USTAR takes."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _places(path: Path, names: list[str]) -> dict[str, Place]:
    places = {}
    with tarfile.open(path) as tar, path.open("rb") as raw:
        for name, entry in zip(names, (m for m in tar.getmembers() if m.name.endswith(".npy")), strict=True):
            raw.seek(entry.offset_data)
            version = np.lib.format.read_magic(raw)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, _ = read(raw)
            places[name] = Place(raw.tell(), shape)
    return places
