"""Puts new sound under the picture of a source: every other stream is copied packet by packet.

A new sound takes the place of one of the source's tracks, or follows behind all streams under a name of its own; it starts at its time on
the source's own clock (`-copyts` keeps the clock). Containers and codecs: see `containers`.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.container
import ffmpeg

from avsep_plugin.atomic import atomic
from avsep_plugin.errors import NoAudioError, NoVideoError, OutputError
from avsep_plugin.media.compare import differences, is_own, once
from avsep_plugin.media.containers import AAC, Container, Target, target
from avsep_plugin.media.edits import AAC_PRIMING_SAMPLES, set_sound_start
from avsep_plugin.media.ffmpeg import node_address, run_ffmpeg, several
from avsep_plugin.media.plan import NewSound, Out, lay_out, without
from avsep_plugin.media.read import AudioReader
from avsep_plugin.media.salvage import Salvage
from avsep_plugin.media.source import audio_streams, open_media, video_stream
from avsep_plugin.media.umid import identify, seed_of

__all__ = ["NewSound", "add_sound", "remux"]

_MP4_COPIES = {"aac", "ac3", "eac3", "mp3", "alac", "opus", "flac"}
"""Sound codecs that are copied into the overlay's MP4 as they are."""
_TRIED_SECONDS = "1"
_NO_ROOM = ("No space left", "Permission denied", "Input/output error", "File too large")
"""What ffmpeg says where another container would not help."""


def remux(
    source: Path, output: Path, sounds: Sequence[NewSound], container: Container = "source", bits: int = 24, tolerate_damage: bool = False
) -> list[str]:  # fmt: skip
    """Write `output`: the source with new sounds, everything else copied as it is.

    source: media file with sound, never changed; its start and clock are kept. bits: per sample of its sound. tolerate_damage: copy what
    ffmpeg finds in a damaged one. Returns warnings, one sentence each: what the container could not take, found by comparing the result
    with the source. The output appears whole or not at all. Raises OutputError (with ffmpeg's complaint), NoAudioError, NoVideoError, and
    what opening the source raises.
    """
    source, output = Path(source), Path(output)
    with open_media(source, Salvage(source, tolerate_damage)) as opened:
        picture = video_stream(opened)
        if picture is None:
            raise NoVideoError(f"{source} has no picture.")
        missing = [sound.track for sound in sounds if not 0 <= sound.track < len(audio_streams(opened))]
        if missing:
            raise NoAudioError(f"{source} has no sound track {missing[0]}.")
        how = target(opened, output, container, bits)
        outs, tags, picture_index = lay_out(opened, how, sounds), file_tags(opened, how), picture.index
    with atomic(output) as temporary:
        warnings: list[str] = []
        try:
            notes = _write(source, outs, how, tags, temporary, output)
        except OutputError as failure:
            refused = _refused(source, outs, how, picture_index, temporary, output, failure)
            outs, warnings = without(outs, refused)
            notes = _write(source, outs, how, tags, temporary, output)
        if how.muxer == "mxf":
            identify(temporary, seed_of(source, [out.file for out in outs if out.file is not None]))
        if how.has_edit_lists:
            _set_starts(source, temporary, outs, how, tolerate_damage)
        return warnings + notes + differences(source, temporary, outs, tolerate_damage)


def add_sound(
    picture: Path, source: Path, output: Path, target: Path, track: int = 0, late_seconds: Fraction = Fraction(0),
    seconds: Fraction | None = None, tolerate_damage: bool = False,
) -> list[str]:  # fmt: skip
    """Write `output` (MP4): the picture of one file, a sound track of another, both on the same clock.

    late_seconds: is added to the sound's times. seconds: how much of it; None: all. The sound's packets are copied where they keep their
    place and MP4 takes the codec, else it becomes AAC. `target` names the file in errors. Returns warnings.
    """
    with open_media(source, Salvage(source, tolerate_damage)) as container:
        tracks = audio_streams(container)
        if not 0 <= track < len(tracks):
            raise NoAudioError(f"{source} has no sound.")
        kept = not late_seconds and seconds is None
        copied = kept and tracks[track].codec.name in _MP4_COPIES and "mp4" in container.format.name
        sound, warnings = ({"c:1": "copy"}, []) if copied else AAC.options(1, tracks[track].channels, tracks[track].sample_rate)
        index = tracks[track].index
    with AudioReader(source, track, tolerate_damage) as reader:
        start_seconds = reader.start_seconds + late_seconds
    part = {} if seconds is None else {"t": f"{float(seconds):.6f}"}
    shift = {} if not late_seconds else {"itsoffset": f"{float(late_seconds):.6f}"}
    inputs = ffmpeg.input(node_address(picture)), ffmpeg.input(node_address(source), **part, **shift)
    # The file's tags are the source's, those of the picture (its timecode) the picture's own.
    options = {"c:v": "copy", **sound, "f": "mp4", "copyts": None, "map_metadata": "1", "map_chapters": "-1"}
    run_ffmpeg(ffmpeg.output(inputs[0]["v:0"], inputs[1][str(index)], node_address(output), **options), target)
    if not copied:
        set_sound_start(output, start_seconds)
    return warnings


