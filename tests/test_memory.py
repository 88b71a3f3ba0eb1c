"""Memory of a long clip: no more than that of a short one, from file to file."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

_RATE_HZ = 8000
_MORE_BYTES = 64 * 2**20
_MEASURED = """
import dataclasses, json, resource, sys
from fractions import Fraction
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from broken import quarter
from avsep_plugin.config import WindowConfig
from avsep_plugin.files import SeparateFileOptions, separate_file
from avsep_plugin.media.probe import probe
model = quarter()
picture = dataclasses.replace(model.config.picture, frame_rate=Fraction(5))  # fewer pictures and longer windows than usual save time
model.config = dataclasses.replace(model.config, picture=picture, window=WindowConfig(100, 4, fixed=False))
result = separate_file(Path(sys.argv[2]), Path(sys.argv[3]), model, SeparateFileOptions())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([peak * (1 if sys.platform == "darwin" else 1024), float(probe(result.outputs["on"]).audio[0].duration_seconds)]))
"""


def write_long(path: Path, minutes: int) -> Path:
    """One picture a second, which never changes, and a minute of noise over and over."""
    noise = np.random.default_rng(0).integers(-3000, 3000, (1, _RATE_HZ * 60)).astype(np.int16)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=1)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=_RATE_HZ, layout="mono")
        picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 99, np.uint8), "rgb24").reformat(format="yuv420p")
        for minute in range(minutes):
            for second in range(60):
                picture.pts, picture.time_base = minute * 60 + second, Fraction(1)
                container.mux(video.encode(picture))
                part = av.AudioFrame.from_ndarray(noise[:, second * _RATE_HZ : (second + 1) * _RATE_HZ].copy(), "s16", "mono")
                part.sample_rate, part.pts, part.time_base = _RATE_HZ, (minute * 60 + second) * _RATE_HZ, Fraction(1, _RATE_HZ)
                container.mux(sound.encode(part))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    return path


def peak_bytes(folder: Path, minutes: int) -> int:
    """Of a process of its own that separates a clip of that length into stems and a video."""
    clip = write_long(folder / f"{minutes}.mov", minutes)
    command = [sys.executable, "-c", _MEASURED, str(Path(__file__).parent), str(clip), str(folder / f"out{minutes}")]
    peak, seconds = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert seconds == 60 * minutes
    return int(peak)


@pytest.mark.slow
def test_two_hours_take_little_more_memory_than_two_minutes(tmp_path: Path) -> None:
    assert peak_bytes(tmp_path, 120) - peak_bytes(tmp_path, 2) < _MORE_BYTES
