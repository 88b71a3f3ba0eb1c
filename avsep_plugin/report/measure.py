"""One pass over a sound: how loud it is, its outline for the timeline, and a preview of it. Memory does not grow with its length."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.errors import NoAudioError
from avsep_plugin.media.loudness import Loudness, LoudnessMeter
from avsep_plugin.media.preview import SoundPreview
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader
from avsep_plugin.report.sounds import Sound

_BLOCK_SAMPLES = 2**16
_BINS = 600


@dataclass(frozen=True)
class Measured:
    """What was found of a sound."""

    start_seconds: Fraction
    """After the clip's first picture."""
    length_seconds: Fraction
    loudness: Loudness
    outline: Float32
    """[at most 600] the largest sample, without its sign, of each of as many equal parts."""


def measure(sound: Sound, preview: Path | None = None, tolerate_damage: bool = False) -> Measured:
    """Read a sound from beginning to end. preview: where a small copy of it is written.

    Raises what opening and reading sound raises, OutputError where the preview cannot be written.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(AudioReader(path, sound.track, tolerate_damage)) for path in sound.paths]
        rate, channels = readers[0].sample_rate_hz, readers[0].channels
        if any((reader.sample_rate_hz, reader.channels) != (rate, channels) for reader in readers):
            raise NoAudioError(f"{sound.paths[0]} and {sound.paths[1]} are not alike: they cannot be added up.")
        start = sound.start_seconds if sound.start_seconds is not None else readers[0].start_seconds - _picture_start(readers[0])
        writer = stack.enter_context(SoundPreview(preview, rate, channels)) if preview is not None else None
        meter, outline = LoudnessMeter(rate, channels), Outline()
        first, stop = (None if seconds is None else round(seconds * rate) for seconds in sound.measured)
        at = 0
        for block in _blocks(readers):
            meter.add(_within(block, at, first or 0, stop))
            outline.add(np.abs(block).max(axis=0))
            if writer is not None:
                writer.write(block)
            at += block.shape[1]
        return Measured(start, Fraction(at, rate), meter.result(), outline.bins(_BINS))


def _blocks(readers: list[AudioReader]) -> Iterator[Float32]:
    """The sum of the sounds, [C, n] at a time, up to the end of the shortest."""
    while True:
        parts = [reader.read(_BLOCK_SAMPLES) for reader in readers]
        count = min(part.shape[1] for part in parts)
        if not count:
            return
        total: Float32 = np.nan_to_num(sum((part[:, :count] for part in parts[1:]), parts[0][:, :count]))
        yield total


def _within(block: Float32, at: int, first: int, stop: int | None) -> Float32:
    """What lies inside [first, stop) of a block that begins at sample `at`."""
    return block[:, max(0, first - at) : None if stop is None else max(0, stop - at)]


def _picture_start(reader: AudioReader) -> Fraction:
    """When the first picture is shown on the clock of the same file; without a picture, when the sound starts."""
    video = probe(reader.path, reader.salvage.tolerant).video
    return reader.start_seconds if video is None else video.start_seconds


class Outline:
    """The largest values of equal stretches of a sound of unknown length: when there are too many stretches, they become twice as long."""

    _MOST = 4096

    def __init__(self) -> None:
        self._stretch = 64
        self._maxima = np.zeros(0, np.float32)
        self._rest = np.zeros(0, np.float32)

    def add(self, level: Float32) -> None:
        """The next values, [n], none below 0."""
        level = np.concatenate([self._rest, level])
        whole = level.size // self._stretch * self._stretch
        self._rest = level[whole:]
        self._maxima = np.concatenate([self._maxima, level[:whole].reshape(-1, self._stretch).max(axis=1)])
        while self._maxima.size > self._MOST:
            self._halve()

    def _halve(self) -> None:
        if self._maxima.size % 2:  # the last one is not full yet: it goes back to the rest, as a stretch that is level
            self._rest = np.concatenate([np.full(self._stretch, self._maxima[-1]), self._rest])
            self._maxima = self._maxima[:-1]
        self._maxima = self._maxima.reshape(-1, 2).max(axis=1)
        self._stretch *= 2

    def bins(self, count: int) -> Float32:
        """At most so many values for the whole of it, [n] float32."""
        values = np.concatenate([self._maxima, self._rest.max(keepdims=True)]) if self._rest.size else self._maxima
        if values.size <= count:
            return values
        edges = np.linspace(0, values.size, count, endpoint=False).astype(np.intp)
        reduced: Float32 = np.maximum.reduceat(values, edges)
        return reduced
