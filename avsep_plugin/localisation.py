"""Where in the picture the sound comes from: a clip in; overlay videos, layers and the map as data out.

clip --survey---> its cuts
clip --Footage--> sound, pictures --align--> map, windows --belief--> Levels --drawing.draw--> overlays, layers
                                                                             --mapdata-------> heatmap.npz, heatmap.json
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avsep_plugin.belief import Loudness, believed, least_strong, steadied
from avsep_plugin.draw.grid import Area
from avsep_plugin.draw.levels import Levels
from avsep_plugin.drawing import Show, draw
from avsep_plugin.footage import Footage
from avsep_plugin.localize_options import DEFAULT_LOCALIZE_OPTIONS, LocalizeFileOptions, localisation_outputs
from avsep_plugin.mapdata import MapData, write_json, write_npz
from avsep_plugin.media.probe import MediaInfo, VideoStream, picture_seconds, probe_clip
from avsep_plugin.media.read import AudioReader, picture_area
from avsep_plugin.media.region import Region
from avsep_plugin.media.write import OverlaySound
from avsep_plugin.models.fused import Aligner
from avsep_plugin.pipeline import Localisation, Progress, align
from avsep_plugin.publish import FileResult, published
from avsep_plugin.survey import Passes, survey

_BLOCK_SECONDS = 1
_SLACK_SECONDS = Fraction(1, 10)
"""By how much the ends of another sound and of the picture may differ without a word."""


def localize_file(
    source: Path,
    out_dir: Path,
    model: Aligner,
    options: LocalizeFileOptions = DEFAULT_LOCALIZE_OPTIONS,
    progress: Progress | None = None,
) -> FileResult:
    """Find where in the picture the sound comes from, and write what the options name (`localisation_outputs`).

    Overlays, layers, peaks and boxes are of the evidence that is believed (see `belief`), on one scale for the whole clip; the grid itself
    is as the network said it. Every shot is looked at by itself. docs/localize.md describes the files.

    progress: takes the seconds that are done, finding cuts and sound and drawing taken together.
    Raises MediaError (see errors.py) where the clip or the other sound does not allow it, OutputError, ConfigError for a bad region.
    """
    info = probe_clip(source, None if options.with_audio else options.track, options.tolerate_damage)
    assert info.video is not None
    outputs = localisation_outputs(out_dir, options)
    region = Region.parse(options.region) if options.region else None
    length = next(iter(info.audio), info.video).duration_seconds or info.duration_seconds
    passes = Passes(progress, options.shots + 1 + options.draws, length)
    other = Path(options.with_audio) if options.with_audio else None
    with published(source, outputs) as drafts, ExitStack() as stack:
        own_track = options.track if other is None else 0 if info.audio else None
        whole = model.config.whole_cell_pixels
        footage = stack.enter_context(Footage(source, model.config.picture, own_track, region, options.tolerate_damage, whole))
        heard = _Heard.of(footage, info, other, options.track)
        cuts = survey(footage, options.shots, None, 0.0, passes).shots.cuts_seconds
        loudness = Loudness(heard.sample_rate_hz)
        found = align(
            model, loudness.watch(heard.blocks), heard.sample_rate_hz, footage.pictures, options.precision, passes.begin(), cuts,
            whole=whole is not None,
        )  # fmt: skip
        area = _area(info.video, model, region)
        found = replace(found, heat_map=replace(found.heat_map, start_seconds=footage.start_seconds, area=area))
        levels = _levels(found, loudness, model, options)
        _write_data(found, levels, model, options, info, drafts)
        warnings = [*footage.notes, *heard.notes(), *_said(levels, options)]
        if options.draws:
            show = Show(found.heat_map, levels, heard.overlay, other.name if other else None)
            warnings += draw(info, show, drafts, options, passes.begin())
    return FileResult(outputs, list(dict.fromkeys(warnings)))


@dataclass
class _Heard:
    """The sound that is looked for."""

    blocks: Iterator[Tensor]
    """Pieces [C, n], beginning with the clip's own sound, or with its picture where it has none."""
    sample_rate_hz: int
    overlay: OverlaySound
    picture_left: Fraction | None = None
    """From the sound's beginning to the picture's end, where it is another file's."""
    is_longer: bool = False
    samples: int = 0
    """Of the other file, that there was picture for."""

    @classmethod
    def of(cls, footage: Footage, info: MediaInfo, other: Path | None, track: int) -> "_Heard":
        """The clip's own sound, or that of another file. Raises what opening that raises."""
        if other is None:
            return cls(footage.blocks(), footage.sample_rate_hz, OverlaySound(info.path, track, tolerate_damage=footage.tolerate_damage))
        assert info.video is not None
        end = info.video.start_seconds + picture_seconds(info.path, footage.tolerate_damage)
        left = max(end - footage.start_seconds, Fraction(0))
        reader = AudioReader(other, track)
        late = footage.start_seconds - reader.start_seconds
        heard = cls(iter(()), reader.sample_rate_hz, OverlaySound(other, track, late, left), left)
        heard.blocks = heard._read(reader, round(left * reader.sample_rate_hz))
        return heard

    def _read(self, reader: AudioReader, samples: int) -> Iterator[Tensor]:
        """As much as there is picture for."""
        with closing(reader):
            while samples > 0:
                block = reader.read(min(samples, _BLOCK_SECONDS * reader.sample_rate_hz))
                if not block.shape[1]:
                    return
                samples, self.samples = samples - block.shape[1], self.samples + block.shape[1]
                yield torch.from_numpy(block)
            slack = round(_SLACK_SECONDS * reader.sample_rate_hz)
            self.is_longer = reader.read(slack).shape[1] == slack

    def notes(self) -> list[str]:
        """Whether picture and other sound end together, when all of it was read."""
        if self.picture_left is None:
            return []
        name = self.overlay.file.name
        if self.is_longer:
            return [f"The sound of {name} is longer than the picture, which ends {float(self.picture_left):.1f} s after it begins."]
        seconds = Fraction(self.samples, self.sample_rate_hz)
        if seconds < self.picture_left - _SLACK_SECONDS:
            return [f"The sound of {name} ends after {float(seconds):.1f} s; the picture goes on, and nothing is drawn there."]
        return []


