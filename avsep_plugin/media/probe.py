"""What is in a media file: container, picture and sound tracks, as FFmpeg sees them."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.container
import av.error
import av.stream
from av.stream import Disposition

from avsep_plugin.errors import NoAudioError, NotMediaError, NoVideoError
from avsep_plugin.media.geometry import Orientation, display_size
from avsep_plugin.media.salvage import Salvage
from avsep_plugin.media.source import audio_streams, open_media, reading, video_stream

_BITS = {"u8": 8, "s16": 16, "s32": 32, "s64": 64, "flt": 32, "dbl": 64}


@dataclass(frozen=True)
class AudioStream:
    """One sound track; `index` counts sound tracks only."""

    index: int
    codec: str
    sample_rate_hz: int
    channels: int
    layout: str
    bits_per_sample: int | None
    """True depth of the decoded samples (24 for 24-bit PCM or FLAC); None for a lossy codec."""
    is_float: bool
    is_lossy: bool
    start_seconds: Fraction
    duration_seconds: Fraction | None


@dataclass(frozen=True)
class VideoStream:
    """The moving picture; coded and displayed sizes in pixels, rotation clockwise."""

    codec: str
    width: int
    height: int
    display_width: int
    display_height: int
    rotation_degrees: int
    average_rate: Fraction | None
    start_seconds: Fraction
    duration_seconds: Fraction | None
    is_picture: bool = False
    """True for a still picture attached to the sound (cover art); such a stream is never given as a file's video."""


@dataclass(frozen=True)
class MediaInfo:
    """A media file: `video` is its moving picture, None where it has none."""

    path: Path
    container: str
    duration_seconds: Fraction | None
    video: VideoStream | None
    audio: tuple[AudioStream, ...]
    timecode: str | None = None
    """Of the first picture, as the file writes it."""
    created: str | None = None
    """Date and time of the recording, as the file writes them."""


def probe(path: Path | str, tolerate_damage: bool = False) -> MediaInfo:
    """Look into a file (its header, and its first picture for the rotation). tolerate_damage: see `salvage`.

    Raises MediaNotFoundError, NotMediaError (directory, empty, unknown, neither sound nor picture), DamagedMediaError.
    """
    path = Path(path)
    salvage = Salvage(path, tolerate_damage)
    with open_media(path, salvage) as container, reading(path):
        picture = video_stream(container)
        sounds = tuple(_audio(index, stream) for index, stream in enumerate(audio_streams(container)))
        if picture is None and not sounds and not container.streams.video:
            raise NotMediaError(f"{path} holds neither sound nor picture.")
        duration = Fraction(container.duration, av.time_base) if container.duration is not None else None
        video = _video(container, picture, salvage) if picture is not None else None
        timecode, created = _first_tag(container, "timecode"), _first_tag(container, "creation_time", "modification_date")
        return MediaInfo(path, container.format.name, duration, video, sounds, timecode, created)


def probe_clip(path: Path, track: int | Literal["all"] | None = 0, tolerate_damage: bool = False) -> MediaInfo:
    """What is in a clip that is to be worked on. track: of its sound; None where it needs no sound of its own.

    Raises NoVideoError or NoAudioError where there is nothing to work on.
    """
    info = probe(path, tolerate_damage)
    if not info.audio and track is not None:
        raise NoAudioError(f"{path} has no sound.")
    if info.video is None:
        raise NoVideoError(f"{path} has no picture.")
    if isinstance(track, int) and not 0 <= track < len(info.audio):
        raise NoAudioError(f"{path} has no sound track {track + 1}; it has {len(info.audio)}.")
    return info


def picture_seconds(path: Path | str, tolerate_damage: bool = False) -> Fraction:
    """How long the picture lasts, from its first frame to the end of its last; reads all packets of it, decodes none.

    Raises NoVideoError and what `probe` raises.
    """
    path = Path(path)
    salvage = Salvage(path, tolerate_damage)
    with open_media(path, salvage) as container:
        stream = video_stream(container)
        if stream is None:
            raise NoVideoError(f"{path} has no picture.")
        step = 1 / (stream.average_rate or Fraction(25))
        shown = [
            (packet.pts * packet.time_base, packet.duration * packet.time_base if packet.duration else step)
            for packet in salvage.packets(container, stream) if packet.pts is not None and packet.time_base is not None
        ]  # fmt: skip
        return max(start + length for start, length in shown) - min(start for start, _ in shown) if shown else Fraction(0)


def _first_tag(container: av.container.InputContainer, *names: str) -> str | None:
    """The first tag of one of these names, of the file or of a stream, upper or lower case."""
    for metadata in (container.metadata, *(stream.metadata for stream in container.streams)):
        found = {key.lower(): value for key, value in metadata.items()}
        for name in names:
            if found.get(name):
                return found[name]
    return None


def _audio(index: int, stream: av.AudioStream) -> AudioStream:
    context = stream.codec_context
    kind = context.format.name.removesuffix("p") if context.format else "flt"
    # WavPack and DTS can be either; their lossless modes decode to integers.
    lossy = stream.codec.lossy and not (stream.codec.lossless and kind.startswith("s"))
    start, duration = _times(stream)
    return AudioStream(
        index, stream.codec.name, context.sample_rate, context.layout.nb_channels, context.layout.name,
        None if lossy else _depth(context, kind), kind in ("flt", "dbl"), lossy, start, duration,
    )  # fmt: skip


def _depth(context: av.AudioCodecContext, kind: str) -> int:
    """True bits per sample of a lossless track.

    PyAV does not show bits_per_raw_sample. FFmpeg decodes 20 and 24 bits to s32; PCM has its depth in its name, FLAC's STREAMINFO holds
    bits - 1 in the five bits after a 10-byte preamble, the rate (20 bits) and the channels (3 bits). Others that decode to s32 have 24.
    """
    header = context.extradata or b""
    pcm = re.match(r"pcm_[fsu](\d+)", context.name)
    if context.name == "flac" and len(header) >= 34:
        return ((header[12] & 1) << 4 | header[13] >> 4) + 1
    if pcm:
        return int(pcm[1])
    return 24 if kind == "s32" else _BITS.get(kind, 16)


def _video(container: av.container.InputContainer, stream: av.VideoStream, salvage: Salvage) -> VideoStream:
    first = _first_picture(container, stream, salvage)
    orientation = Orientation.of(first) if first is not None else Orientation()
    width, height = (first.width, first.height) if first is not None else (stream.width, stream.height)
    shown = display_size(width, height, stream.sample_aspect_ratio, orientation.swap)
    start, duration = _times(stream)
    return VideoStream(
        stream.codec.name, width, height, *shown, orientation.rotation_degrees,
        stream.average_rate, start, duration, bool(stream.disposition & Disposition.attached_pic),
    )  # fmt: skip


def _first_picture(container: av.container.InputContainer, stream: av.VideoStream, salvage: Salvage) -> av.VideoFrame | None:
    for packet in salvage.packets(container, stream):
        try:
            for frame in stream.codec_context.decode(packet):
                return frame
        except av.error.FFmpegError as exc:
            salvage.report_failure(exc, "picture")
    return None


def _times(stream: av.stream.Stream) -> tuple[Fraction, Fraction | None]:
    """Start (0 where unknown) and duration of a stream in seconds."""
    base = stream.time_base or Fraction(0)
    start = (stream.start_time or 0) * base
    return start, stream.duration * base if stream.duration is not None else None
