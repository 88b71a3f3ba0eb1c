"""Sound through one of FFmpeg's own audio filters, in memory."""

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


def filtered(sound: Float32, sample_rate_hz: int, name: str, settings: str) -> Float32:
    """What a filter makes of a mono sound [n]; [m], with the filter's own delay and length. settings: as on ffmpeg's command line."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=sample_rate_hz, format="fltp", layout="mono", time_base=Fraction(1, sample_rate_hz))
    graph.link_nodes(source, graph.add(name, settings), graph.add("abuffersink")).configure()
    frame = av.AudioFrame.from_ndarray(sound[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = sample_rate_hz, 0, Fraction(1, sample_rate_hz)
    graph.push(frame)
    graph.push(None)
    pieces = [np.zeros(0, np.float32)]
    while True:
        try:
            pulled = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return np.concatenate(pieces)
        pieces.append(pulled.to_ndarray()[0])
