"""Small copies of sound and picture that every browser plays, whatever the clip was recorded as: H.264 and AAC in MP4.

Time in a preview counts from its own first picture or sample: a picture's first is shown at 0, a sound's first sample sounds at 0.
"""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import ffmpeg
import numpy as np

from avsep_plugin.atomic import atomic
from avsep_plugin.clip import Float32
from avsep_plugin.errors import NoVideoError
from avsep_plugin.media.ffmpeg import node_address, run_ffmpeg
from avsep_plugin.media.probe import probe
from avsep_plugin.media.salvage import Salvage
from avsep_plugin.media.source import file_address, open_media, video_stream
from avsep_plugin.media.stems import LAYOUTS, writing

_WIDTH, _HEIGHT = 854, 480
"""The picture is fitted into this, and never enlarged."""
_FASTEST = 31
_KEY_SECONDS = 1
"""A picture to begin with every second: a click on the timeline shows its place at once."""
_RATES = (16000, 22050, 24000, 32000, 44100, 48000)
_BITS_PER_CHANNEL = 80_000


def preview_picture(source: Path, target: Path, tolerate_damage: bool = False) -> None:
    """Write the moving picture of a file, upright, small and silent; every second picture above 31 a second is left out.

    Raises what `probe` raises, NoVideoError, OutputError (also where the ffmpeg program cannot encode H.264).
    """
    video = probe(source, tolerate_damage).video
    if video is None:
        raise NoVideoError(f"{source} has no picture.")
    scale = min(Fraction(1), Fraction(_WIDTH, video.display_width), Fraction(_HEIGHT, video.display_height))
    width, height = (max(2, round(length * scale / 2) * 2) for length in (video.display_width, video.display_height))
    rate = video.average_rate or Fraction(25)
    picture = ffmpeg.input(node_address(source))[str(_index(source, tolerate_damage))]
    if rate > _FASTEST:
        picture = picture.filter("framestep", 2)
    picture = picture.filter("scale", width, height).filter("setsar", 1).filter("setpts", "PTS-STARTPTS")
    options = {
        "c:v": "libx264", "preset": "veryfast", "crf": "27", "pix_fmt": "yuv420p", "bf": "0",
        "g": str(max(1, round(min(rate, Fraction(_FASTEST)) * _KEY_SECONDS))),
        "map_metadata": "-1", "map_chapters": "-1", "movflags": "+faststart", "f": "mp4",
    }  # fmt: skip
    with atomic(target) as temporary:
        run_ffmpeg(ffmpeg.output(picture, node_address(temporary), **options), target)


def _index(source: Path, tolerate_damage: bool) -> int:
    with open_media(source, Salvage(source, tolerate_damage)) as container:
        stream = video_stream(container)
        assert stream is not None
        return stream.index


class SoundPreview:
    """Writes one sound as AAC, mono or stereo, that appears when the `with` block ends well. Raises OutputError."""

    def __init__(self, path: Path, sample_rate_hz: int, channels: int) -> None:
        self.path, self._rate, self._written = path, sample_rate_hz, 0
        self._layout = LAYOUTS.get(channels, f"{channels} channels")
        self._heard = 1 if channels == 1 else 2
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        rate = self._rate if self._rate in _RATES else _RATES[-1]
        layout = LAYOUTS[self._heard]
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic(self.path))
            with writing(self.path):
                options = {"movflags": "+faststart"}
                self._container = stack.enter_context(av.open(file_address(temporary), "w", format="mp4", options=options))
                self._stream = self._container.add_stream("aac", rate=rate, layout=layout)
                self._stream.bit_rate = _BITS_PER_CHANNEL * self._heard
            self._resampler = av.AudioResampler("fltp", layout, rate)
            self._stack = stack.pop_all()
        return self

    def write(self, sound: Float32) -> None:
        """Append a block [C, n] float32; more than two channels are mixed down by FFmpeg's rules."""
        if not sound.shape[1]:
            return
        sound = np.nan_to_num(sound[:2] if self._layout not in LAYOUTS.values() else sound)
        layout = LAYOUTS[sound.shape[0]]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T).reshape(1, -1), "flt", layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
        self._written += sound.shape[1]
        self._encode(frame)

    def _encode(self, frame: av.AudioFrame | None) -> None:
        with writing(self.path):
            for converted in self._resampler.resample(frame):
                self._container.mux(self._stream.encode(converted))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._stack:
            if kind is not None:
                self._stack.__exit__(kind, error, trace)
                return
            self._encode(None)
            with writing(self.path):
                self._container.mux(self._stream.encode(None))
                self._container.close()
