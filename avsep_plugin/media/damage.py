"""Finds what FFmpeg only logs and its Python binding does not show: files that end before their own header says, and torn Ogg pages.

FFmpeg's log itself is not listened to: there is one for the whole process, and its callback may deadlock with decoder threads.
"""

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import av.container

_SEGMENT = b"\x18\x53\x80\x67"
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def is_whole(path: Path, container: av.container.InputContainer) -> bool:
    """Whether, as far as can be told, the file is not cut short, and every Ogg page matches its checksum."""
    if "matroska" in container.format.name:
        return _matroska_is_whole(path)
    if "mp4" in container.format.name:
        return _index_is_inside(path, container)
    return container.format.name != "ogg" or _ogg_pages_match(path)


def _index_is_inside(path: Path, container: av.container.InputContainer) -> bool:
    """MP4, MOV: the last packet that the index names for each stream ends inside the file."""
    size = path.stat().st_size
    tables = [stream.index_entries for stream in container.streams if len(stream.index_entries)]
    return all(table[-1].pos + table[-1].size <= size for table in tables)


def _matroska_is_whole(path: Path) -> bool:
    """The segment, the second element of the file, does not promise more bytes than there are (a live one promises none)."""
    with path.open("rb") as file:
        file.seek(4)
        header = _element_size(file)
        if header is None:
            return True
        file.seek(header, 1)
        if file.read(4) != _SEGMENT:
            return True
        promised = _element_size(file)
        return promised is None or file.tell() + promised <= path.stat().st_size


def _element_size(file: BinaryIO) -> int | None:
    """An EBML size: as many bytes as the first has leading zero bits, plus one; all value bits set means unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    mask = (1 << (7 * (extra + 1))) - 1
    value = int.from_bytes(first + file.read(extra), "big") & mask
    return None if value == mask else value


def _ogg_pages_match(path: Path) -> bool:
    """Every Ogg page has the checksum that it says (RFC 3533); what lies between pages is no page and is left to FFmpeg."""
    with path.open("rb") as file:
        while len(header := file.read(27)) == 27 and header.startswith(b"OggS"):
            lengths = file.read(header[26])
            body = file.read(sum(lengths))
            page = header[:22] + b"\0\0\0\0" + header[26:] + lengths + body
            if _ogg_checksum(page) != struct.unpack("<I", header[22:26])[0]:
                return False
        return header == b""


def _ogg_checksum(page: bytes) -> int:
    """CRC-32 with polynomial 04c11db7, most significant bit first, starting at 0.

    zlib's is the same polynomial with every byte and the result mirrored, and inverted at both ends.
    """
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
