"""One sound track of a clip from end to end.

Footage --before the part--> mixture --------------------------\\
        --the part---------> separate, linked or by channel ---> TrackWriter --> Delivered
        --after the part---> mixture --------------------------/
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from avsep_plugin.deliver import Delivered, TrackWriter
from avsep_plugin.errors import ConfigError
from avsep_plugin.footage import Footage
from avsep_plugin.media.bwf import broadcast_tags
from avsep_plugin.media.probe import AudioStream, MediaInfo, picture_seconds
from avsep_plugin.media.timecode import Clock
from avsep_plugin.media.write import BitDepth, SoundWriter, StemWriter
from avsep_plugin.models.separator import Separator
from avsep_plugin.options import SeparateFileOptions
from avsep_plugin.part import Part
from avsep_plugin.pipeline import Block, Progress, reconstruct, separate


@dataclass(frozen=True)
class ClipClock:
    """The clock under a clip's picture, and where the picture lies on the clock of the file."""

    clock: Clock
    picture_start_seconds: Fraction
    picture_seconds: Fraction | None
    """How long the picture lasts; None where nobody asked."""
    created: str
    """Date and time of the recording as ISO 8601."""

    @classmethod
    def of(cls, info: MediaInfo, with_length: bool = False) -> "ClipClock":
        """A clip without a date was recorded when its file was last changed. Raises what `probe` raises."""
        assert info.video is not None
        changed = datetime.fromtimestamp(int(info.path.stat().st_mtime), UTC).strftime("%Y-%m-%dT%H:%M:%S")
        length = picture_seconds(info.path) if with_length else None
        return cls(Clock.of(info.timecode, info.video.average_rate), info.video.start_seconds, length, info.created or changed)


@dataclass(frozen=True)
class _Shape:
    """Of the sound that is written."""

    sample_rate_hz: int
    channels: int
    layout: str | None
    depth: BitDepth

    @classmethod
    def of(cls, footage: Footage, track: AudioStream, model: Separator, options: SeparateFileOptions) -> "_Shape":
        """As the clip's own sound, or for the original reconstruction mono at the model's rate."""
        depth = _stem_depth(track, options)
        if options.reconstruction == "original":
            return cls(model.config.sample_rate_hz, 1, None, depth)
        known = options.file_format == "wav" and track.channels == footage.channels and track.layout
        return cls(footage.sample_rate_hz, footage.channels, track.layout if known else None, depth)


def separate_track(
    info: MediaInfo, clip: ClipClock, track: int, drafts: Mapping[str, Path], model: Separator, options: SeparateFileOptions,
    progress: Progress | None = None,
) -> Delivered:  # fmt: skip
    """Separate one sound track (counted from 0) and write its stems and the sound that replaces it, as far as they are delivered.

    drafts: files to be written by kind (see `deliver.output_names`); what only the video needs is written into a folder beside them.
    Raises MediaError and OutputError as `files.separate_file` does, ConfigError for a part that is not in the clip.
    """
    with Footage(info.path, model.config.picture, track) as footage, _about(info.path):
        shape = _Shape.of(footage, info.audio[track], model, options)
        late = footage.start_seconds - clip.picture_start_seconds
        heard = options.wanted.part(clip.clock, late, footage.sample_rate_hz)
        part = options.wanted.part(clip.clock, late, shape.sample_rate_hz, clip.picture_seconds)
        first = part.start if options.reconstruction == "original" else 0
        begin, stems_begin = (Fraction(sample, shape.sample_rate_hz) for sample in (first, part.stems_start))
        since_midnight = clip.clock.start_seconds + late + stems_begin
        tags = broadcast_tags(f"{info.path.name}, sound track {track + 1}", since_midnight, shape.sample_rate_hz, clip.created)
        paths = _paths(drafts, track, options)
        with _writer(paths, shape, part, first, tags, options) as writer:
            for mixture, shown in _sounds(footage, heard, model, options, progress):
                writer.write(mixture.numpy(), shown.numpy())
            _check_reached(writer.at, part, shape.sample_rate_hz)
        return Delivered(
            track, *paths, footage.start_seconds + begin, footage.start_seconds + stems_begin,
            shape.channels, shape.sample_rate_hz, writer.is_changed, tuple(footage.notes),
        )  # fmt: skip


