"""How an effect is called: the convention of pedalboard, kept to the letter so that ours can stand where one of theirs does.

    array as given   (n,)  (channels, n)  (n, channels)  of float32 or float64
          |
    [channels, n] float32 --Stream.push--> [channels, m] float32 --> a new float32 array in the layout that was given

Where pedalboard hangs or goes on with nonsense, this raises ValueError: a buffer size or sample rate that is not positive, a rate
that is not whole, numbers that are not finite (`reset=True`; in a stream they become silence, and a warning is logged), and another
rate or number of channels in the middle of a stream.
"""

import logging
import numbers
import operator
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from avsep_plugin.clip import Float32

_logger = logging.getLogger(__name__)


class Stream(Protocol):
    """A sound on its way through an effect, in pieces [channels, n] float32; what comes out is in step with what went in."""

    def push(self, block: Float32) -> Float32:
        """The next piece in; [channels, m] of what is finished comes out, m >= 0."""

    def flush(self) -> Float32:
        """The rest: in all, as many samples have then come out as went in. Ends the stream."""

    def close(self) -> None:
        """Let go of files and threads; the stream has ended, whether it was flushed or not."""


@dataclass(frozen=True)
class Layout:
    """How an array holds its channels."""

    mono: bool
    """(n,) instead of two dimensions."""
    time_first: bool
    """(n, channels) instead of (channels, n)."""

    def read(self, array: npt.NDArray[Any]) -> Float32:
        """A copy [channels, n] float32."""
        block = array[np.newaxis] if self.mono else array.T if self.time_first else array
        return np.array(block, dtype=np.float32, order="C")

    def write(self, block: Float32) -> Float32:
        """[channels, n] as it was given."""
        return block[0] if self.mono else np.ascontiguousarray(block.T) if self.time_first else block


