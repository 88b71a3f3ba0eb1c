"""Path to path: joins media with the pipeline. Reads like the data flow; every clip's outputs appear whole or not at all.

clip --survey---> its shots, those that are better left alone
clip --Footage--> sound, pictures --separate--> mixture, on --TrackWriter--> stems, replaced sound --remux--> the clip with it
                                  --align-----> heat map --overlay--> the clip with the heat map over its picture
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from avsep_plugin.clip import Float32, HeatMap, Stems
from avsep_plugin.deliver import video_sounds
from avsep_plugin.draw.overlay import overlay
from avsep_plugin.errors import AvsepError, NoAudioError, NoVideoError, OutputError, TooShortError
from avsep_plugin.footage import Footage
from avsep_plugin.media.mux import remux
from avsep_plugin.media.probe import MediaInfo, VideoStream, probe
from avsep_plugin.media.read import PictureReader, picture_area
from avsep_plugin.media.region import Region
from avsep_plugin.media.write import OverlayWriter
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.options import DEFAULT_FILE_OPTIONS, SeparateFileOptions
from avsep_plugin.outputs import separation_outputs
from avsep_plugin.pipeline import (
    DEFAULTS,
    Localisation,
    Pictures,
    Precision,
    Progress,
    SeparateOptions,
    align,
    reconstruct,
    separate,
)
from avsep_plugin.survey import Passes
from avsep_plugin.tracks import ClipClock, separate_track

__all__ = [
    "DEFAULT_FILE_OPTIONS", "FileResult", "SeparateFileOptions", "at_time", "localisation_outputs", "localize_file", "separate_arrays",
    "separate_file", "separation_outputs",
]  # fmt: skip

_STRONG_PERCENTILE = 97.0
_WEAK_SHARE = 0.5
"""The overlay's colours run from this share of the strong evidence up to all of it, as in the original's drawing (spec 4)."""


@dataclass(frozen=True)
class FileResult:
    """What was written for one clip."""

    outputs: dict[str, Path]
    """By kind: on, off, confidence (or track1-on, track1-off, ...), video; or overlay, heatmap."""
    warnings: list[str] = field(default_factory=list)


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
    """Separate a clip: both stems, and the clip itself with the on-screen sound, its picture copied as it is; or what `deliver` says.

    progress: takes the seconds that are done, all passes over the clip taken together. aligner: wanted where `options.needs_aligner`.
    Raises MediaError (see errors.py) where the clip does not allow it, OutputError, ConfigError for a region that is none.
    """
    if options.needs_aligner and aligner is None:
        raise ValueError("these options need an aligner")
    info = _checked(source, options.track, options.tolerate_damage)
    outputs = separation_outputs(source, out_dir, options)
    tracks = [track.index for track in info.audio] if options.track == "all" else [options.track]
    clock = ClipClock.of(info, options.pad_to_picture, options.tolerate_damage)
    region = Region.parse(options.region) if options.region else None
    length = info.audio[tracks[0]].duration_seconds or info.duration_seconds
    passes = Passes(progress, len(tracks) * (1 + options.finds_shots + options.needs_aligner), length)
    with _published(source, outputs) as drafts:
        made = [separate_track(info, clock, track, drafts, model, options, passes, aligner, region) for track in tracks]
        warnings = list(dict.fromkeys(note for one in made for note in one.notes))
        if "video" in drafts:
            bits = max(info.audio[track].bits_per_sample or 16 for track in tracks)
            sounds = video_sounds(made, options.deliver)
            warnings += remux(source, drafts["video"], sounds, options.container, bits, options.tolerate_damage)
    return FileResult(outputs, warnings)


def localize_file(
    source: Path, out_dir: Path, model: Aligner, precision: Precision = "fp32", track: int = 0, progress: Progress | None = None
) -> FileResult:
    """Find where in the picture the sound comes from: a video with the heat map over the picture, and the map as numbers.

    heatmap.npz: values [T, h, w] float32, signed, positive = evidence; cell t covers the step from start_seconds + t * step_seconds
    on (clock of the file); area = (left, top, width, height) of the displayed picture that the cells cover, in shares of it;
    logits [windows], one every window_seconds, positive = sound and picture belong together.

    progress: takes the seconds that are done, finding the sound and drawing the overlay taken together.
    Raises MediaError (see errors.py) where the clip does not allow it, OutputError.
    """
    info = _checked(source, track)
    outputs = localisation_outputs(out_dir)
    passes = Passes(progress, 2, info.audio[track].duration_seconds or info.duration_seconds)
    with Footage(source, model.config.picture, track) as footage, _published(source, outputs) as drafts:
        found = align(model, footage.blocks(), footage.sample_rate_hz, footage.pictures, precision, passes.begin())
        assert info.video is not None
        heat_map = replace(found.heat_map, start_seconds=footage.start_seconds, area=picture_area(info.video, model.config.picture))
        _save(drafts["heatmap"], replace(found, heat_map=heat_map))
        warnings = footage.notes + _draw(source, info.video, heat_map, drafts["overlay"], passes.begin())
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


def _checked(source: Path, track: int | Literal["all"], tolerate_damage: bool = False) -> MediaInfo:
    """What is in the clip. Raises NoVideoError or NoAudioError where there is nothing to work on."""
    info = probe(source, tolerate_damage)
    if not info.audio:
        raise NoAudioError(f"{source} has no sound.")
    if info.video is None:
        raise NoVideoError(f"{source} has no picture.")
    if track != "all" and not 0 <= track < len(info.audio):
        raise NoAudioError(f"{source} has no sound track {track + 1}; it has {len(info.audio)}.")
    return info


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