def _write(source: Path, outs: Sequence[Out], how: Target, tags: list[str], temporary: Path, output: Path) -> list[str]:
    """Run ffmpeg; returns warnings. Raises OutputError."""
    whole = ffmpeg.input(node_address(source), copyts=None)
    # Six decimals are what ffmpeg keeps of an offset; the exact start is set afterwards where the container can say it.
    sounds = {
        out.file: ffmpeg.input(node_address(out.file), itsoffset=f"{float(out.start_seconds):.6f}") for out in outs if out.file is not None
    }
    return write_streams(outs, [whole if out.file is None else sounds[out.file] for out in outs], whole, how, tags, temporary, output)


def write_streams(
    outs: Sequence[Out], inputs: Sequence[Any], whole: Any, how: Target, tags: list[str], temporary: Path, output: Path
) -> list[str]:  # fmt: skip
    """Write `temporary` out of streams, each from its input; returns warnings. Raises OutputError, which names `output`.

    inputs: ffmpeg-python's input of each stream. whole: the one of them that has the source's tags and chapters.
    """
    # ffmpeg-python numbers its inputs in the order in which the streams use them.
    number = str(list(dict.fromkeys(inputs)).index(whole))
    options: dict[str, Any] = {"map_metadata:g": "-1", "map_chapters": number, "f": how.muxer, **how.options}
    warnings: list[str] = []
    for place, out in enumerate(outs):
        more, said = out.options(place, how)
        options |= {f"map_metadata:s:{place}": f"{number}:s:{out.tags_of}", **more}
        warnings += [sentence for sentence in said if sentence not in warnings]
    if tags:
        options["metadata"] = several(tags)
    nodes = [node["a:0"] if out.file is not None else node[str(out.tags_of)] for out, node in zip(outs, inputs, strict=True)]
    run_ffmpeg(ffmpeg.output(*nodes, node_address(temporary), **options), output)
    return warnings


def _refused(
    source: Path, outs: Sequence[Out], how: Target, picture: int, temporary: Path, output: Path, failure: OutputError
) -> set[int]:  # fmt: skip
    """Which of the copied streams the container does not take, each tried beside the picture.

    Raises OutputError, which proposes a container that takes more, where it does not take the picture or no stream is to blame.
    """

    def fits(indices: Sequence[int]) -> bool:
        streams = [ffmpeg.input(node_address(source))[str(index)] for index in indices]
        options = {"c": "copy", "t": _TRIED_SECONDS, "f": how.muxer, **how.options}
        try:
            run_ffmpeg(ffmpeg.output(*streams, node_address(temporary), **options), output)
        except OutputError:
            return False
        return True

    copies = [out.copied for out in outs if out.copied is not None and out.copied != picture]
    refused = {index for index in copies if not fits([picture, index])}
    if refused and fits([picture]):
        return refused
    if how.muxer == "matroska" or any(words in str(failure) for words in _NO_ROOM):
        raise failure
    raise OutputError(f"{failure} Choose the container {'mkv' if how.muxer == 'mov' else 'mov or mkv'}, which takes more.") from failure


def file_tags(source: av.container.InputContainer, how: Target) -> list[str]:
    """The file's tags, key=value, without what muxers write of themselves. FFmpeg reads MXF's date by one name, writes it by another."""
    tags = {key: once(value) for key, value in source.metadata.items() if not is_own(key) and not key.endswith("-eng")}
    if how.muxer == "mxf" and "modification_date" in tags:
        tags.setdefault("creation_time", tags["modification_date"])
    return [f"{key}={value}" for key, value in tags.items()]


def _set_starts(source: Path, result: Path, outs: Sequence[Out], how: Target, tolerate_damage: bool) -> None:
    """Cut the priming of AAC tracks that do not start at 0, which FFmpeg's muxer leaves audible (see `edits`)."""
    for track, out in enumerate(out for out in outs if out.kind == "audio"):
        codec = out.codec if out.how == "copy" else how.sound.encoder
        if codec != "aac":
            continue
        known = out.file is not None
        start, priming = (out.start_seconds, AAC_PRIMING_SAMPLES) if known else start_and_priming(source, out.tags_of, tolerate_damage)
        if start > 0 and priming > 0:
            set_sound_start(result, start, track, priming if out.how == "copy" else AAC_PRIMING_SAMPLES)


def start_and_priming(source: Path, index: int, tolerate_damage: bool) -> tuple[Fraction, int]:
    """When a sound track of the source starts, and how many samples of its first packets lie before that."""
    salvage = Salvage(source, tolerate_damage)
    with open_media(source, salvage) as opened:
        stream = opened.streams[index]
        number = [track.index for track in audio_streams(opened)].index(index)
        first = next((packet.pts for packet in salvage.packets(opened, stream) if packet.pts is not None), 0)
        first_seconds = first * (stream.time_base or Fraction(0))
    with AudioReader(source, number, tolerate_damage) as reader:
        return reader.start_seconds, round((reader.start_seconds - first_seconds) * reader.sample_rate_hz)