class Effect(ABC):
    """An effect with pedalboard's calling convention over a stream of its own; one caller at a time, the others wait."""

    __slots__ = ("_format", "_layout", "_lock", "_stream")  # a parameter that there is not is an AttributeError, as with pedalboard

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._layout: Layout | None = None
        self._stream: Stream | None = None
        self._format: tuple[int, int] | None = None  # sample rate and channels of the stream, or of the last one

    @abstractmethod
    def open_stream(self, sample_rate_hz: int, channels: int) -> Stream:
        """A new stream through this effect with the parameters that it has now."""

    @property
    def is_effect(self) -> bool:
        """True: sound goes in and comes out."""
        return True

    @property
    def is_instrument(self) -> bool:
        """False: it plays no MIDI."""
        return False

    def process(self, input_array: npt.NDArray[Any], sample_rate: float, buffer_size: int = 8192, reset: bool = True) -> Float32:
        """Run a sound through the effect.

        input_array: float32 or float64 of shape (n,), (channels, n) or (n, channels). The dimension that is as long as the array
        before it had channels is the channels, else the smaller one; where both are equal, the layout is that of the array before.
        `reset()` forgets what was before. Returns a new float32 array.

        reset=True: the array is the whole sound, and the result has its shape. reset=False: the array is the next piece of a
        stream; the result may have fewer samples, none too, and `flush()` gives the rest. Put together they are the result of one
        call with the whole sound, bit by bit. `buffer_size` is there for pedalboard's sake and changes nothing.

        Raises TypeError and RuntimeError (layout) as pedalboard does, and ValueError as the module says.
        """
        rate_hz = _checked_rate(sample_rate)
        _check_buffer_size(buffer_size)
        _check_reset(reset)
        with self._lock:
            layout = find_layout(input_array, self._layout, self._format[1] if self._format else None)
            block = layout.read(input_array)
            result = self._whole(block, rate_hz) if reset else self._piece(block, rate_hz)
            if block.size or self._stream is None:  # what is left of a stream comes out in the layout of its samples
                self._layout = layout
            return layout.write(result)

    def __call__(self, input_array: npt.NDArray[Any], sample_rate: float, buffer_size: int = 8192, reset: bool = True) -> Float32:
        """The same as `process`."""
        return self.process(input_array, sample_rate, buffer_size, reset)

    def flush(self) -> Float32:
        """The samples of a stream (`reset=False`) that have not come out yet, in the layout of the last piece. Ends the stream."""
        with self._lock:
            layout = self._layout or Layout(mono=True, time_first=False)
            rest = np.zeros((self._format[1] if self._format else 1, 0), np.float32)
            if self._stream is not None:
                try:
                    rest = self._stream.flush()
                finally:
                    self._end()
            return layout.write(rest)

    def reset(self) -> None:
        """Forget the stream; the parameters stay."""
        with self._lock:
            self._end()
            self._layout = self._format = None

    def _end(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _whole(self, block: Float32, rate_hz: int) -> Float32:
        if not np.isfinite(block).all():
            raise ValueError("The sound holds values that are not finite (NaN or infinite).")
        self._end()
        self._format = (rate_hz, block.shape[0])
        if not block.size:
            return block
        stream = self.open_stream(*self._format)
        try:
            result = np.concatenate([stream.push(block), stream.flush()], axis=1)
        finally:
            stream.close()
        assert result.shape == block.shape, "a stream gives back as many samples as it got"
        return result

    def _piece(self, block: Float32, rate_hz: int) -> Float32:
        given, before = (rate_hz, block.shape[0]), self._format
        if self._stream is None or before is None:
            self._format = given
        elif block.size and given != before:
            known, new = (f"{channels} channels at {rate} Hz" for rate, channels in (before, given))
            raise ValueError(f"The stream has {known}, this piece {new}; call flush() or reset() first, or pass reset=True.")
        if not block.size:
            return block
        try:
            self._stream = self._stream or self.open_stream(*given)
            return self._stream.push(_finite(block))
        except BaseException:
            self._end()
            raise


def find_layout(array: npt.NDArray[Any], last: Layout | None, channels: int | None) -> Layout:
    """The layout of an array, told by its shape; `last` and `channels` are those of the array before it.

    Raises TypeError for what is no array of float32 or float64, RuntimeError where the layout cannot be told.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"process() takes a NumPy array of sound, not {type(array).__name__}.")
    if array.dtype.char not in "fd":
        raise TypeError("Pedalboard only supports 32-bit and 64-bit floating point audio for processing.")
    if array.ndim not in (1, 2):
        raise RuntimeError(f"Number of input dimensions must be 1 or 2 (got {array.ndim}).")
    if array.ndim == 1:
        return Layout(mono=True, time_first=False)
    rows, columns = array.shape
    if rows == columns != 1:
        if last is None:
            raise RuntimeError(
                f"Unable to determine channel layout from shape: ({rows}, {columns}). An array that is not square, given first, tells it."
            )
        return Layout(mono=False, time_first=last.time_first)
    if channels in (rows, columns):  # a last piece may have fewer samples than channels
        return Layout(mono=False, time_first=rows != channels)
    if 0 in (rows, columns):
        return Layout(mono=False, time_first=rows == 0)
    return Layout(mono=False, time_first=rows > columns)


def _finite(block: Float32) -> Float32:
    wrong = ~np.isfinite(block)
    if wrong.any():
        _logger.warning("%d samples are not finite (NaN or infinite) and were taken as silence.", int(wrong.sum()))
        block[wrong] = 0
    return block


def number(name: str, value: Any) -> float:
    """A number as float. Raises TypeError for what is none."""
    if not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}.")
    return float(value)


def _checked_rate(sample_rate: float) -> int:
    rate = number("The sample rate", sample_rate)
    if not 0 < rate < float("inf") or not rate.is_integer():
        raise ValueError(f"The sample rate must be a positive whole number of Hz, not {sample_rate}.")
    return int(rate)


def _check_buffer_size(buffer_size: int) -> None:
    if operator.index(buffer_size) <= 0:
        raise ValueError(f"The buffer size must be positive, not {buffer_size}.")


def _check_reset(reset: bool) -> None:
    if reset is not None and not isinstance(reset, bool | int | np.bool_):
        raise TypeError(f"reset must be True or False, not {type(reset).__name__}.")
