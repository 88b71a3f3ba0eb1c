"""Sets the edit list of the sound track of an MP4 file, so that encoder priming is cut off wherever the sound starts.

FFmpeg's muxer cuts the priming of a track that starts at 0, and only of such a track: for one that starts at time t > 0 it writes

    [ nothing for t - priming ][ media from 0 ]           and the priming is heard as part of the sound;
    [ nothing for t ][ media from `priming` ]             is what is meant, and what this module writes.

An MP4 file is a row of boxes: size (32 bits, header included), type (4 letters), body. The edit list is moov/trak/edts/elst; each entry is
(length in ticks of the movie, first tick of the media or -1 for nothing, speed as 16.16). ISO/IEC 14496-12, 8.6.6.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

AAC_PRIMING_SAMPLES = 1024
"""What FFmpeg's AAC encoder puts in front."""
_SPEED_ONE = 1 << 16


def set_sound_start(path: Path, start_seconds: Fraction, track: int = 0, priming_samples: int = AAC_PRIMING_SAMPLES) -> None:
    """Make a sound track (AAC, as FFmpeg wrote it) start at exactly `start_seconds`, its priming cut off.

    Does nothing for a start at or before 0, which FFmpeg writes right, or where the file's index (moov) is not its last box.
    """
    if start_seconds <= 0:
        return
    with path.open("r+b") as file:
        offset, moov = _last_box(file)
        if moov[4:8] != b"moov":
            return
        file.seek(offset)
        file.write(_with_edits(moov, start_seconds, track, priming_samples))
        file.truncate()


def _last_box(file: BinaryIO) -> tuple[int, bytes]:
    """Offset and bytes of the last box at the top of the file (only its header where it is not moov)."""
    end = file.seek(0, SEEK_END)
    offset = size = 0
    header = b""
    while offset + size < end:
        offset += size
        file.seek(offset)
        header = file.read(16)
        size = struct.unpack(">I", header[:4])[0]
        if size == 1:
            size = struct.unpack(">Q", header[8:16])[0]
        size = size or end - offset
    file.seek(offset)
    return offset, file.read(size) if header[4:8] == b"moov" else header


def _with_edits(moov: bytes, start_seconds: Fraction, track: int, priming_samples: int) -> bytes:
    parts = list(_boxes(moov[8:]))
    movie_ticks, _ = _ticks_and_length(dict(parts)[b"mvhd"])
    place = [place for place, (kind, body) in enumerate(parts) if kind == b"trak" and _handler(body) == b"soun"][track]
    parts[place] = (b"trak", _edited_track(parts[place][1], start_seconds, movie_ticks, priming_samples))
    return _box(b"moov", b"".join(_box(kind, body) for kind, body in parts))


def _edited_track(track: bytes, start_seconds: Fraction, movie_ticks: int, priming_samples: int) -> bytes:
    """The body of a trak box with a new edit list before its mdia."""
    parts = [(kind, body) for kind, body in _boxes(track) if kind != b"edts"]
    place, media = next((place, body) for place, (kind, body) in enumerate(parts) if kind == b"mdia")
    rate, length = _ticks_and_length(dict(_boxes(media))[b"mdhd"])
    samples = length - priming_samples
    entries = [
        struct.pack(">QqI", round(start_seconds * movie_ticks), -1, _SPEED_ONE),
        struct.pack(">QqI", round(Fraction(samples, rate) * movie_ticks), priming_samples, _SPEED_ONE),
    ]
    edits = _box(b"elst", b"\x01\0\0\0" + struct.pack(">I", len(entries)) + b"".join(entries))
    parts.insert(place, (b"edts", edits))
    return b"".join(_box(kind, body) for kind, body in parts)


def _boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, body) of the boxes in a body; FFmpeg writes none inside moov that is longer than 32 bits can say."""
    offset = 0
    while offset + 8 <= len(body):
        size = struct.unpack(">I", body[offset : offset + 4])[0]
        yield body[offset + 4 : offset + 8], body[offset + 8 : offset + size]
        offset += max(size, 8)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def _ticks_and_length(header: bytes) -> tuple[int, int]:
    """Ticks per second and length in ticks of an mvhd or mdhd box; version 1 has 64-bit times."""
    ticks, length = struct.unpack(">IQ", header[20:32]) if header[0] == 1 else struct.unpack(">II", header[12:20])
    return ticks, length


def _handler(track: bytes) -> bytes:
    """What a trak box holds: b"soun", b"vide", ..."""
    return dict(_boxes(dict(_boxes(track))[b"mdia"]))[b"hdlr"][8:12]
