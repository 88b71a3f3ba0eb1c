"""Moves the sound of a clip against its picture without decoding either: every packet is copied, only times change.

Sound that is late by d has to be earlier by d. Where it begins at the clock's start, that leaves two ways:

                   picture  |=========|          sound   |=========|
    MP4, MOV       picture  |=========|          sound ..|=======|       an edit list skips the first d of sound, which belongs to no
                                                                         picture; its packets stay in the file. The picture, and with
                                                                         it the timecode, stays at 0.
    MKV, WebM, TS  picture    |=========|        sound   |=========|     no track can begin before 0: picture and all else begin
                                                                         d later instead.

Sound that is early begins later: by an empty edit, or by its timestamps. AVI, MXF and others in which all tracks begin together cannot say
any of this and are refused.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np

from avsep_plugin.atomic import atomic
from avsep_plugin.clip import Float32
from avsep_plugin.errors import NoAudioError, NoVideoError, OutputError
from avsep_plugin.media.compare import differences
from avsep_plugin.media.containers import Container, Target, target
from avsep_plugin.media.edits import set_sound_start
from avsep_plugin.media.ffmpeg import node_address
from avsep_plugin.media.mux import file_tags, start_and_priming, write_streams
from avsep_plugin.media.plan import Out, lay_out
from avsep_plugin.media.read import AudioReader, PictureReader
from avsep_plugin.media.source import audio_streams, open_media, video_stream

_MUXERS = ("mp4", "mov", "matroska", "webm", "mpegts")
"""Those whose tracks may begin at times of their own, tried one by one."""
_FRAME_SAMPLES = 1024
"""Where a codec does not say how long its frames are."""
_COMPARED_SECONDS = 4
_WARM_UP_SECONDS = Fraction(1, 10)
"""A decoder that begins in the middle of a track needs some frames before its sound is that of one that came from the beginning."""


@dataclass(frozen=True)
class Shift:
    """What is done to the times of a clip, in seconds on its own clock."""

    sound_seconds: Fraction
    """Added to all times of the sound."""
    rest_seconds: Fraction
    """Added to those of everything else."""


def check_shiftable(source: Path, container: Container = "source") -> None:
    """Raises OutputError where the result's container cannot say when the sound begins, and what opening the source raises."""
    with open_media(source) as opened:
        _target(source, target(opened, source, container))


def shift_sound(source: Path, output: Path, by_seconds: Fraction, container: Container = "source") -> list[str]:
    """Write `output`: the source with all its sound tracks `by_seconds` later (negative: earlier) against the picture and all the rest.

    The source is never changed. The first times of picture and sound are measured in the result and have to be the right ones to one frame
    of the sound's codec, and the sound there has to be that of the source; otherwise OutputError is raised and nothing is left. Returns
    warnings, one sentence each. Raises NoAudioError, NoVideoError and what opening the source raises.
    """
    with open_media(source) as opened:
        if video_stream(opened) is None:
            raise NoVideoError(f"{source} has no picture.")
        tracks = len(audio_streams(opened))
        if not tracks:
            raise NoAudioError(f"{source} has no sound.")
        how = _target(source, target(opened, output, container))
        outs, tags = lay_out(opened, how, []), file_tags(opened, how)
    begins = [_sound_start(source, track) for track in range(tracks)]
    shift = plan(by_seconds, min(begins), how.has_edit_lists)
    with atomic(output) as temporary:
        moved, rest = (
            ffmpeg.input(node_address(source), copyts=None, itsoffset=f"{float(seconds):.6f}")
            for seconds in (shift.sound_seconds, shift.rest_seconds)
        )
        warnings = write_streams(
            outs, [moved if out.kind == "audio" else rest for out in outs], rest, how, tags, temporary, output
        )  # fmt: skip
        if how.has_edit_lists:
            _skip_priming(source, temporary, outs, shift)
        _check(source, temporary, output, shift, tracks)
        return [*warnings, *_explained(shift, min(begins)), *differences(source, temporary, outs, moved=True)]


