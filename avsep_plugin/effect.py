"""The separator as an effect: sound in, on-screen sound out, called like a plugin of pedalboard.

    effect = OnScreenSeparator("talk.mp4", amount=0.8)
    quieter = effect(sound, 48000)                                   the sound of the video, as a whole

    video  |--------|======================|-------
           0      start    pictures that go with the samples, one second of them for each second of sound

The samples say nothing of their time, so the effect counts them: the first one belongs to `start`, the rest follows.
"""

import math
import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from avsep_plugin.clip import Float32
from avsep_plugin.convention import Effect, number
from avsep_plugin.dsp.masks import Highs
from avsep_plugin.errors import MediaNotFoundError
from avsep_plugin.footage import SlidingPictures
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader, FrameReader
from avsep_plugin.models.separator import Separator
from avsep_plugin.models.zoo import load_separator
from avsep_plugin.pipeline import Block, SeparateOptions, separate
from avsep_plugin.push import Pushed


class _Place(NamedTuple):
    """Where the pictures come from."""

    video: Path
    track: int
    start_seconds: Fraction


class OnScreenSeparator(Effect):
    """Turns down what the picture does not show: output = mixture - amount * off-screen sound.

    video: the clip whose sound is given; it is looked at, never listened to.
    start: seconds from the first sample of the clip's sound to the first sample that is given.
    amount: 0 leaves the sound as it is, 1 takes off all that is off-screen; a change is heard from the next samples that come out.
    model: a known model, the path of a checkpoint, or "auto"; it is loaded when the first samples come.
    track: which of the clip's sound tracks is given; its first sample is the zero of `start`.
    device: auto, cpu, cuda, cuda:N or mps.
    highs: what happens above the model's band (`avsep separate --highs`).

    All are properties that can be set at any time; all but `amount` count from the next stream on. A stream is late by about one
    window of the model (its length and context), which `flush()` makes good. A sound that is too short for the model comes out as it
    went in. Pickles and copies take the parameters along, not the stream.

    Raises MediaNotFoundError; later, with the first samples, whatever opening a clip or a model raises (errors.py).
    """

    __slots__ = ("_amount", "_highs", "_loaded", "_next_start", "_start", "_track", "_video", "device", "model")

    def __init__(
        self,
        video: str | Path,
        start: float | Fraction = 0.0,
        amount: float = 1.0,
        model: str | Path = "auto",
        track: int = 0,
        device: str = "auto",
        highs: Highs = "follow",
    ) -> None:
        super().__init__()
        self._next_start: Fraction | None = None
        self._loaded: tuple[tuple[str, str], Separator] | None = None
        self.video, self.start, self.amount = video, start, amount
        self.model, self.track, self.device, self.highs = model, track, device, highs

    @property
    def video(self) -> Path:
        """The clip that is looked at."""
        return self._video

    @video.setter
    def video(self, video: str | Path) -> None:
        path = Path(video)
        if not path.exists():
            raise MediaNotFoundError(f"{path}: no such file.")
        self._video = path

    @property
    def start(self) -> float | Fraction:
        """Seconds of the clip's sound at which a stream begins."""
        return self._start

    @start.setter
    def start(self, seconds: float | Fraction) -> None:
        _exact_seconds("Start", seconds)
        self._start = seconds

    @property
    def amount(self) -> float:
        """How much of the off-screen sound is taken off, 0 to 1."""
        return self._amount

    @amount.setter
    def amount(self, amount: float) -> None:
        share = number("Amount", amount)
        if not 0 <= share <= 1:
            raise ValueError("Amount must be between 0.0 and 1.0.")
        self._amount = share

    @property
    def track(self) -> int:
        """Which of the clip's sound tracks is given, counted from 0."""
        return self._track

    @track.setter
    def track(self, track: int) -> None:
        if operator.index(track) < 0:
            raise ValueError("Track must be 0 or greater.")
        self._track = track

    @property
    def highs(self) -> Highs:
        """What happens to the sound above the model's band."""
        return self._highs

    @highs.setter
    def highs(self, highs: Highs) -> None:
        if highs not in get_args(Highs):
            raise ValueError(f"Highs must be one of {', '.join(get_args(Highs))}.")
        self._highs = highs

    def seek(self, seconds: float | Fraction) -> None:
        """The next sample that is given belongs to that time of the clip's sound; a stream ends without its rest.

        Holds for one stream, or one call with reset=True; the one after it begins at `start` again, as after `reset()`.
        """
        place = _exact_seconds("The time", seconds)
        with self._lock:
            self._end()
            self._next_start = place

    def reset(self) -> None:
        """Forget the stream; the next one begins at `start`."""
        with self._lock:
            super().reset()
            self._next_start = None

    def open_stream(self, sample_rate_hz: int, channels: int) -> "Separation":
        """A new stream at the place that was sought, else at `start`."""
        with self._lock:
            start = _exact_seconds("Start", self._start) if self._next_start is None else self._next_start
            self._next_start = None
            place = _Place(self._video, self.track, start)
            make = partial(_separated, self._network(), sample_rate_hz, place, SeparateOptions(highs=self.highs))
            return Separation(Pushed(make), channels, lambda: self._amount)

    def _network(self) -> Separator:
        wanted = (str(self.model), self.device)
        if self._loaded is None or self._loaded[0] != wanted:
            self._loaded = (wanted, load_separator(*wanted))
        return self._loaded[1]

    def __repr__(self) -> str:
        return (
            f"<avsep_plugin.OnScreenSeparator video='{self.video}' start={float(self.start):g} amount={self.amount:g} "
            f"model='{self.model}' track={self.track} device='{self.device}' highs='{self.highs}' at {id(self):#x}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        parameters = (self.video, self.start, self.amount, self.model, self.track, self.device, self.highs)
        return OnScreenSeparator, parameters


class Separation:
    """The pipeline as a stream (`convention.Stream`)."""

    def __init__(self, blocks: Pushed[Tensor, Block], channels: int, amount: Callable[[], float]) -> None:
        self._blocks, self._channels, self._amount = blocks, channels, amount

    def push(self, block: Float32) -> Float32:
        """The next piece in, what is finished out."""
        return self._mixed(self._blocks.push(torch.from_numpy(block)))

    def flush(self) -> Float32:
        """The rest."""
        return self._mixed(self._blocks.finish())

    def close(self) -> None:
        """Let go of the video."""
        self._blocks.close()

    def _mixed(self, blocks: list[Block]) -> Float32:
        amount = self._amount()
        parts = [block.on if amount == 1 else block.mixture - amount * block.off for block in blocks]
        result: Float32 = torch.cat([torch.zeros(self._channels, 0), *parts], dim=1).numpy()
        return result


def _separated(model: Separator, sample_rate_hz: int, place: _Place, options: SeparateOptions, pieces: Iterator[Tensor]) -> Iterator[Block]:
    """The pipeline over pieces [C, n] of sound and the pictures that go with them."""
    picture, stft = model.config.picture, model.config.stft
    least = math.ceil(Fraction(stft.frame_samples * sample_rate_hz, model.config.sample_rate_hz))
    head = _head(pieces, least)
    if head.shape[1] < least:
        yield Block(head, head)
        return
    origin = _first_sample_seconds(place) + place.start_seconds
    with FrameReader(place.video, picture.frame_rate, origin, picture) as frames:
        yield from separate(model, chain([head], pieces), sample_rate_hz, SlidingPictures(frames), options)


def _head(pieces: Iterator[Tensor], samples: int) -> Tensor:
    """The first pieces as one, no shorter than that unless there are no more."""
    head, length = [next(pieces)], 0
    while (length := length + head[-1].shape[1]) < samples:
        piece = next(pieces, None)
        if piece is None:
            break
        head.append(piece)
    return torch.cat(head, dim=1)


def _first_sample_seconds(place: _Place) -> Fraction:
    """When the clip's sound begins on the clip's clock; 0 where it has none of its own."""
    if not probe(place.video).audio and place.track == 0:
        return Fraction(0)
    with AudioReader(place.video, place.track) as audio:
        return audio.start_seconds


def _exact_seconds(name: str, seconds: float | Fraction) -> Fraction:
    if not 0 <= number(name, seconds) < math.inf:
        raise ValueError(f"{name} must be a number of seconds from 0.0 on.")
    return seconds if isinstance(seconds, Fraction) else Fraction(float(seconds))
