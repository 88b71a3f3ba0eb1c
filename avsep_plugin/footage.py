"""A file as the pipeline takes it: sound in blocks, pictures by number, both counted from the first sample.

file --AudioReader--> blocks [C, n]
     --FrameReader--> a sliding row of pictures --pictures(start, count)--> [count, c, c, 3]
"""

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor

from avsep_plugin.clip import UInt8
from avsep_plugin.config import PictureConfig
from avsep_plugin.media.read import AudioReader, FrameReader, centre_crop
from avsep_plugin.media.region import Region

_BLOCK_SECONDS = 1
_FRAMES_SKIPPED_AT_ONCE = 64


class SlidingPictures:
    """Pictures by number from a reader that only goes forwards; holds no more than the last request.

    A request may begin anywhere at or after the one before it.
    """

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader
        self._start = 0
        self._frames = self._read(0)

    def __call__(self, start: int, count: int) -> Tensor:
        """[count, c, c, 3] uint8 of the frames from `start` on; whole pictures [count, H, W, 3].

        Raises ValueError where `start` lies before the last request.
        """
        if start < self._start:
            raise ValueError(f"frame {start} is gone: pictures are read forwards, and frame {self._start} is the first one still held")
        while start > self._start + len(self._frames):  # pictures that nobody asked for
            self._start += len(self._frames)
            self._frames = self._read(min(start - self._start, _FRAMES_SKIPPED_AT_ONCE))
        held = self._frames[start - self._start :]
        missing = count - len(held)
        self._frames = np.concatenate([held, self._read(missing)]) if missing > 0 else held
        self._start = start
        return torch.from_numpy(self._frames[:count].copy())

    def _read(self, count: int) -> UInt8:
        frames = self._reader.read(count)
        return frames if self._reader.is_whole else centre_crop(frames, self._reader.picture)


class Footage:
    """An open file: its sound track number `track` and its picture, or a region of it, as a model wants it. A context manager.

    track: None for a file that is only looked at: it has no samples, and pictures are counted from the first one.
    cell_pixels: the picture is seen whole instead of what the model's square holds, in cells of so many of the network's pixels.
    Raises NoAudioError, NoVideoError and whatever else opening a file raises.
    """

    def __init__(
        self, path: Path, picture: PictureConfig, track: int | None = 0, region: Region | None = None, tolerate_damage: bool = False,
        cell_pixels: int | None = None,
    ) -> None:  # fmt: skip
        self.path, self.track, self.region, self.tolerate_damage = path, track, region, tolerate_damage
        with ExitStack() as stack:
            audio = None if track is None else AudioReader(path, track, tolerate_damage)
            if audio is not None:
                stack.callback(audio.close)
            start = None if audio is None else audio.start_seconds
            self._frames = FrameReader(path, picture.frame_rate, start, picture, region, tolerate_damage, cell_pixels)
            stack.callback(self._frames.close)
            self._audio, self._stack = audio, stack.pop_all()
        self.sample_rate_hz, self.channels = (audio.sample_rate_hz, audio.channels) if audio is not None else (0, 0)
        self.start_seconds = self._frames.origin_seconds
        """Time of the first sample on the file's clock."""
        self.pictures = SlidingPictures(self._frames)

    def again(self, picture: PictureConfig) -> "Footage":
        """The same file from its beginning, as another model wants its picture; to be closed like this one."""
        return Footage(self.path, picture, self.track, self.region, self.tolerate_damage)

    def blocks(self, samples: int | None = None) -> Iterator[Tensor]:
        """The sound from where the last reading ended, [C, n] float32 in pieces; `samples` of it, or (None) all the rest."""
        once = _BLOCK_SECONDS * self.sample_rate_hz
        while self._audio is not None and (samples is None or samples > 0):
            block = self._audio.read(once if samples is None else min(once, samples))
            if not block.shape[1]:
                return
            samples = None if samples is None else samples - block.shape[1]
            yield torch.from_numpy(block)

    def look_from(self, sample: int) -> None:
        """Count the pictures from this sample on instead of the first; before any of them is asked for."""
        self._frames.origin_seconds = self.start_seconds + Fraction(sample, self.sample_rate_hz)

    @property
    def notes(self) -> list[str]:
        """What the readers had to mend so far."""
        return [*(self._audio.notes if self._audio is not None else []), *self._frames.salvage.notes, *self._frames.notes]

    def close(self) -> None:
        """Let go of the file."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
