"""What a result is made of: its streams in order, each copied from the source, encoded, or left out.

source's streams + new sounds --lay_out--> Outs --without(refused)--> Outs that the container takes
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.container
from av.audio.stream import AudioStream
from av.stream import Discard, Disposition, Stream

from avsep_plugin.media.containers import Target
from avsep_plugin.media.ffmpeg import several
from avsep_plugin.media.source import audio_streams

_TEXTS = {"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"}
TEXT_OF = {"mp4": "mov_text", "mov": "mov_text", "matroska": "srt", "webm": "webvtt"}
"""The text subtitles that a container is sure to take."""
_TAKEN_TEXTS = {"mp4": {"mov_text"}, "mov": {"mov_text"}, "matroska": _TEXTS - {"mov_text"}, "webm": {"webvtt"}}


@dataclass(frozen=True)
class NewSound:
    """A sound track of the result."""

    file: Path | None
    """Its samples; None: the packets of the source's own track."""
    track: int = 0
    """The source's sound track that it comes from, whose language it keeps."""
    start_seconds: Fraction = Fraction(0)
    """When it starts on the source's clock; without meaning for packets of the source."""
    title: str = ""
    added: bool = False
    """Whether it follows behind the source's streams; else it takes the place of `track`."""
    channels: int = 0
    """Of the file; 0: as the source's track."""
    sample_rate_hz: int = 0


@dataclass(frozen=True)
class Out:
    """A stream of the result."""

    kind: str
    """audio, video, subtitle, data, attachment, ..."""
    codec: str
    """Of the source's stream."""
    how: Literal["copy", "encode", "text"]
    tags_of: int
    """Index of the source's stream whose tags it has and, where there is no file, whose packets or samples."""
    file: Path | None = None
    start_seconds: Fraction = Fraction(0)
    channels: int = 0
    sample_rate_hz: int = 0
    title: str = ""
    """A name of its own; "" leaves it the one it has."""
    tags: tuple[str, ...] = ()
    """More tags as ffmpeg's option takes them, key=value."""
    disposition: str = "0"
    silence: str = ""
    """ffmpeg's filter that puts silence around the sound, where the container knows no start times."""

    @property
    def copied(self) -> int | None:
        """Index of the source's stream whose packets it has."""
        return self.tags_of if self.how == "copy" else None

    def options(self, place: int, target: Target) -> tuple[dict[str, str], list[str]]:
        """ffmpeg's options for it at a place of the result, and warnings."""
        options, warnings = {f"c:{place}": "copy"}, list[str]()
        if self.how == "text":
            options = {f"c:{place}": TEXT_OF[target.muxer]}
        elif self.how == "encode":
            options, warnings = target.sound.options(place, self.channels, self.sample_rate_hz)
            options |= {f"filter:{place}": self.silence} if self.silence else {}
        tags = [*self.tags]
        if self.title:
            tags += [f"title={self.title}", f"handler_name={self.title}"] if target.has_edit_lists else [f"title={self.title}"]
        if tags:
            options[f"metadata:s:{place}"] = several(tags)
        return options | {f"disposition:{place}": self.disposition}, warnings


def content(source: av.container.InputContainer) -> list[Stream]:
    """The streams that are copied. MP4 and MOV keep timecode and chapters in tracks of their own, which FFmpeg reads as tags of the picture
    and as chapters, marks as not to be read, and writes anew."""
    return [
        stream for stream in source.streams if stream.type != "data" or ("timecode" not in stream.metadata and stream.discard < Discard.all)
    ]


def lay_out(source: av.container.InputContainer, target: Target, sounds: Sequence[NewSound]) -> list[Out]:
    """Every stream of the source, the new sounds in their places or behind."""
    tracks = audio_streams(source)
    replaced = {tracks[sound.track].index: sound for sound in sounds if not sound.added}
    outs = []
    for stream in content(source):
        out = _copied(stream, target)
        if stream.index in replaced:
            out = _new(replaced[stream.index], out)
        outs.append(replace(out, disposition=_dispositions(stream)))
    outs += [_new(sound, _copied(tracks[sound.track], target)) for sound in sounds if sound.added]
    return outs if target.has_start_times else [_in_silence(out, source) if out.file is not None else out for out in outs]


def without(outs: Sequence[Out], refused: Collection[int]) -> tuple[list[Out], list[str]]:
    """The streams when the container refuses to take copies of some of the source's (by index), and what is said about it.

    Sound is encoded as the new sound is, everything else is left out.
    """
    taken, warnings = [], []
    for out in outs:
        if out.copied not in refused:
            taken.append(out)
        elif out.kind == "audio":
            taken.append(replace(out, how="encode"))
            warnings.append(f"Stream {out.tags_of} ({out.codec}) was encoded again: the container does not take it as it is.")
        else:
            warnings.append(f"Stream {out.tags_of} ({out.kind}) was dropped: the container cannot take it.")
    return taken, warnings


def _copied(stream: Stream, target: Target) -> Out:
    codec = getattr(stream.codec_context, "name", "unknown")
    convert = codec in _TEXTS and codec not in _TAKEN_TEXTS.get(target.muxer, _TEXTS)
    out = Out(stream.type, codec, "text" if convert else "copy", stream.index, tags=_named(stream, target))
    if not isinstance(stream, AudioStream) or stream.codec_context is None:
        return out
    return replace(out, channels=stream.codec_context.channels, sample_rate_hz=stream.codec_context.sample_rate)


def _new(sound: NewSound, out: Out) -> Out:
    """A new sound with what a stream of the source says of itself."""
    if sound.file is None:
        return replace(out, title=sound.title)
    channels, rate = sound.channels or out.channels, sound.sample_rate_hz or out.sample_rate_hz
    return replace(
        out, how="encode", file=sound.file, start_seconds=sound.start_seconds, title=sound.title, channels=channels, sample_rate_hz=rate
    )


def _in_silence(out: Out, source: av.container.InputContainer) -> Out:
    """Silence instead of a start time, and up to the end of the clip, because MXF ends all tracks with the shortest."""
    late, length = (Fraction(ticks or 0, av.time_base) for ticks in (source.start_time, source.duration))
    samples = [max(0, round(seconds * out.sample_rate_hz)) for seconds in (out.start_seconds - late, length)]
    silence = (
        f"adelay={samples[0]}S:all=1,apad=whole_len={samples[1]}" if source.format.name.startswith("mxf") else f"adelay={samples[0]}S:all=1"
    )
    return replace(out, start_seconds=Fraction(0), silence=silence)


def _named(stream: Stream, target: Target) -> tuple[str, ...]:
    """MP4 and MOV keep a stream's name where FFmpeg reads it as `name`, writes it from `title`, and shows others a `title`."""
    found = {key.lower(): (key, value) for key, value in stream.metadata.items()}
    if "name" not in found or "title" in found:
        return ()
    key, name = found["name"]
    return (f"title={name}",) if target.has_edit_lists else (f"title={name}", f"{key}=")


def _dispositions(stream: Stream) -> str:
    """The stream's marks (default, forced, ...) as ffmpeg's option takes them."""
    return "+".join(mark.name for mark in Disposition if stream.disposition & mark and mark.name) or "0"
