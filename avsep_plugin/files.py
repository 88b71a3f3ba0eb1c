"""Path to path: joins media with the pipeline. Reads like the data flow; every clip's outputs appear whole or not at all.

clip --survey---> its shots, those that are better left alone
clip --Footage--> sound, pictures --separate--> on-screen and off-screen stem --remux--> the clip with the on-screen sound
                                  --align-----> heat map --overlay--> the clip with the heat map over its picture
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from avsep_plugin.clip import Float32, HeatMap, Stems
from avsep_plugin.confidence import ConfidenceFormat, as_text
from avsep_plugin.draw.overlay import overlay
from avsep_plugin.dsp.masks import Highs
from avsep_plugin.dsp.shots import Shots
from avsep_plugin.errors import AvsepError, ConfigError, NoAudioError, NoVideoError, OutputError, TooShortError
from avsep_plugin.footage import Footage
from avsep_plugin.media.mux import remux
from avsep_plugin.media.probe import AudioStream, MediaInfo, VideoStream, probe
from avsep_plugin.media.read import PictureReader, picture_area
from avsep_plugin.media.region import Region
from avsep_plugin.media.write import BitDepth, OverlayWriter, StemWriter
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.pipeline import (
    DEFAULTS,
    Localisation,
    Pictures,
    Precision,
    Progress,
    Reconstruction,
    SeparateOptions,
    align,
    reconstruct,
    separate,
)
from avsep_plugin.preset import BitDepth as WantedDepth
from avsep_plugin.preset import FileFormat
from avsep_plugin.survey import Passes, survey

_STRONG_PERCENTILE = 97.0
_WEAK_SHARE = 0.5
"""The overlay's colours run from this share of the strong evidence up to all of it, as in the original's drawing (spec 4)."""


@dataclass(frozen=True)
class SeparateFileOptions:
    """How to separate a clip and what to write."""

    bit_depth: WantedDepth = "source"
    """Of the stems; "source": as in the clip, 24 where it is lossy; with reconstruction "original" 32f, because its two sounds may
    add up to more than full scale, and integer stems are limited where they do."""
    file_format: FileFormat = "wav"
    highs: Highs = "follow"
    reconstruction: Reconstruction = "editor"
    precision: Precision = "fp32"
    write_video: bool = True
    track: int = 0
    """Which of the clip's sound tracks."""
    amount: float = 1.0
    """The replaced sound of the video is mixture - amount * off; the stems do not depend on it."""
    region: str = ""
    """What the model may see of the picture (`media.region`); "": all of it."""
    shots: bool = True
    """Find the cuts, and let no window straddle one."""
    abstain_below: float = 0.0
    """Leave a shot untouched where no window reaches this probability that sound and picture belong together; 0: never."""
    confidence: ConfidenceFormat | None = None
    """Write that probability of every window into a file of this kind."""

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= 1:
            raise ConfigError(f"The amount must lie between 0 and 1, not at {self.amount:g}.")
        if not 0 <= self.abstain_below <= 1:
            raise ConfigError(f"A probability must lie between 0 and 1, not at {self.abstain_below:g}.")
        if self.abstain_below and self.reconstruction == "original":
            raise ConfigError("With reconstruction 'original' no shot can be left untouched: its sounds are no shares of the clip's.")

    @property
    def needs_aligner(self) -> bool:
        """Whether `separate_file` needs an aligner for this."""
        return self.abstain_below > 0 or self.confidence is not None

    @property
    def finds_shots(self) -> bool:
        """Whether it matters where the cuts are; the paper's own output knows none."""
        return self.shots and (self.reconstruction == "editor" or self.needs_aligner)

    @property
    def pipeline(self) -> SeparateOptions:
        """The part that concerns the pipeline."""
        return SeparateOptions(self.highs, self.reconstruction, self.precision)


DEFAULT_FILE_OPTIONS = SeparateFileOptions()


@dataclass(frozen=True)
class FileResult:
    """What was written for one clip."""

    outputs: dict[str, Path]
    """By kind: on, off, video, confidence; or overlay, heatmap."""
    warnings: list[str] = field(default_factory=list)


def separation_outputs(source: Path, out_dir: Path, options: SeparateFileOptions = DEFAULT_FILE_OPTIONS) -> dict[str, Path]:
    """The files that `separate_file` will write, by kind."""
    names = {"on": f"on-screen.{options.file_format}", "off": f"off-screen.{options.file_format}"}
    if options.write_video:
        names["video"] = source.name
    if options.confidence is not None:
        names["confidence"] = f"confidence.{options.confidence}"
    return {kind: out_dir / name for kind, name in names.items()}


