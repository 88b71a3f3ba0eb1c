"""Reads TensorFlow's V2 checkpoints without TensorFlow: `<prefix>.index` and `<prefix>.data-00000-of-00001`.

The index is a LevelDB table: blocks of sorted keys, a block that lists them, and a footer that says where that one is. The key "" holds
the header of the bundle; every other key is the name of a tensor, its value says where in the data the raw numbers lie:

    [entries of tensors 0..i] .. [entries of tensors k..n] [list of the blocks] [footer: place of the list, magic]

    entry    shared u32, unshared u32, value length u32 (varints), the unshared end of the key, the value
    block    entries, u32 restarts.., u32 number of restarts | kind of compression u8, masked CRC-32C u32

Formats: LevelDB's doc/table_format.md, TensorFlow's tensor_bundle.proto and tensor_shape.proto.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import google_crc32c
import numpy as np
import numpy.typing as npt

from avsep_plugin.errors import ModelError

_FOOTER_BYTES = 48
_MAGIC = 0xDB4775248B80FB57
_TRAILER_BYTES = 5
_LARGEST_INDEX = 64 * 2**20

_DTYPES: Mapping[int, str] = MappingProxyType({1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"})
"""TensorFlow's numbers of the kinds that a checkpoint of a network holds: float32, float64, int32, int64."""


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies in the data, in bytes, and what it is."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int
    crc32c: int


class TensorBundle:
    """A checkpoint, opened by its prefix (`.../net.tf-160000`); tensors are read one at a time.

    Raises ModelError where a file is missing, damaged, or of a kind that the release has not.
    """

    def __init__(self, prefix: Path) -> None:
        self.index_path = prefix.with_name(f"{prefix.name}.index")
        self.data_path = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
        self.entries = read_index(self.index_path)

    def read(self, name: str) -> npt.NDArray[np.generic]:
        """The numbers of a tensor, in its shape; their checksum is compared."""
        entry = self.entries[name]
        try:
            with self.data_path.open("rb") as file:
                file.seek(entry.offset)
                raw = file.read(entry.size)
        except OSError as exc:
            raise ModelError(f"{self.data_path} cannot be read: {exc.strerror}.") from exc
        if len(raw) != entry.size:
            raise ModelError(f"{self.data_path} ends before '{name}'; the checkpoint is not whole.")
        if _masked_crc(raw) != entry.crc32c:
            raise ModelError(f"{self.data_path} is damaged: the checksum of '{name}' is wrong.")
        return np.frombuffer(raw, entry.dtype).reshape(entry.shape)


def read_index(path: Path) -> dict[str, Entry]:
    """Name -> entry of every tensor of a checkpoint. Raises ModelError."""
    try:
        if path.stat().st_size > _LARGEST_INDEX:
            raise ModelError(f"{path} is too large for the index of a checkpoint.")
        table = path.read_bytes()
    except OSError as exc:
        raise ModelError(f"{path} cannot be read: {exc.strerror}.") from exc
    try:
        items = dict(_table_items(table))
        header = _fields(items.pop(b""))
        if header.get(1) != [1] or header.get(2, [0]) != [0]:
            raise ModelError(f"{path}: only little-endian checkpoints in one piece are read.")
        return {name.decode(): _entry(value, name.decode()) for name, value in items.items()}
    except (IndexError, KeyError, ValueError, struct.error) as exc:
        raise ModelError(f"{path} is not the index of a TensorFlow checkpoint, or is damaged ({exc}).") from exc


def _entry(value: bytes, name: str) -> Entry:
    """BundleEntryProto: dtype 1, shape 2, shard 3, offset 4, size 5, masked CRC-32C 6, slices 7."""
    fields = _fields(value)
    dtype = _DTYPES.get(_number(fields, 1))
    if dtype is None or 7 in fields or _number(fields, 3) != 0:
        raise ValueError(f"'{name}' is of a kind that no network here has")
    shape = tuple(_number(_fields(_bytes(axis)), 1) for axis in _fields(_bytes(fields.get(2, [b""])[0])).get(2, []))
    entry = Entry(dtype, shape, _number(fields, 4), _number(fields, 5), _number(fields, 6))
    if entry.size != np.dtype(dtype).itemsize * int(np.prod(shape, dtype=object)):
        raise ValueError(f"the size of '{name}' does not fit its shape")
    return entry


def _table_items(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of every entry of a LevelDB table, in order."""
    footer = table[-_FOOTER_BYTES:]
    if len(footer) != _FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("no table footer")
    meta_start, meta_size, at = _handle(footer, 0)
    _block(table, meta_start, meta_size)  # holds nothing that is needed here, but a damaged one tells of a damaged file
    index_start, index_size, _ = _handle(footer, at)
    for _, value in _block_items(_block(table, index_start, index_size)):
        start, size, _ = _handle(value, 0)
        yield from _block_items(_block(table, start, size))


def _handle(data: bytes, at: int) -> tuple[int, int, int]:
    """Place and size of a block, and where its description ends."""
    start, at = _varint(data, at)
    size, at = _varint(data, at)
    return start, size, at


def _block(table: bytes, start: int, size: int) -> bytes:
    block, trailer = table[start : start + size], table[start + size : start + size + _TRAILER_BYTES]
    kind, crc = struct.unpack("<BI", trailer)
    if kind != 0:
        raise ValueError("compressed blocks, which TensorFlow does not write")
    if _masked_crc(block + trailer[:1]) != crc:
        raise ValueError("wrong checksum of a block")
    return block


def _block_items(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of every entry of a block; a key shares its beginning with the one before."""
    restarts = struct.unpack("<I", block[-4:])[0]
    at, stop, key = 0, len(block) - 4 * (restarts + 1), b""
    while at < stop:
        shared, at = _varint(block, at)
        unshared, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + unshared]
        at += unshared
        yield key, block[at : at + length]
        at += length


def _fields(message: bytes) -> dict[int, list[int | bytes]]:
    """A protocol-buffer message: number of the field -> its values, undecoded."""
    fields: dict[int, list[int | bytes]] = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value: int | bytes
        match tag & 7:
            case 0:
                value, at = _varint(message, at)
            case 2:
                length, at = _varint(message, at)
                value, at = message[at : at + length], at + length
            case 5:
                value, at = struct.unpack("<I", message[at : at + 4])[0], at + 4
            case kind:
                raise ValueError(f"wire type {kind}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: dict[int, list[int | bytes]], key: int) -> int:
    """A field's number, 0 where it is left out."""
    value = fields.get(key, [0])[0]
    if not isinstance(value, int):
        raise ValueError(f"field {key} is no number")
    return value


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where a message should be")
    return value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, lowest first -> (number, where it ends)."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("an endless number")


def _masked_crc(data: bytes) -> int:
    """LevelDB's CRC-32C, turned and shifted so that a checksum of checksums stays a good one."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
