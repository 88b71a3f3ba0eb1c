"""Broadcast WAV: the bext chunk as it lies in the file, also in RF64."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.media import stems
from avsep_plugin.media.bwf import broadcast_tags
from avsep_plugin.media.read import AudioReader
from avsep_plugin.media.stems import StemWriter


def write(path: Path, tags: dict[str, str], samples: int = 100) -> np.ndarray:
    values = np.random.default_rng(0).uniform(-0.5, 0.5, (2, samples)).astype(np.float32)
    with StemWriter(path, path.with_name("off.wav"), 48000, 2, "32f", tags=tags) as writer:
        writer.write(values, values)
    return values


def chunks(path: Path) -> dict[bytes, bytes]:
    """The chunks of a RIFF file that is small, whatever its header says of 64-bit sizes."""
    content, found, at = path.read_bytes(), {}, 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], struct.unpack("<I", content[at + 4 : at + 8])[0]
        found[name] = content[at + 8 : at + 8 + min(size, len(content))]
        at += 8 + size + size % 2
    return found


def test_the_chunk_says_what_was_given(tmp_path: Path) -> None:
    write(tmp_path / "on.wav", broadcast_tags("clip.mov", Fraction(3600) + Fraction(1, 48000), 48000, "2020-01-02T03:04:05.000000Z"))
    bext = chunks(tmp_path / "on.wav")[b"bext"]
    assert bext[:256].rstrip(b"\0") == b"clip.mov"
    assert bext[256:288].rstrip(b"\0") == b"avsep"
    assert bext[320:330] == b"2020-01-02"
    assert bext[330:338] == b"03:04:05"
    low, high, version = struct.unpack("<IIH", bext[338:348])
    assert (low + (high << 32), version) == (3600 * 48000 + 1, 1)


@pytest.mark.parametrize(
    ("seconds", "samples"), [(Fraction(0), 0), (Fraction(-1, 2), 0), (Fraction(86400), 0), (Fraction(90000), 3600 * 48000)]
)  # fmt: skip
def test_a_day_has_midnights_at_both_ends(seconds: Fraction, samples: int) -> None:
    assert broadcast_tags("", seconds, 48000)["time_reference"] == str(samples)


def test_the_reference_of_a_high_rate_needs_more_than_32_bits(tmp_path: Path) -> None:
    seconds = Fraction(23 * 3600)
    write(tmp_path / "on.wav", broadcast_tags("", seconds, 192000))
    with av.open(str(tmp_path / "on.wav")) as container:
        assert int(container.metadata["time_reference"]) == 23 * 3600 * 192000 > 2**32


def test_a_name_that_is_not_ascii_keeps_its_length() -> None:
    assert broadcast_tags("été 音.mov", Fraction(0), 48000)["description"] == "?t? ?.mov"
    assert len(broadcast_tags("x" * 999, Fraction(0), 48000)["description"]) == 256


def test_a_file_beyond_four_gigabytes_says_so_in_64_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header that FFmpeg writes from 4 GB on, forced on a small file: sizes in ds64, the chunk and the samples as ever."""
    monkeypatch.setitem(stems.WAV_OPTIONS, "rf64", "always")
    values = write(tmp_path / "on.wav", broadcast_tags("clip", Fraction(7), 48000))
    content = (tmp_path / "on.wav").read_bytes()
    assert (content[:4], content[8:16]) == (b"RF64", b"WAVEds64")
    riff, data, samples = struct.unpack("<QQQ", content[20:44])
    assert (riff, data, samples) == (len(content) - 8, 100 * 2 * 4, 100)
    assert chunks(tmp_path / "on.wav")[b"bext"][256:261] == b"avsep"
    with AudioReader(tmp_path / "on.wav") as reader:
        assert np.array_equal(reader.read(1000), values)


def test_the_switch_to_64_bits_is_left_to_the_size() -> None:
    assert stems.WAV_OPTIONS["rf64"] == "auto"
