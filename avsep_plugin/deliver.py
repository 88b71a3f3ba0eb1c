"""What an editor gets of a clip: names of the files, stems and the video's new sound written block by block, tracks of the video.

mixture, on --TrackWriter--> on-screen and off-screen stem (never touched by the amount)
                        \\--> replaced = mixture - amount * off --finish--> cross-faded at the ends of a part
stems, replaced --video_sounds--> the tracks of the video, for `media.mux`
"""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from avsep_plugin.clip import Float32
from avsep_plugin.media.containers import Container, output_suffix
from avsep_plugin.media.mux import NewSound
from avsep_plugin.media.write import SoundWriter, StemWriter
from avsep_plugin.part import Part
from avsep_plugin.preset import Delivery

_SILENCE_SAMPLES = 1 << 16


class Finish(Protocol):
    """Works on the replaced sound as it comes: what goes in comes out, later perhaps, as many samples in all and in step."""

    def process(self, sound: Float32) -> Float32:
        """[C, n] -> [C, m]."""

    def flush(self) -> Float32:
        """The rest, [C, m]."""


def output_names(
    source: Path, deliver: Collection[Delivery], tracks: Sequence[int], is_numbered: bool, file_format: str, container: Container,
    confidence: str | None = None,
) -> dict[str, str]:  # fmt: skip
    """File names by kind: on, off, confidence, video; with several tracks track1-on, track1-off, track2-on, ... and video.

    tracks: numbered from 0. confidence: suffix of the table of windows, None where there is none.
    """
    names: dict[str, str] = {}
    for track in tracks:
        prefix = f"track{track + 1}-" if is_numbered else ""
        if "stems" in deliver:
            names |= {f"{prefix}{kind}": f"{prefix}{kind}-screen.{file_format}" for kind in ("on", "off")}
        if confidence is not None:
            names[f"{prefix}confidence"] = f"{prefix}confidence.{confidence}"
    if {"replace", "add-tracks"} & set(deliver):
        suffix = output_suffix(source, container)
        names["video"] = source.name if suffix == source.suffix else f"{source.stem}{suffix}"
    return names


@dataclass(frozen=True)
class Delivered:
    """The sounds that were made of one track."""

    track: int
    on: Path
    off: Path
    replaced: Path
    start_seconds: Fraction
    """When the replaced sound starts on the source's clock."""
    stems_start_seconds: Fraction
    channels: int
    sample_rate_hz: int
    is_changed: bool
    """False: the replaced sound is the source's, sample by sample."""
    notes: tuple[str, ...] = ()
    """What had to be mended."""


def video_sounds(made: Sequence[Delivered], deliver: Collection[Delivery]) -> list[NewSound]:
    """The tracks of the video. Where the sound did not change, or is not to be replaced, the source's own packets stay.

    With add-tracks the on-screen and the off-screen sound follow behind the source's tracks, and the original too where it was replaced;
    where it was not, it is named in its place.
    """
    extra = "add-tracks" in deliver
    sounds, added = [], []
    for one in made:
        suffix = f" (track {one.track + 1})" if len(made) > 1 else ""
        shape = NewSound(one.replaced, one.track, one.start_seconds, channels=one.channels, sample_rate_hz=one.sample_rate_hz)
        if "replace" in deliver:
            sounds.append(shape if one.is_changed else NewSound(None, one.track))
        elif extra:
            sounds.append(NewSound(None, one.track, title=f"Original{suffix}"))
        if extra:
            stem = replace(shape, start_seconds=one.stems_start_seconds, added=True)
            added += [replace(stem, file=one.on, title=f"On-screen{suffix}"), replace(stem, file=one.off, title=f"Off-screen{suffix}")]
        if extra and "replace" in deliver:
            added.append(NewSound(None, one.track, title=f"Original{suffix}", added=True))
    return sounds + added


class TrackWriter:
    """Writes what is delivered of one track while it is separated; the files are there when the `with` block ends well.

    at: number of the first sample that will come, later of the next. Raises OutputError.
    """

    def __init__(
        self, stems: StemWriter | None, replaced: SoundWriter | None, part: Part, channels: int, at: int = 0,
        amount: float = 1.0, finish: Finish | None = None,
    ) -> None:  # fmt: skip
        self._stems, self._replaced, self._part, self._channels = stems, replaced, part, channels
        self.at = self._written = at
        self._amount, self._finish = np.float32(amount), finish
        self._waiting: list[Float32] = []
        self._stack = ExitStack()
        self.is_changed = False
        """Whether the replaced sound so far is another than the mixture."""

    def write(self, mixture: Float32, on: Float32) -> None:
        """The next samples of the track and their on-screen part, both [C, n] float32."""
        if self._stems is not None:
            first, stop = self._cut(mixture.shape[1])
            self._stems.write(mixture[:, first:stop], on[:, first:stop])
        if self._replaced is not None:
            wanted = mixture - self._amount * (mixture - on)
            self._waiting.append(mixture)
            self._replace(wanted if self._finish is None else self._finish.process(wanted))
        self.at += mixture.shape[1]

    def _cut(self, count: int) -> tuple[int, int]:
        """Which of the next `count` samples lie inside the part."""
        first = min(max(self._part.start - self.at, 0), count)
        return first, count if self._part.stop is None else min(max(self._part.stop - self.at, first), count)

    def _replace(self, wanted: Float32) -> None:
        """Write so much of the replaced sound: the separated inside the part, the mixture outside."""
        if not wanted.shape[1] or self._replaced is None:
            return
        count = wanted.shape[1]
        waiting = np.concatenate(self._waiting, axis=1)
        mixture, self._waiting = waiting[:, :count], [waiting[:, count:]]
        weights = self._part.weights(self._written, count)
        sound = wanted if weights is None else weights * wanted + (1 - weights) * mixture
        self.is_changed |= not np.array_equal(sound, mixture)
        self._replaced.write(sound)
        self._written += count

    def _pad(self, samples: int) -> None:
        """Silence for both stems."""
        for start in range(0, samples, _SILENCE_SAMPLES):
            silence = np.zeros((self._channels, min(_SILENCE_SAMPLES, samples - start)), np.float32)
            if self._stems is not None:
                self._stems.write(silence, silence)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for writer in (self._stems, self._replaced):
                if writer is not None:
                    stack.enter_context(writer)
            self._pad(self._part.start - self._part.stems_start)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if self._finish is not None:
                self._replace(self._finish.flush())
            end = self.at if self._part.stop is None else min(self.at, self._part.stop)
            self._pad((self._part.pad_to or end) - end)
