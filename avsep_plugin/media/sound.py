"""Reads one sound track: the samples that FFmpeg decodes, laid on the file's own clock, in blocks of any size."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from avsep_plugin.clip import Float32
from avsep_plugin.errors import NoAudioError
from avsep_plugin.media.source import MediaReader, audio_streams, select

_JITTER_SECONDS = Fraction(1, 1000)
"""Timestamps this close to the clock are rounding of the container's time base (Matroska counts milliseconds)."""
_JUMP_SECONDS = 3600
"""A longer hole is a broken timestamp, not a pause."""
_LISTED_GAPS = 1000
_PLANAR = {"u8p": np.uint8, "s16p": np.int16, "s32p": np.int32, "s64p": np.int64, "fltp": np.float32, "dblp": np.float64}


@dataclass(frozen=True)
class Gap:
    """Where the timestamps of the sound leave the clock: `samples` of silence put in (positive) or overlap dropped (negative)."""

    at_sample: int
    samples: int


class AudioReader(MediaReader):
    """The samples of one sound track as FFmpeg decodes them, after edit list and priming, on the file's own clock.

    Raises what `open_media` raises, NoAudioError, and (not with tolerate_damage) DamagedMediaError while reading.
    """

    def __init__(self, path: Path | str, track: int = 0, tolerate_damage: bool = False) -> None:
        super().__init__(path, tolerate_damage)
        tracks = audio_streams(self.container)
        if not 0 <= track < len(tracks):
            self.close()
            raise NoAudioError(f"{path} has no sound." if not tracks else f"{path} has no sound track {track}; it has {len(tracks)}.")
        self._stream = tracks[track]
        select(self.container, self._stream, "NONE")
        self.gaps: list[Gap] = []
        self._silence, self._dropped = [0, 0], [0, 0]  # how often, samples in all
        self._parts: deque[Float32] = deque()
        self._clock = 0  # samples put on the queue so far
        self._ended = False
        self._last_frame: av.AudioFrame | None = None
        self._frames = self._decode()
        context = self._stream.codec_context
        self.sample_rate_hz, self.channels = context.sample_rate, context.layout.nb_channels
        self.start_seconds = (self._stream.start_time or 0) * (self._stream.time_base or Fraction(0))
        self._resampler: av.AudioResampler | None = None
        self._resampled: tuple[int, str, str] | None = None
        """Rate, layout and sample format of the frames that the resampler takes."""
        self._open()

    def read(self, samples: int) -> Float32:
        """The next [C, n] samples, full scale = 1; n < samples only at the end. Any split of reads gives the same samples."""
        parts: list[Float32] = []
        missing = samples
        while missing > 0 and self._ready():
            part = self._parts.popleft()
            if part.shape[1] > missing:
                self._parts.appendleft(part[:, missing:])
            parts.append(part[:, :missing])
            missing -= parts[-1].shape[1]
        return np.concatenate(parts, axis=1) if parts else np.zeros((self.channels, 0), np.float32)

    @property
    def notes(self) -> list[str]:
        """What was mended so far, one sentence each."""
        kinds = ((self._silence, "gap", "filled with silence"), (self._dropped, "overlap", "dropped"))
        return self.salvage.notes + [
            f"{count} {name}{'s' if count > 1 else ''} in the timestamps of the sound {what} ({total / self.sample_rate_hz:.3f} s in all)."
            for (count, total), name, what in kinds if count
        ]  # fmt: skip

    def _open(self) -> None:
        """Decode the first frame: it says what the rate, the layout and the start really are."""
        try:
            first = next(self._frames, None)
        except BaseException:
            self.close()
            raise
        self.layout = first.layout.name if first else self._stream.codec_context.layout.name
        if first is not None:
            self.sample_rate_hz, self.channels = first.sample_rate, first.layout.nb_channels
            if first.pts is not None and first.time_base is not None:
                self.start_seconds = first.pts * first.time_base
            self._last_frame = first
            self._put(first)
        if not self.sample_rate_hz or not self.channels:
            self.close()
            raise NoAudioError(f"{self.path} has no sound that can be decoded.")

    def _decode(self) -> Iterator[av.AudioFrame]:
        for packet in self.salvage.packets(self.container, self._stream):
            if packet.is_corrupt:
                self.salvage.report("a packet of the sound is cut short")
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.error.FFmpegError as exc:
                self.salvage.report_failure(exc, "sound")
                continue
            yield from (frame for frame in frames if frame.samples)

    def _ready(self) -> bool:
        """See to it that a part lies on the queue; False at the end. The last part is held back until it is known to be the last."""
        while len(self._parts) < 2 and not self._ended:
            frame = next(self._frames, None)
            self._ended = frame is None
            self._last_frame = frame or self._last_frame
            for uniform in self._uniform(frame):
                self._put(uniform)
            if self._ended:
                self._trim_end()
        return bool(self._parts)

    def _trim_end(self) -> None:
        """Drop the padding of the last AAC frame of MP4 and MOV: what reaches beyond its packet's duration or the track's.

        FFmpeg's demuxer does so itself from 9.0 on; PyAV may carry an older one, and then the padding is still there.
        """
        stream, frame = self._stream, self._last_frame
        is_aac = stream.codec_context.name == "aac" and "mp4" in self.container.format.name
        if not (is_aac and self._parts and frame and frame.pts is not None and stream.duration and self.start_seconds == 0):
            return
        tick_samples = (frame.time_base or Fraction(0)) * self.sample_rate_hz
        stop = min(frame.pts + frame.duration if frame.duration else stream.duration, stream.duration)
        padding = frame.samples - round((stop - frame.pts) * tick_samples)
        if 0 < padding < self._parts[-1].shape[1]:
            self._parts[-1] = self._parts[-1][:, :-padding]
            self._clock -= padding

    def _uniform(self, frame: av.AudioFrame | None) -> list[av.AudioFrame]:
        """The frame at the track's first rate and layout (a broadcast may change them on the way, and back); None flushes."""
        kind = (frame.sample_rate, frame.layout.name, frame.format.name) if frame else None
        rest: list[av.AudioFrame] = []
        if self._resampler and kind != self._resampled:  # a resampler takes frames of one kind only
            rest, self._resampler = self._resampler.resample(None), None
        if frame is None or (frame.sample_rate, frame.layout.name) == (self.sample_rate_hz, self.layout):
            return rest + ([frame] if frame else [])
        if self._resampler is None:
            self._resampler, self._resampled = av.AudioResampler("fltp", self.layout, self.sample_rate_hz), kind
        try:
            return rest + self._resampler.resample(frame)
        except av.error.FFmpegError as exc:
            self.salvage.report_failure(exc, "sound")
            return rest

    def _put(self, frame: av.AudioFrame) -> None:
        """Queue a frame where its timestamp says; a difference to the clock of up to a millisecond is rounding."""
        samples = _to_float(frame)
        ahead = 0
        if frame.pts is not None and frame.time_base is not None:
            place = (frame.pts * frame.time_base - self.start_seconds) * self.sample_rate_hz
            ahead = round(place - self._clock)
        # Of a damaged file the holes together count, too: each may be short enough, and there may be thousands of them.
        holes = self._silence[1] if self.salvage.tolerant and ahead > 0 else 0
        if abs(ahead) + holes > self.sample_rate_hz * _JUMP_SECONDS:
            self.salvage.report(f"the timestamps of its sound jump by {ahead // self.sample_rate_hz} s")
            ahead = 0
        if ahead > self.sample_rate_hz * _JITTER_SECONDS:
            if self.container.format.name == "flac":  # its timestamps are counted samples: what is missing was lost
                self.salvage.report(f"{ahead} samples are missing after sample {self._clock}")
            self._note(ahead)
            self._queue_silence(ahead)
        elif -ahead > self.sample_rate_hz * _JITTER_SECONDS:
            dropped = min(-ahead, samples.shape[1])
            self._note(-dropped)
            samples = samples[:, dropped:]
        if samples.shape[1]:
            self._parts.append(samples)
            self._clock += samples.shape[1]

    def _queue_silence(self, samples: int) -> None:
        """Silence as one-second views of the same zeros, so that a long pause costs no memory."""
        second = np.zeros((self.channels, self.sample_rate_hz), np.float32)
        self._clock += samples
        for start in range(0, samples, self.sample_rate_hz):
            self._parts.append(second[:, : min(self.sample_rate_hz, samples - start)])

    def _note(self, samples: int) -> None:
        counter = self._silence if samples > 0 else self._dropped
        counter[0] += 1
        counter[1] += abs(samples)
        if len(self.gaps) < _LISTED_GAPS:
            self.gaps.append(Gap(self._clock, samples))


def _to_float(frame: av.AudioFrame) -> Float32:
    """[C, n] float32 of a frame, full scale = 1; integers up to 24 bits stay exact."""
    values: npt.NDArray[Any]
    if frame.format.is_planar:
        # One by one: with eight channels PyAV (18.1) counts a ninth plane that is not there, and `to_ndarray` reads it and crashes.
        planes = frame.planes[: frame.layout.nb_channels]
        values = np.stack([np.frombuffer(memoryview(plane), _PLANAR[frame.format.name])[: frame.samples] for plane in planes])
    else:
        values = frame.to_ndarray().reshape(-1, frame.layout.nb_channels).T
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, np.float32)
    full_scale = 2 ** (8 * values.dtype.itemsize - 1)
    if values.dtype == np.uint8:
        values = values.astype(np.int16) - full_scale
    samples: Float32 = values.astype(np.float32) * np.float32(1 / full_scale)
    return np.ascontiguousarray(samples)