def _levels(found: Localisation, loudness: Loudness, model: Aligner, options: LocalizeFileOptions) -> Levels:
    heat_map, calibration = steadied(found.heat_map), model.config.calibration
    drawn = believed(found, calibration, options.abstain_below)
    drawn &= loudness.heard(heat_map)
    return Levels(heat_map, drawn, options.threshold, least_strong(calibration))


def _said(levels: Levels, options: LocalizeFileOptions) -> list[str]:
    """Where nothing is drawn at all, why."""
    if levels.shown.values.max(initial=0) > options.threshold * levels.strong:
        return []
    return ["Nothing is drawn: nowhere in the clip there is enough evidence that a sound comes from the picture."]


def _write_data(
    found: Localisation, levels: Levels, model: Aligner, options: LocalizeFileOptions, info: MediaInfo, drafts: dict[str, Path]
) -> None:
    probabilities = np.array([model.config.calibration.probability(window.logit) for window in found.windows], np.float32)
    other = Path(options.with_audio).name if options.with_audio else None
    data = MapData(info.path.name, other, found, levels, probabilities)
    for kind, write in (("heatmap", write_npz), ("heatmap-json", write_json)):
        if kind in drafts:
            write(data, drafts[kind])


def _area(video: VideoStream, model: Aligner, region: Region | None) -> Area:
    """The part of the displayed picture that the cells cover: all of it or of the region, or what the model's square keeps of that."""
    swapped = video.rotation_degrees % 180 != 0
    width, height = (video.height, video.width) if swapped else (video.width, video.height)
    rows, columns = (slice(0, height), slice(0, width)) if region is None else region.place(height, width)[:2]
    wide, high = (columns.stop - columns.start) / width, (rows.stop - rows.start) / height
    left, top, inner_width, inner_height = (0.0, 0.0, 1.0, 1.0)
    if model.config.whole_cell_pixels is None:
        seen = max(1, round(video.display_width * wide)), max(1, round(video.display_height * high))
        shown = replace(video, display_width=seen[0], display_height=seen[1])
        left, top, inner_width, inner_height = picture_area(shown, model.config.picture)
    return columns.start / width + left * wide, rows.start / height + top * high, inner_width * wide, inner_height * high
