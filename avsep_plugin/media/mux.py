"""Puts a stem under the picture of its source: every other stream is copied packet by packet, only the sound is new.

The stem takes the place of one sound track and starts where that track started on the source's own clock (`-copyts` keeps the clock).
Sound of the result, by container:

    MP4, M4V, 3GP, FLV, MPEG-TS   AAC, at least 256 kbit/s          MOV, MXF   PCM 24 bit
    MKV, Ogg                      FLAC                              AVI        PCM 16 bit
    WebM                          Opus 256 kbit/s                   MPEG-PS    MP2 384 kbit/s
    NUT                           PCM 24 bit                        ASF        WMA 320 kbit/s
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.container
import ffmpeg

from avsep_plugin.atomic import atomic
from avsep_plugin.errors import NoAudioError, NoVideoError, OutputError
from avsep_plugin.media.edits import set_sound_start
from avsep_plugin.media.ffmpeg import node_address, run_ffmpeg
from avsep_plugin.media.read import AudioReader
from avsep_plugin.media.source import audio_streams, open_media, video_stream

_AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_MP2_RATES_HZ = (16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True)
class Sound:
    """How a container gets its sound: ffmpeg's encoder, its bit rate (a function of the channels; None: lossless), the rates it takes."""

    encoder: str
    bit_rate: Callable[[int], int] | None = None
    rates_hz: tuple[int, ...] = ()
    format: str = ""
    """Sample format to ask for; "" leaves the choice to the encoder."""

    def options(self, channels: int, sample_rate_hz: int, track: int = 0) -> tuple[dict[str, str], list[str]]:
        """ffmpeg's options for one of the sound tracks, and warnings about what the codec cannot keep."""
        options, warnings = {f"c:a:{track}": self.encoder}, []
        if self.bit_rate:
            options[f"b:a:{track}"] = str(self.bit_rate(channels))
        if self.format:
            options[f"sample_fmt:a:{track}"] = self.format
        if self.encoder == "aac":
            options[f"aac_coder:a:{track}"] = "fast"  # at rates this high half the time of `twoloop`, and 10 dB closer to the stem
        if self.rates_hz and sample_rate_hz not in self.rates_hz:
            nearest = min(self.rates_hz, key=lambda rate: (sample_rate_hz % rate != 0, abs(rate - sample_rate_hz)))
            options[f"ar:a:{track}"] = str(nearest)
            warnings.append(f"The video's sound is at {nearest} Hz: its codec does not take {sample_rate_hz} Hz. The stems keep the rate.")
        return options, warnings


_AAC = Sound("aac", lambda channels: max(288_000, 144_000 * channels), _AAC_RATES_HZ)
_FLAC = Sound("flac", format="s32")
_OPUS = Sound("libopus", lambda channels: max(256_000, 96_000 * channels), (48000,))
_SOUNDS = {
    "mp4": _AAC, "ipod": _AAC, "3gp": _AAC, "mpegts": _AAC, "flv": Sound("aac", _AAC.bit_rate, (11025, 22050, 44100, 48000)),
    "mov": Sound("pcm_s24le"), "mxf": Sound("pcm_s24le", rates_hz=(48000,)), "nut": Sound("pcm_s24le"), "matroska": _FLAC, "ogg": _FLAC,
    "webm": _OPUS, "avi": Sound("pcm_s16le"), "vob": Sound("mp2", lambda _: 384_000, _MP2_RATES_HZ),
    "asf": Sound("wmav2", lambda _: 320_000, (8000, 11025, 16000, 22050, 32000, 44100, 48000)),
}  # fmt: skip
_MUXERS = {
    "avi": "avi", "mpegts": "mpegts", "mpeg": "vob", "flv": "flv", "live_flv": "flv", "asf": "asf", "ogg": "ogg", "nut": "nut",
    "mxf": "mxf", "mxf_opatom": "mxf",
}  # fmt: skip
_MP4_COPIES = {"aac", "ac3", "eac3", "mp3", "alac", "opus", "flac"}
"""Sound codecs that are copied into the overlay's MP4 as they are."""


def remux(source: Path, stem: Path, output: Path, track: int = 0) -> list[str]:
    """Write `output`: the source with the stem as its sound track `track`, everything else copied as it is.

    source: media file with sound, never changed; its start and clock are kept. stem: a sound file with the track's samples.
    Returns warnings, one sentence each: what the container could not take. The output appears whole or not at all.
    Raises OutputError (with ffmpeg's complaint), NoAudioError, NoVideoError, and what opening the source raises.
    """
    source, stem, output = Path(source), Path(stem), Path(output)
    with open_media(source) as container:
        if video_stream(container) is None:
            raise NoVideoError(f"{source} has no picture.")
        muxer = _muxer(container.format.name, output, container.metadata)
        plans = _plans(container, track)
        chapters = bool(container.chapters())
    with AudioReader(source, track) as reader:
        start_seconds, channels, rate = reader.start_seconds, reader.channels, reader.sample_rate_hz
    kind = _SOUNDS.get(muxer, _AAC)
    sound, warnings = kind.options(channels, rate, track)
    options = {"c": "copy", **sound, "f": muxer, **_muxer_options(muxer)}
    if muxer in ("avi", "flv", "mpegts") and chapters:
        warnings.append("The chapters were dropped: the container has none.")
    failure: OutputError | None = None
    with atomic(output) as temporary:
        for plan in plans:
            try:
                _mux(source, plan, stem, start_seconds, temporary, output, options)
            except OutputError as exc:
                failure = failure or exc
                continue
            if muxer in ("mp4", "ipod", "3gp") and kind.encoder == "aac":
                set_sound_start(temporary, start_seconds, track)
            return warnings + plan.dropped
        raise failure or OutputError(f"{output} cannot be written.")