def localisation_outputs(out_dir: Path) -> dict[str, Path]:
    """The files that `localize_file` will write, by kind."""
    return {"overlay": out_dir / "overlay.mp4", "heatmap": out_dir / "heatmap.npz"}


def separate_file(
    source: Path,
    out_dir: Path,
    model: Separator,
    options: SeparateFileOptions = DEFAULT_FILE_OPTIONS,
    progress: Progress | None = None,
    aligner: Aligner | None = None,
) -> FileResult:
    """Separate a clip: both stems, and the clip itself with the on-screen sound, its picture copied as it is.

    progress: takes the seconds that are done, all passes over the clip taken together. aligner: wanted where `options.needs_aligner`.
    Raises MediaError (see errors.py) where the clip does not allow it, OutputError, ConfigError for a region that is none.
    """
    if options.needs_aligner and aligner is None:
        raise ValueError("these options need an aligner")
    info = _checked(source, options.track)
    track = info.audio[options.track]
    outputs = separation_outputs(source, out_dir, options)
    region = Region.parse(options.region) if options.region else None
    passes = Passes(progress, 1 + options.finds_shots + options.needs_aligner, track.duration_seconds or info.duration_seconds)
    with Footage(source, model.config.picture, options.track, region) as footage, _published(source, outputs) as drafts:
        found = survey(footage, options.finds_shots, aligner if options.needs_aligner else None, options.abstain_below, passes)
        writer = _stem_writer(footage, track, drafts, model, options)
        _write_stems(footage, writer, model, options, found.shots, passes.begin())
        warnings = footage.notes + found.notes(options.abstain_below)
        if options.confidence is not None:
            drafts["confidence"].write_text(as_text(found.windows, options.confidence), encoding="utf-8")
        if options.write_video:
            warnings += remux(source, drafts["on"], drafts["video"], options.track)
    return FileResult(outputs, warnings)


def localize_file(
    source: Path, out_dir: Path, model: Aligner, precision: Precision = "fp32", track: int = 0, progress: Progress | None = None
) -> FileResult:
    """Find where in the picture the sound comes from: a video with the heat map over the picture, and the map as numbers.

    heatmap.npz: values [T, h, w] float32, signed, positive = evidence; cell t covers the step from start_seconds + t * step_seconds
    on (clock of the file); area = (left, top, width, height) of the displayed picture that the cells cover, in shares of it;
    logits [windows], one every window_seconds, positive = sound and picture belong together.

    progress: takes the seconds that are done; finding the sound counts for one half of each second, drawing the overlay for the other.
    Raises MediaError (see errors.py) where the clip does not allow it, OutputError.
    """
    info = _checked(source, track)
    outputs = localisation_outputs(out_dir)
    with Footage(source, model.config.picture, track) as footage, _published(source, outputs) as drafts:
        found = align(model, footage.blocks(), footage.sample_rate_hz, footage.pictures, precision, _halves(progress, 0.0))
        assert info.video is not None
        heat_map = replace(found.heat_map, start_seconds=footage.start_seconds, area=picture_area(info.video, model.config.picture))
        _save(drafts["heatmap"], replace(found, heat_map=heat_map))
        drawn = _halves(progress, float(len(heat_map.values) * heat_map.step_seconds))
        warnings = footage.notes + _draw(source, info.video, heat_map, drafts["overlay"], drawn)
    return FileResult(outputs, warnings)


def separate_arrays(
    model: Separator, mixture: Float32, sample_rate_hz: int, pictures: Pictures, options: SeparateOptions = DEFAULTS
) -> Stems:
    """Separate a sound in memory, exactly as `separate_file` would.

    mixture: [C, n] float32. The stems add up to it, sample by sample; with reconstruction "original" they are the paper's own mono
    output at the model's rate instead. Raises TooShortError.
    """
    sound = [torch.from_numpy(np.ascontiguousarray(mixture))]
    if options.reconstruction == "original":
        parts = [(part.on, part.off) for part in reconstruct(model, sound, sample_rate_hz, pictures, options)]
        sample_rate_hz = model.config.sample_rate_hz
    else:
        parts = [(block.on, block.off) for block in separate(model, sound, sample_rate_hz, pictures, options)]
    on, off = (torch.cat(stem, dim=1).numpy() for stem in zip(*parts, strict=True))
    return Stems(on, off, sample_rate_hz)


