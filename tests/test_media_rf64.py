"""Stems beyond 4 GB, where a WAV file has to become RF64: written whole, read again, the last samples in their place."""

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.media.write import StemWriter

RATE_HZ, CHANNELS, BLOCK = 96_000, 6, 1 << 20
SAMPLES = (2**32 + 2**24) // (4 * CHANNELS) + 12_345
"""Of 32 bits: a little more than 4 GiB in one stem."""
ROOM = 6 * 10**9


@pytest.mark.big
def test_a_stem_beyond_4_gb_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.disk_usage(tmp_path).free < 2 * ROOM:
        pytest.skip("no room for two stems of more than 4 GB")
    monkeypatch.setattr("os.fsync", lambda _: None)  # what is deleted at once need not reach the disk
    on, off = tmp_path / "on.wav", tmp_path / "off.wav"
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (CHANNELS, BLOCK)).astype(np.float32)
    try:
        with StemWriter(on, off, RATE_HZ, CHANNELS, "32f", layout="5.1") as writer:
            for start in range(0, SAMPLES, BLOCK):
                block = sound[:, : SAMPLES - start]
                writer.write(block, block)
        with on.open("rb") as file:
            assert file.read(4) == b"RF64"
        assert on.stat().st_size > 2**32
        assert _last_samples(on).tobytes() == sound[:, : SAMPLES % BLOCK][:, -1000:].tobytes()
        assert _counted(on) == SAMPLES
        assert not _last_samples(off).any()
    finally:
        on.unlink(missing_ok=True)
        off.unlink(missing_ok=True)


def _last_samples(path: Path) -> np.ndarray:
    """The last 1000, through FFmpeg's seeking."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.duration == SAMPLES
        container.seek(int((Fraction(SAMPLES, RATE_HZ) - 1) / stream.time_base), stream=stream)
        frames = list(container.decode(stream))
        end = frames[-1].pts + frames[-1].samples
        assert end == SAMPLES
        values = np.concatenate([frame.to_ndarray().reshape(-1, CHANNELS) for frame in frames])
    return np.ascontiguousarray(values[-1000:].T)


def _counted(path: Path) -> int:
    """Samples that the ffmpeg program finds when it reads all of the file."""
    command = [find_ffmpeg(), "-v", "error", "-i", str(path), "-map", "0:a", "-c", "copy", "-f", "framehash", "-hash", "adler32", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        total = sum(int(line.split(",")[3]) for line in process.stdout if not line.startswith("#"))
    assert process.returncode == 0
    return total
