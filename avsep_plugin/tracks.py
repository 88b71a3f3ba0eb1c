"""One sound track of a clip from end to end.

Footage --the part---------> survey: shots, those that are left alone
        --before the part--> mixture --------------------------\\
        --the part---------> separate, linked or by channel ---> TrackWriter --> Delivered
        --after the part---> mixture --------------------------/
"""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from avsep_plugin.confidence_file import as_text
from avsep_plugin.deliver import Delivered, TrackWriter
from avsep_plugin.dsp.shots import Shots
from avsep_plugin.errors import ConfigError
from avsep_plugin.finish_steps import FinishStep
from avsep_plugin.finishing import Finishing
from avsep_plugin.footage import Footage
from avsep_plugin.media.bwf import broadcast_tags
from avsep_plugin.media.probe import AudioStream, MediaInfo, picture_seconds
from avsep_plugin.media.region import Region
from avsep_plugin.media.timecode import Clock
from avsep_plugin.media.write import BitDepth, SoundWriter, StemWriter
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.options import SeparateFileOptions
from avsep_plugin.part import Part
from avsep_plugin.pipeline import Block, Progress, reconstruct, separate
from avsep_plugin.survey import Passes, Survey, survey


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
    def of(cls, info: MediaInfo, with_length: bool = False, tolerate_damage: bool = False) -> "ClipClock":
        """A clip without a date was recorded when its file was last changed. Raises what `probe` raises."""
        assert info.video is not None
        changed = datetime.fromtimestamp(int(info.path.stat().st_mtime), UTC).strftime("%Y-%m-%dT%H:%M:%S")
        length = picture_seconds(info.path, tolerate_damage) if with_length else None
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
    passes: Passes, aligner: Aligner | None = None, region: Region | None = None,
) -> Delivered:  # fmt: skip
    """Separate one sound track (counted from 0) and write its stems and the sound that replaces it, as far as they are delivered.

    drafts: files to be written by kind (see `deliver.output_names`); what only the video needs is written into a folder beside them.
    aligner: wanted where `options.needs_aligner`. Raises MediaError and OutputError as `files.separate_file` does, ConfigError for a part
    that is not in the clip.
    """
    with Footage(info.path, model.config.picture, track, region, options.tolerate_damage) as footage, _about(info.path):
        shape = _Shape.of(footage, info.audio[track], model, options)
        late = footage.start_seconds - clip.picture_start_seconds
        heard = _Heard.of(options.wanted.part(clip.clock, late, footage.sample_rate_hz), footage, model, options)
        found = _survey(footage, heard, options, passes, aligner)
        part = options.wanted.part(clip.clock, late, shape.sample_rate_hz, clip.picture_seconds)
        first = part.start if options.reconstruction == "original" else 0
        begin, stems_begin = (Fraction(sample, shape.sample_rate_hz) for sample in (first, part.stems_start))
        since_midnight = clip.clock.start_seconds + late + stems_begin
        tags = broadcast_tags(f"{info.path.name}, sound track {track + 1}", since_midnight, shape.sample_rate_hz, clip.created)
        paths = _paths(drafts, track, options)
        if options.confidence is not None:
            drafts[f"{_prefix(track, options)}confidence"].write_text(as_text(found.windows, options.confidence), encoding="utf-8")
        untouched = options.amount == 0 or found.shots.all_untouched
        with _writer(paths, shape, part, first, tags, options, () if untouched else options.finish) as writer:
            for mixture, shown in _sounds(footage, heard, model, options, found.shots, passes.begin()):
                writer.write(mixture.numpy(), shown.numpy())
            _check_reached(writer.at, part, shape.sample_rate_hz)
        return Delivered(
            track, *paths, footage.start_seconds + begin, footage.start_seconds + stems_begin,
            shape.channels, shape.sample_rate_hz, writer.is_changed, (*footage.notes, *found.notes(options.abstain_below)),
        )  # fmt: skip