def plan(by_seconds: Fraction, sound_starts_seconds: Fraction, has_edit_lists: bool) -> Shift:
    """How to get sound that starts at that time `by_seconds` later against the picture (see the top)."""
    missing = max(Fraction(0), -(sound_starts_seconds + by_seconds))
    rest = Fraction(0) if has_edit_lists else missing
    return Shift(by_seconds + rest, rest)


def _target(source: Path, how: Target) -> Target:
    if how.muxer not in _MUXERS:
        raise OutputError(
            f"{source}: the container {how.muxer} cannot say when its sound begins, so it cannot be moved without being written anew; "
            "choose the container mov or mkv."
        )
    return how


def _explained(shift: Shift, sound_starts_seconds: Fraction) -> list[str]:
    if shift.rest_seconds > 0:
        return [f"The picture begins {float(shift.rest_seconds):.3f} s later: in this container nothing can begin before 0."]
    hidden = -(sound_starts_seconds + shift.sound_seconds)
    if hidden > 0:
        return [f"The first {float(hidden):.3f} s of the sound belong to no picture: an edit list skips them, they stay in the file."]
    return []


def _skip_priming(source: Path, result: Path, outs: list[Out], shift: Shift) -> None:
    """FFmpeg's muxer leaves the priming of AAC tracks audible that do not begin at 0 (see `edits`)."""
    for track, out in enumerate(out for out in outs if out.kind == "audio"):
        if out.codec == "aac":
            start, priming = start_and_priming(source, out.tags_of, tolerate_damage=False)
            if start + shift.sound_seconds > 0 and priming > 0:
                set_sound_start(result, start + shift.sound_seconds, track, priming)


def _check(source: Path, result: Path, output: Path, shift: Shift, tracks: int) -> None:
    """Measure again what was asked for. Raises OutputError."""
    picture = _picture_start(result) - _picture_start(source) - shift.rest_seconds
    for track in range(tracks):
        with AudioReader(source, track) as before, AudioReader(result, track) as after:
            frame = max(Fraction(_FRAME_SAMPLES, before.sample_rate_hz), Fraction(1, 1000))
            expected = before.start_seconds + shift.sound_seconds
            begins = after.start_seconds - (max(expected, Fraction(0)) if shift.rest_seconds == 0 else expected)
            content = _drift(before, after, shift.sound_seconds)
        if max(abs(picture), abs(begins), abs(content - picture)) > frame:
            raise OutputError(
                f"{output}: the sound cannot be moved without loss here: it would be {float(content - picture) * 1000:+.0f} ms off, "
                f"and begin {float(begins) * 1000:+.0f} ms from where it should."
            )


def _drift(before: AudioReader, after: AudioReader, by_seconds: Fraction) -> Fraction:
    """By how much the same sound is later in the result than `by_seconds` says; the lag at which the two are most alike."""
    rate = before.sample_rate_hz
    start = max(before.start_seconds + by_seconds, after.start_seconds) + _WARM_UP_SECONDS
    skip = round((start - by_seconds - before.start_seconds) * rate), round((start - after.start_seconds) * rate)
    old, new = (_mono(reader, begin) for reader, begin in zip((before, after), skip, strict=True))
    length = min(old.size, new.size)
    if not length or not (old[:length].any() or new[:length].any()) or np.allclose(old[:length], new[:length], atol=1e-4):
        return Fraction(0)
    size = 1 << (2 * length).bit_length()
    alike = np.fft.irfft(np.fft.rfft(new[:length], size) * np.fft.rfft(old[:length], size).conj(), size)
    lag = int(alike.argmax())
    return Fraction(lag - size if lag > size // 2 else lag, rate)


def _mono(reader: AudioReader, skip: int) -> Float32:
    """Some seconds of the mean of all channels, after so many samples."""
    while skip > 0:
        passed = reader.read(min(skip, reader.sample_rate_hz)).shape[1]
        if not passed:
            break
        skip -= passed
    mono: Float32 = reader.read(_COMPARED_SECONDS * reader.sample_rate_hz).mean(axis=0, dtype=np.float32)
    return mono


def _sound_start(path: Path, track: int) -> Fraction:
    with AudioReader(path, track) as reader:
        return reader.start_seconds


def _picture_start(path: Path) -> Fraction:
    with PictureReader(path) as reader:
        return next((seconds for seconds, _ in reader), Fraction(0))
