"""The identifiers (UMID, SMPTE 330M) in an MXF file, by which editing programs tell material apart: made of its contents, not by chance.

FFmpeg's muxer draws them at random, and with "bitexact" leaves them empty, the same in every file. Here the empty ones are filled in:

    06 0a 2b 34 01 01 01 05 01 01 0d 00 13 | instance 3 | material 15 | 00 material package, 01 file package
    \\------- same in all of FFmpeg's ------/  \\--- from a seed -----/

so that the same input gives the same bytes, and two results of one clip are still two. They stand in the header's sets and beside every
picture, in packets of key, length and value (SMPTE 336M); essence is skipped, never searched.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from avsep_plugin.errors import OutputError

_UMID = bytes.fromhex("060a2b340101010501010d0013")
_EMPTY = _UMID + bytes(18)
_SETS = (bytes.fromhex("060e2b340253"), bytes.fromhex("060e2b340243"))
"""How the keys of header metadata and of system items begin."""
_KEY_BYTES = 16
_LONGEST_SET_BYTES = 1 << 20


def identify(path: Path, seed: bytes) -> None:
    """Fill the empty UMIDs of a file that FFmpeg has written with "bitexact". Raises OutputError."""
    own = hashlib.sha256(seed).digest()[:18]
    try:
        with path.open("r+b") as file:
            for place in list(_empty_umids(file)):
                file.seek(place + len(_UMID))
                file.write(own)
    except OSError as exc:
        raise OutputError(f"{path} cannot be written: {exc.strerror}.") from exc


def _empty_umids(file: BinaryIO) -> Iterator[int]:
    """Where they begin."""
    for start, length in _sets(file):
        file.seek(start)
        value = file.read(length)
        found = value.find(_EMPTY)
        while found >= 0:
            yield start + found
            found = value.find(_EMPTY, found + len(_EMPTY))


def _sets(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """(start, bytes) of the value of every set in the file; what is no packet ends the search."""
    place = 0
    while True:
        file.seek(place)
        head = file.read(_KEY_BYTES + 9)
        first = head[_KEY_BYTES] if len(head) > _KEY_BYTES else 0xFF
        more = first & 0x7F if first & 0x80 else 0  # BER: the length itself, or how many bytes it takes
        if more > 8:
            return
        length = int.from_bytes(head[_KEY_BYTES + 1 : _KEY_BYTES + 1 + more], "big") if more else first
        start = place + _KEY_BYTES + 1 + more
        if head.startswith(_SETS) and length <= _LONGEST_SET_BYTES:
            yield start, length
        place = start + length


def seed_of(source: Path, sounds: list[Path]) -> bytes:
    """What a result depends on: both ends of its source, and its new sounds."""
    digest = hashlib.sha256()
    with source.open("rb") as file:
        size = source.stat().st_size
        digest.update(size.to_bytes(8, "big") + file.read(1 << 20))
        file.seek(max(0, size - (1 << 20)))
        digest.update(file.read(1 << 20))
    for sound in sounds:
        with sound.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.digest()
