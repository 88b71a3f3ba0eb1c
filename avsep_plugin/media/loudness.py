"""How loud a sound is, measured while it goes by: loudness after ITU-R BS.1770 by FFmpeg's `ebur128`, peak and clipping.

The measurement works on blocks of 400 ms and leaves out those below -70 LUFS: of a shorter sound, and of silence, there is no loudness.
"""

from dataclasses import dataclass
from fractions import Fraction

import av
import av.error
import av.filter
import numpy as np
import numpy.typing as npt

from avsep_plugin.clip import Float32
from avsep_plugin.media.stems import LAYOUTS

_FULL_SCALE = 1.0 - 2.0**-15
"""The largest sample of 16 bits."""
_CLIPPED_RUN = 3
"""Samples in a row at full scale: one or two are an honest peak."""
_GATE_LUFS = -70.0
_BLOCK_SECONDS = Fraction(2, 5)


@dataclass(frozen=True)
class Loudness:
    """Of a whole sound."""

    integrated_lufs: float | None
    """None: it is silent, or shorter than 0.4 s, or FFmpeg knows no loudness of so many channels."""
    peak_dbfs: float | None
    """Of the largest sample; None: every sample is 0."""
    clipped_places: int
    """Runs of three samples or more at full scale, all channels together."""


class LoudnessMeter:
    """Takes a sound in blocks [C, n] float32, full scale = 1, of any size; memory does not grow."""

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        self._rate, self._layout, self._samples = sample_rate_hz, LAYOUTS.get(channels), 0
        self._graph = _graph(sample_rate_hz, self._layout) if self._layout else None
        self._lufs, self._peak, self._places = _GATE_LUFS, 0.0, 0
        self._before = np.zeros((channels, _CLIPPED_RUN), bool)
        """Whether the last samples were at full scale."""

    def add(self, sound: Float32) -> None:
        """The next block. Values that are not numbers count as silence."""
        if not sound.shape[1]:
            return
        sound = np.nan_to_num(sound, posinf=1.0, neginf=-1.0)
        level = np.abs(sound)
        self._peak = max(self._peak, float(level.max()))
        self._count_clipped(level >= _FULL_SCALE)
        if self._graph is not None and self._layout is not None:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T).reshape(1, -1), "flt", self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._samples, Fraction(1, self._rate)
            self._graph.push(frame)
            self._listen(self._graph)
        self._samples += sound.shape[1]

    def result(self) -> Loudness:
        """Of everything so far; nothing can be added afterwards."""
        if self._graph is not None and self._samples:
            self._graph.push(None)
            self._listen(self._graph)
        is_measured = self._graph is not None and self._samples >= _BLOCK_SECONDS * self._rate and self._lufs > _GATE_LUFS
        peak = 20 * float(np.log10(self._peak)) if self._peak else None
        return Loudness(self._lufs if is_measured else None, peak, self._places)

    def _listen(self, graph: av.filter.Graph) -> None:
        """Take the loudness so far from what comes out of the filter: one frame every 100 ms."""
        while True:
            try:
                frame = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            self._lufs = float(frame.metadata.get("lavfi.r128.I", self._lufs))

    def _count_clipped(self, full: npt.NDArray[np.bool_]) -> None:
        """A run is counted where its third sample comes: it and the two before are at full scale, the one before those is not."""
        flags = np.concatenate([self._before, full], axis=1)
        third = flags[:, 3:] & flags[:, 2:-1] & flags[:, 1:-2] & ~flags[:, :-3]
        self._places += int(third.sum())
        self._before = flags[:, -_CLIPPED_RUN:]


def _graph(sample_rate_hz: int, layout: str) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=sample_rate_hz, format="flt", layout=layout, time_base=Fraction(1, sample_rate_hz))
    meter = graph.add("ebur128", "metadata=1")
    graph.link_nodes(source, meter, graph.add("abuffersink")).configure()
    return graph
