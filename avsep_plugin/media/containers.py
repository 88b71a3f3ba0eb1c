"""Which container a result gets, and how its new sound is encoded there.

    MP4, M4V, 3GP, FLV, .ts     AAC, at least 288 kbit/s            MOV         PCM 24 bit
    .mts, .m2ts (cameras)       AC-3 640 kbit/s                     MXF         PCM 24 bit at 48 kHz
    MKV, Ogg                    FLAC                                AVI         PCM, 16 bit or 24 as the source
    WebM                        Opus, at least 256 kbit/s           MPEG-PS     MP2 384 kbit/s
    NUT                         PCM 24 bit                          ASF         WMA 320 kbit/s

Cameras (AVCHD) write transport streams with AC-3 or PCM in packets of 192 bytes, and their players expect that; a plain .ts of 188 bytes
comes from broadcast or streaming, where AAC is at home.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av.container

from avsep_plugin.errors import OutputError

Container = Literal["source", "mov", "mkv"]
"""The result's: as the source's, or one of the two that take nearly everything."""

_AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_MP2_RATES_HZ = (16000, 22050, 24000, 32000, 44100, 48000)
_CAMERA_SUFFIXES = (".mts", ".m2ts", ".m2t", ".tod")


@dataclass(frozen=True)
class Sound:
    """How sound is encoded: ffmpeg's encoder, its bit rate (a function of the channels; None: lossless), the rates it takes."""

    encoder: str
    bit_rate: Callable[[int], int] | None = None
    rates_hz: tuple[int, ...] = ()
    format: str = ""
    """Sample format to ask for; "" leaves the choice to the encoder."""

    @property
    def bits(self) -> Literal["16", "24"]:
        """Bits per sample that are worth giving to it."""
        return "16" if self.encoder == "pcm_s16le" else "24"

    def options(self, place: int, channels: int, sample_rate_hz: int) -> tuple[dict[str, str], list[str]]:
        """ffmpeg's options for the stream at that place of the result, and warnings about what the codec cannot keep."""
        options, warnings = {f"c:{place}": self.encoder}, []
        if self.bit_rate:
            options[f"b:{place}"] = str(self.bit_rate(channels))
        if self.format:
            options[f"sample_fmt:{place}"] = self.format
        if self.encoder == "aac":
            options[f"aac_coder:{place}"] = "fast"  # at rates this high half the time of `twoloop`, and 10 dB closer to the stem
        if self.rates_hz and sample_rate_hz not in self.rates_hz:
            nearest = min(self.rates_hz, key=lambda rate: (sample_rate_hz % rate != 0, abs(rate - sample_rate_hz)))
            options[f"ar:{place}"] = str(nearest)
            warnings.append(f"The video's sound is at {nearest} Hz: its codec does not take {sample_rate_hz} Hz. The stems keep the rate.")
        return options, warnings


AAC = Sound("aac", lambda channels: max(288_000, 144_000 * channels), _AAC_RATES_HZ)
_AC3 = Sound("ac3", lambda channels: 192_000 if channels == 1 else 640_000, (32000, 44100, 48000))
_FLAC = Sound("flac", format="s32")
_OPUS = Sound("libopus", lambda channels: max(256_000, 96_000 * channels), (48000,))
_SOUNDS = {
    "mp4": AAC, "ipod": AAC, "3gp": AAC, "mpegts": AAC, "flv": Sound("aac", AAC.bit_rate, (11025, 22050, 44100, 48000)),
    "mov": Sound("pcm_s24le"), "mxf": Sound("pcm_s24le", rates_hz=(48000,)), "nut": Sound("pcm_s24le"), "matroska": _FLAC, "ogg": _FLAC,
    "webm": _OPUS, "avi": Sound("pcm_s24le"), "vob": Sound("mp2", lambda _: 384_000, _MP2_RATES_HZ),
    "asf": Sound("wmav2", lambda _: 320_000, (8000, 11025, 16000, 22050, 32000, 44100, 48000)),
}  # fmt: skip
ENCODERS = frozenset({sound.encoder for sound in (*_SOUNDS.values(), _AC3)} | {"pcm_s16le"})
MUXERS = frozenset(_SOUNDS) | {"flac", "wav"}
"""All that clips and stems are written with."""
_MUXERS = {
    "avi": "avi", "mpegts": "mpegts", "mpeg": "vob", "flv": "flv", "live_flv": "flv", "asf": "asf", "ogg": "ogg", "nut": "nut",
    "mxf": "mxf", "mxf_opatom": "mxf",
}  # fmt: skip
_ATOMS = {
    "title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright", "grouping", "lyrics", "description",
    "synopsis", "show", "episode_id", "network", "keywords", "encoder", "location", "location-eng", "creation_time", "major_brand",
    "minor_version", "compatible_brands",
}  # fmt: skip
"""Tags that MP4 has its own atoms for, which players read; where a file has others too, all go into a list of keys and values."""