def at_time(heat_map: HeatMap, seconds: Fraction) -> Float32:
    """The map [h, w] at a time on the clock of `start_seconds`, interpolated between the centres of the cells."""
    place = float((seconds - heat_map.start_seconds) / heat_map.step_seconds) - 0.5
    place = min(max(place, 0.0), heat_map.values.shape[0] - 1.0)
    before = int(place)
    after = min(before + 1, heat_map.values.shape[0] - 1)
    share = np.float32(place - before)
    values: Float32 = heat_map.values[before] * (1 - share) + heat_map.values[after] * share
    return values


def _checked(source: Path, track: int) -> MediaInfo:
    """What is in the clip. Raises NoVideoError or NoAudioError where there is nothing to work on."""
    info = probe(source)
    if not info.audio:
        raise NoAudioError(f"{source} has no sound.")
    if info.video is None:
        raise NoVideoError(f"{source} has no picture.")
    if not 0 <= track < len(info.audio):
        raise NoAudioError(f"{source} has no sound track {track}; it has {len(info.audio)}.")
    return info


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


def _write_stems(
    footage: Footage, writer: StemWriter, model: Separator, options: SeparateFileOptions, shots: Shots, progress: Progress
) -> None:
    with writer:
        sound = (footage.blocks(), footage.sample_rate_hz, footage.pictures, options.pipeline, progress)
        if options.reconstruction == "original":
            for part in reconstruct(model, *sound):
                writer.write((part.on + part.off).numpy(), part.on.numpy())
        else:
            for block in separate(model, *sound, shots):
                writer.write(block.mixture.numpy(), block.on.numpy())


def _stem_writer(
    footage: Footage, track: AudioStream, drafts: Mapping[str, Path], model: Separator, options: SeparateFileOptions
) -> StemWriter:
    """A writer for stems like the clip's own sound, or for the original's mono sound at the model's rate."""
    depth, paths = _stem_depth(track, options), (drafts["on"], drafts["off"])
    if options.reconstruction == "original":
        return StemWriter(*paths, model.config.sample_rate_hz, 1, depth, options.file_format)
    known = options.file_format == "wav" and track.channels == footage.channels and track.layout
    return StemWriter(*paths, footage.sample_rate_hz, footage.channels, depth, options.file_format, track.layout if known else None)


def _save(path: Path, found: Localisation) -> None:
    heat_map = found.heat_map
    np.savez_compressed(
        path,
        values=heat_map.values,
        step_seconds=float(heat_map.step_seconds),
        start_seconds=float(heat_map.start_seconds),
        area=np.array(heat_map.area),
        logits=found.logits,
        window_seconds=float(found.window_seconds),
    )


def _halves(progress: Progress | None, before: float) -> Progress:
    """Progress of one of two passes over a clip, each of which does half of every second; `before`: seconds of the pass before it."""

    def told(seconds: float) -> None:
        if progress is not None:
            progress((before + seconds) / 2)

    return told


def _draw(source: Path, video: VideoStream, heat_map: HeatMap, path: Path, progress: Progress) -> list[str]:
    """Write the clip with the evidence for the sound's place in colour, on one scale for the whole file; returns warnings."""
    strong = float(np.percentile(heat_map.values.clip(min=0), _STRONG_PERCENTILE))
    weak = _WEAK_SHARE * strong
    scale = 1 / (strong - weak) if strong > 0 else 0.0
    with PictureReader(source) as pictures, OverlayWriter(path, video.display_width, video.display_height, source) as writer:
        for seconds, picture in pictures:
            writer.write(seconds, overlay(picture, (at_time(heat_map, seconds) - weak) * scale, heat_map.area))
            progress(max(0.0, float(seconds - heat_map.start_seconds)))
    return writer.warnings


@contextmanager
def _published(source: Path, outputs: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Drafts of the outputs in a hidden folder beside them; they are moved into place together when the block ends well.

    On any exception, Ctrl-C included, the folder goes away and older outputs stay as they were.
    """
    out_dir = next(iter(outputs.values())).parent
    if any(path.exists() and path.samefile(source) for path in outputs.values()):
        raise OutputError(f"{source}: an output in {out_dir} would replace the clip itself.")
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out_dir, prefix=".avsep-") as folder:
            drafts = {kind: Path(folder) / path.name for kind, path in outputs.items()}
            try:
                yield drafts
            except OutputError as exc:
                raise OutputError(str(exc).replace(folder, str(out_dir))) from exc
            except TooShortError as exc:
                raise TooShortError(f"{source}: {exc}") from exc
            for kind, path in outputs.items():
                drafts[kind].replace(path)
    except OSError as exc:
        if isinstance(exc, AvsepError) or exc.filename is None or not Path(str(exc.filename)).is_relative_to(out_dir):
            raise
        raise OutputError(f"{source}: {out_dir} cannot be written ({exc.strerror}).") from exc
