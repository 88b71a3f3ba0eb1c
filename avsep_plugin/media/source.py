"""Opens a media file for reading and turns FFmpeg's complaints into ours.

What counts as damage: FFmpeg refuses the header of a file whose first bytes are those of a known container, the file is cut short
(damage.py), reading or decoding raises, or a packet or picture is flagged corrupt. Decoders run with `err_detect=explode`, so that what
FFmpeg would conceal and only log is an error here. Where damage is tolerated, all but a header that is refused is noted (salvage.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import av.container
import av.error
from av.audio.stream import AudioStream
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from avsep_plugin.errors import DamagedMediaError, MediaError, MediaNotFoundError, NotMediaError
from avsep_plugin.media.damage import is_whole
from avsep_plugin.media.salvage import Salvage

_SIGNATURES = (b"RIFF", b"RF64", b"\x1aE\xdf\xa3", b"OggS", b"fLaC", b"ID3", b"FORM", b"FLV", b"caff", b"\x30\x26\xb2\x75")
"""First bytes of WAV/AVI, RF64, Matroska/WebM, Ogg, FLAC, MP3 with tags, AIFF, FLV, CAF, ASF."""
_ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""Types of the first box of an MP4 or MOV file (bytes 4 to 8)."""
_TEXT_FORMATS = {"tty", "ansi", "bin", "xbin", "idf", "adf"}
"""FFmpeg draws plain text as pictures of a terminal; nobody calls that footage."""


def file_address(path: Path) -> str:
    """The path as an FFmpeg address: a name with ':' or a leading '-' is then never read as a protocol or an option."""
    return f"file:{path}"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Translate what FFmpeg raises while packets are read or decoded (decoders have codes of all kinds) into DamagedMediaError."""
    try:
        yield
    except av.error.FFmpegError as exc:
        raise DamagedMediaError(f"{path} is damaged: FFmpeg cannot decode it ({exc.strerror}).") from exc


def open_media(path: Path, salvage: Salvage | None = None) -> av.container.InputContainer:
    """Open a file. salvage: what is told of one that is cut short; without it such a file is refused.

    Raises MediaNotFoundError (no such file), NotMediaError (directory, empty or unknown to FFmpeg) and DamagedMediaError.
    """
    _check_file(path)
    try:
        container = av.open(file_address(path), metadata_errors="replace", options={"protocol_whitelist": "file"})
    except av.error.PermissionError as exc:
        raise MediaError(f"{path} cannot be read: permission denied.") from exc
    except (av.error.FFmpegError, ValueError) as exc:
        if _looks_like_media(path):
            raise DamagedMediaError(f"{path} is damaged: FFmpeg cannot read its header ({getattr(exc, 'strerror', exc)}).") from exc
        raise NotMediaError(f"{path} is not a media file that FFmpeg knows.") from exc
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise NotMediaError(f"{path} is a text file, not a media file.")
    try:
        if not is_whole(path, container):
            (salvage or Salvage(path, tolerant=False)).report("it is cut short or parts of it were overwritten")
    except BaseException:
        container.close()
        raise
    return container


def audio_streams(container: av.container.InputContainer) -> list[AudioStream]:
    """The container's sound tracks that FFmpeg can decode, in file order."""
    return [stream for stream in container.streams.audio if stream.codec_context is not None]


def video_stream(container: av.container.InputContainer) -> VideoStream | None:
    """The container's moving picture: the default video stream, else the first; cover art and thumbnails do not count."""
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [stream for stream in container.streams.video if stream.codec_context is not None and not stream.disposition & still]
    preferred = [stream for stream in streams if stream.disposition & Disposition.default]
    return next(iter(preferred + streams), None)


def select(container: av.container.InputContainer, stream: Stream, threads: Literal["AUTO", "NONE"]) -> None:
    """Read only this stream (the demuxer skips the others, however far apart they lie) and decode it strictly."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    if isinstance(stream, AudioStream | VideoStream):
        stream.codec_context.options = {"err_detect": "explode"}
        stream.codec_context.thread_type = threads


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
        if path.is_file() and size:
            path.open("rb").close()
    except FileNotFoundError as exc:
        raise MediaNotFoundError(f"{path}: no such file.") from exc
    except OSError as exc:
        raise MediaError(f"{path} cannot be read: {exc.strerror}.") from exc
    if path.is_dir():
        raise NotMediaError(f"{path} is a folder, not a media file.")
    if not path.is_file():
        raise NotMediaError(f"{path} is not a regular file.")
    if size == 0:
        raise NotMediaError(f"{path} is empty.")


def _looks_like_media(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(16)
    return head.startswith(_SIGNATURES) or head[4:8] in _ISO_BOXES


class MediaReader:
    """An open container and the one stream of it that is read. tolerate_damage: note it and go on, see salvage.py."""

    def __init__(self, path: Path | str, tolerate_damage: bool = False) -> None:
        self.path = Path(path)
        self.salvage = Salvage(self.path, tolerate_damage)
        self.container = open_media(self.path, self.salvage)

    def close(self) -> None:
        """Let go of the file."""
        self.container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