def add_sound(picture: Path, source: Path, output: Path, target: Path) -> list[str]:
    """Write `output` (MP4): the picture of one file, the first sound track of another, both on the source's clock.

    The sound's packets are copied where MP4 takes the codec, else it becomes AAC. `target` names the file in errors. Returns warnings.
    """
    with open_media(source) as container:
        tracks = audio_streams(container)
        if not tracks:
            raise NoAudioError(f"{source} has no sound.")
        copied = tracks[0].codec.name in _MP4_COPIES and "mp4" in container.format.name
        sound, warnings = ({"c:a:0": "copy"}, []) if copied else _AAC.options(tracks[0].channels, tracks[0].sample_rate)
        index = tracks[0].index
    with AudioReader(source) as reader:
        start_seconds = reader.start_seconds
    inputs = ffmpeg.input(node_address(picture)), ffmpeg.input(node_address(source))
    options = {"c:v": "copy", **sound, "f": "mp4", "copyts": None, "map_metadata": "1", "map_chapters": "-1"}
    run_ffmpeg(ffmpeg.output(inputs[0]["v:0"], inputs[1][str(index)], node_address(output), **options), target)
    if not copied:
        set_sound_start(output, start_seconds)
    return warnings


@dataclass(frozen=True)
class _Plan:
    """Source streams in order, each with whether the new sound takes its place, and what is said about those left out."""

    streams: list[tuple[int, bool]]
    dropped: list[str]


def _plans(container: av.container.InputContainer, track: int) -> list[_Plan]:
    """What to try, most complete first: everything, then without data streams and attachments, then without subtitles too.

    A timecode track is not copied: FFmpeg writes it anew from the picture's `timecode` tag.
    """
    tracks = audio_streams(container)
    if not 0 <= track < len(tracks):
        raise NoAudioError(f"{container.name.removeprefix('file:')} has no sound track {track}.")
    others = [stream for stream in container.streams if stream.type != "data" or "timecode" not in stream.metadata]
    plans: list[_Plan] = []
    for left_out in ((), ("data", "attachment", "unknown"), ("data", "attachment", "unknown", "subtitle")):
        kept = [(stream.index, stream.index == tracks[track].index) for stream in others if stream.type not in left_out]
        lost = [stream for stream in others if stream.type in left_out]
        gone = [f"Stream {stream.index} ({stream.type}) was dropped: the container cannot take it." for stream in lost]
        if not plans or kept != plans[-1].streams:
            plans.append(_Plan(kept, gone))
    return plans


def _mux(source: Path, plan: _Plan, stem: Path, start_seconds: Fraction, temporary: Path, output: Path, options: dict[str, Any]) -> None:
    whole = ffmpeg.input(node_address(source), copyts=None)
    # Six decimals are what ffmpeg keeps of an offset; the exact start is set afterwards where the container can say it.
    sound = ffmpeg.input(node_address(stem), itsoffset=f"{float(start_seconds):.6f}")
    streams = [sound["a:0"] if is_new else whole[str(index)] for index, is_new in plan.streams]
    # ffmpeg-python numbers its inputs in the order in which the streams use them.
    number = int(plan.streams[0][1])
    tags = {"map_metadata": str(number), "map_chapters": str(number)}
    tags |= {f"map_metadata:s:{place}": f"{number}:s:{index}" for place, (index, _) in enumerate(plan.streams)}
    run_ffmpeg(ffmpeg.output(*streams, node_address(temporary), **options, **tags), output)


def _muxer(demuxer: str, output: Path, metadata: dict[str, str]) -> str:
    """ffmpeg's name of the format that writes what this demuxer reads."""
    suffix = output.suffix.lower()
    if "matroska" in demuxer:
        return "webm" if suffix == ".webm" else "matroska"
    if "mp4" in demuxer:
        if suffix in (".mov", ".qt") or (suffix not in (".mp4", ".m4v", ".3gp", ".m4a") and metadata.get("major_brand") == "qt  "):
            return "mov"
        return "mp4"
    known = _MUXERS.get(demuxer)
    if known is None:
        raise OutputError(f"{output} cannot be written: there is no way to put sound back into a {demuxer} file.")
    return known


def _muxer_options(muxer: str) -> dict[str, str]:
    if muxer == "mpegts":
        return {"muxdelay": "0", "muxpreload": "0"}
    if muxer in ("mp4", "mov", "3gp", "ipod"):
        return {"movflags": "use_metadata_tags" if muxer == "mov" else "+write_colr"}
    return {}