def _writer(
    paths: tuple[Path, Path, Path], shape: _Shape, part: Part, first: int, tags: Mapping[str, str], options: SeparateFileOptions,
    finish: Sequence[FinishStep],
) -> TrackWriter:  # fmt: skip
    """What writes the sounds that are delivered.

    first: number of the first sample that it will get. finish: effects on the replaced sound, none where nothing of it changes.
    """
    on, off, replaced = paths
    stems = StemWriter(on, off, shape.sample_rate_hz, shape.channels, shape.depth, options.file_format, shape.layout, tags)
    sound = SoundWriter(replaced, shape.sample_rate_hz, shape.channels, "24", shape.layout)
    return TrackWriter(
        stems if {"stems", "add-tracks"} & set(options.deliver) else None,
        sound if "replace" in options.deliver else None,
        part, shape.channels, first, options.amount,
        Finishing(finish, shape.sample_rate_hz) if finish else None,
    )  # fmt: skip


@dataclass(frozen=True)
class _Heard:
    """What the models hear of a track, in samples: the part that is asked for and a little more on either side."""

    part: Part
    first: int
    count: int | None
    """None: to the end."""

    @classmethod
    def of(cls, part: Part, footage: Footage, model: Separator, options: SeparateFileOptions) -> "_Heard":
        """The lead is the context of a window; the original reconstruction, which keeps no grid of the clip's own, has none."""
        window, rate = model.config.window, footage.sample_rate_hz
        alone = part.is_whole or options.reconstruction == "original"
        lead = 0 if alone else round(window.context_frames / model.config.picture.frame_rate * rate)
        first = max(0, part.start - lead)
        return cls(part, first, None if part.stop is None else part.stop + lead - first)

    def sound(self, footage: Footage) -> Iterator[Tensor]:
        """Those samples of a fresh footage, whose pictures are then counted from the first of them."""
        collections.deque(footage.blocks(self.first), maxlen=0)
        footage.look_from(self.first)
        yield from footage.blocks(self.count)


def _survey(footage: Footage, heard: _Heard, options: SeparateFileOptions, passes: Passes, aligner: Aligner | None) -> Survey:
    start = footage.start_seconds + Fraction(heard.first, footage.sample_rate_hz)
    end = None if heard.count is None else start + Fraction(heard.count, footage.sample_rate_hz)
    judge = aligner if options.needs_aligner else None
    return survey(footage, options.finds_shots, judge, options.abstain_below, passes, start, end, heard.sound)


def _sounds(
    footage: Footage, heard: _Heard, model: Separator, options: SeparateFileOptions, shots: Shots, progress: Progress
) -> Iterator[tuple[Tensor, Tensor]]:
    """Mixture and on-screen sound from the track's first sample to its last; outside of the part the mixture stands for both.

    With the original reconstruction, the two for the part only, at the model's rate.
    """
    original, rate, at = options.reconstruction == "original", footage.sample_rate_hz, 0
    for mixture in footage.blocks(heard.first):
        at += mixture.shape[1]
        if not original:
            yield mixture, mixture
    if at < heard.first:
        _check_reached(at, heard.part, rate)
    footage.look_from(heard.first)
    blocks = footage.blocks(heard.count)

    def told(seconds: float) -> None:
        progress(heard.first / rate + seconds)

    if original:
        for made in reconstruct(model, blocks, rate, footage.pictures, options.pipeline, told):
            yield made.on + made.off, made.on
        return

    def run(sound: Iterable[Tensor]) -> Iterator[Block]:
        return separate(model, sound, rate, footage.pictures, options.pipeline, told, shots)

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
    prefix = _prefix(track, options)
    on, off = (drafts.get(f"{prefix}{kind}", beside / f"{prefix}{kind}.{options.file_format}") for kind in ("on", "off"))
    return on, off, beside / f"{prefix}replaced.wav"


def _prefix(track: int, options: SeparateFileOptions) -> str:
    """Of the kinds and names of what is made of one of several tracks."""
    return f"track{track + 1}-" if options.track == "all" else ""


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