@dataclass(frozen=True)
class Target:
    """How a result is written: ffmpeg's muxer with its options, and the sound that goes into it."""

    muxer: str
    options: dict[str, str]
    sound: Sound

    @property
    def has_edit_lists(self) -> bool:
        """MP4 and its kin."""
        return self.muxer in ("mp4", "mov", "3gp", "ipod")

    @property
    def has_start_times(self) -> bool:
        """Whether its tracks may start at times of their own; in MXF and AVI all start together, and in MXF all end together too."""
        return self.muxer not in ("mxf", "avi")


def target(source: av.container.InputContainer, output: Path, container: Container = "source", bits: int = 24) -> Target:
    """How to write `output` from a source; bits: of the source's sound. Raises OutputError where no muxer fits the source's container."""
    muxer = {"mov": "mov", "mkv": "matroska"}.get(container) or _muxer(source, output)
    sound = _SOUNDS[muxer]
    if muxer == "avi" and bits <= 16:
        sound = replace(sound, encoder="pcm_s16le")
    if muxer != "mpegts":
        return Target(muxer, _options(muxer, source), sound)
    wide = _has_wide_packets(Path(source.name.removeprefix("file:")))
    options = {"muxdelay": "0", "muxpreload": "0", "mpegts_m2ts_mode": str(int(wide))}
    return Target(muxer, options, _AC3 if wide or output.suffix.lower() in _CAMERA_SUFFIXES else AAC)


def output_suffix(source: Path, container: Container) -> str:
    """The result's suffix."""
    return source.suffix if container == "source" else f".{container}"


def _muxer(source: av.container.InputContainer, output: Path) -> str:
    """ffmpeg's name of the format that writes what the source's demuxer reads."""
    demuxer, suffix = source.format.name, output.suffix.lower()
    if "matroska" in demuxer:
        return "webm" if suffix == ".webm" else "matroska"
    if "mp4" in demuxer:
        brand = source.metadata.get("major_brand")
        return "mov" if suffix in (".mov", ".qt") or (suffix not in (".mp4", ".m4v", ".3gp", ".m4a") and brand == "qt  ") else "mp4"
    known = _MUXERS.get(demuxer)
    if known is None:
        raise OutputError(
            f"{output} cannot be written: there is no way to put sound back into a {demuxer} file; choose the container mov or mkv."
        )
    return known


def _options(muxer: str, source: av.container.InputContainer) -> dict[str, str]:
    """Of the muxer; "unofficial" lets it write Dolby Vision's boxes, "bitexact" keeps random numbers out of Matroska and MXF.

    (The identifiers of MXF, which have to differ from file to file, are filled in by `umid`.)
    """
    if muxer in ("matroska", "webm", "mxf"):
        return {"fflags": "+bitexact"}
    if muxer == "mov" or (muxer == "mp4" and set(source.metadata) - _ATOMS):
        return {"movflags": "+use_metadata_tags+write_colr", "strict": "unofficial"}
    return {"movflags": "+write_colr", "strict": "unofficial"} if muxer == "mp4" else {}


def _has_wide_packets(path: Path) -> bool:
    """Whether a transport stream has the cameras' packets of 192 bytes: four of time, then the sync byte 0x47."""
    with path.open("rb") as file:
        head = file.read(4 + 192 + 1)
    return len(head) == 197 and head[4] == head[196] == 0x47 and not head[0] == head[188] == 0x47