def _writer(
    paths: tuple[Path, Path, Path], shape: _Shape, part: Part, first: int, tags: Mapping[str, str], options: SeparateFileOptions
) -> TrackWriter:
    """What writes the sounds that are delivered; `first`: number of the first sample that it will get."""
    on, off, replaced = paths
    stems = StemWriter(on, off, shape.sample_rate_hz, shape.channels, shape.depth, options.file_format, shape.layout, tags)
    sound = SoundWriter(replaced, shape.sample_rate_hz, shape.channels, "24", shape.layout)
    return TrackWriter(
        stems if {"stems", "add-tracks"} & set(options.deliver) else None,
        sound if "replace" in options.deliver else None,
        part, shape.channels, first, options.amount,
        finish=None,  # the place for a chain of effects on the replaced sound: a new one for each track, at shape.sample_rate_hz
    )  # fmt: skip


def _sounds(
    footage: Footage, part: Part, model: Separator, options: SeparateFileOptions, progress: Progress | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Mixture and on-screen sound from the track's first sample to its last; outside of the part the mixture stands for both.

    With the original reconstruction, the two for the part only, at the model's rate.
    """
    original = options.reconstruction == "original"
    window, rate = model.config.window, footage.sample_rate_hz
    lead = 0 if part.is_whole or original else round(window.context_frames / model.config.picture.frame_rate * rate)
    first, at = max(0, part.start - lead), 0
    for mixture in footage.blocks(first):
        at += mixture.shape[1]
        if not original:
            yield mixture, mixture
    if at < first:
        _check_reached(at, part, rate)
    footage.look_from(first)
    blocks = footage.blocks(None if part.stop is None else part.stop + lead - first)
    told = None if progress is None else lambda seconds: progress(first / rate + seconds)
    if original:
        for made in reconstruct(model, blocks, rate, footage.pictures, options.pipeline, told):
            yield made.on + made.off, made.on
        return

    def run(sound: Iterable[Tensor]) -> Iterator[Block]:
        return separate(model, sound, rate, footage.pictures, options.pipeline, told)

    for block in _by_channel(run, blocks, footage.channels) if options.channels == "split" else run(blocks):
        yield block.mixture, block.on
    for mixture in footage.blocks():
        yield mixture, mixture


def _by_channel(run: Callable[[Iterable[Tensor]], Iterator[Block]], sound: Iterable[Tensor], channels: int) -> Iterator[Block]:
    """Every channel judged alone, as if it were the only one: as many runs, side by side over one reading of the sound."""
    copies = itertools.tee(sound, channels)
    runs = [run(_channel(copy, number)) for number, copy in enumerate(copies)]
    for blocks in zip(*runs, strict=True):
        yield Block(torch.cat([block.mixture for block in blocks]), torch.cat([block.on for block in blocks]))


def _channel(sound: Iterable[Tensor], number: int) -> Iterator[Tensor]:
    """One channel, [1, n], of pieces [C, n]."""
    for block in sound:
        yield block[number : number + 1]


def _check_reached(at: int, part: Part, sample_rate_hz: int) -> None:
    if at <= part.start and part.start:
        raise ConfigError(f"the part starts at {part.start / sample_rate_hz:.3f} s of the sound, which lasts {at / sample_rate_hz:.3f} s.")


@contextmanager
def _about(source: Path) -> Iterator[None]:
    """Name the clip in errors about a part of it."""
    try:
        yield
    except ConfigError as exc:
        raise ConfigError(f"{source}: {exc}") from exc


def _paths(drafts: Mapping[str, Path], track: int, options: SeparateFileOptions) -> tuple[Path, Path, Path]:
    """Where on-screen, off-screen and replaced sound are written."""
    beside = next(iter(drafts.values())).parent / ".work"
    beside.mkdir(exist_ok=True)
    prefix = f"track{track + 1}-" if options.track == "all" else ""
    on, off = (drafts.get(f"{prefix}{kind}", beside / f"{prefix}{kind}.{options.file_format}") for kind in ("on", "off"))
    return on, off, beside / f"{prefix}replaced.wav"


def _stem_depth(track: AudioStream, options: SeparateFileOptions) -> BitDepth:
    if options.bit_depth != "source":
        return options.bit_depth
    if options.reconstruction == "original":
        return "24" if options.file_format == "flac" else "32f"
    if track.is_lossy or track.bits_per_sample is None:
        return "24"
    if track.bits_per_sample <= 16:
        return "16"
    return "24" if track.bits_per_sample <= 24 or options.file_format == "flac" else "32f"
