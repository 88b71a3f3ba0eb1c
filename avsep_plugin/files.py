"""Path to path: joins media with the pipeline. Reads like the data flow; every clip's outputs appear whole or not at all.

clip --survey---> its shots, those that are better left alone
clip --Footage--> sound, pictures --separate--> mixture, on --TrackWriter--> stems, replaced sound --remux--> the clip with it
"""

from pathlib import Path

import numpy as np
import torch

from avsep_plugin.clip import Float32, Stems
from avsep_plugin.deliver import video_sounds
from avsep_plugin.media.mux import remux
from avsep_plugin.media.probe import probe_clip
from avsep_plugin.media.region import Region
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.options import DEFAULT_FILE_OPTIONS, SeparateFileOptions
from avsep_plugin.outputs import separation_outputs
from avsep_plugin.pipeline import DEFAULTS, Pictures, Progress, SeparateOptions, reconstruct, separate
from avsep_plugin.publish import FileResult, published
from avsep_plugin.survey import Passes
from avsep_plugin.tracks import ClipClock, separate_track

__all__ = ["DEFAULT_FILE_OPTIONS", "FileResult", "SeparateFileOptions", "separate_arrays", "separate_file", "separation_outputs"]


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
    info = probe_clip(source, options.track, options.tolerate_damage)
    outputs = separation_outputs(source, out_dir, options)
    tracks = [track.index for track in info.audio] if options.track == "all" else [options.track]
    clock = ClipClock.of(info, options.pad_to_picture, options.tolerate_damage)
    region = Region.parse(options.region) if options.region else None
    length = info.audio[tracks[0]].duration_seconds or info.duration_seconds
    passes = Passes(progress, len(tracks) * (1 + options.finds_shots + options.needs_aligner), length)
    with published(source, outputs) as drafts:
        made = [separate_track(info, clock, track, drafts, model, options, passes, aligner, region) for track in tracks]
        warnings = list(dict.fromkeys(note for one in made for note in one.notes))
        if "video" in drafts:
            bits = max(info.audio[track].bits_per_sample or 16 for track in tracks)
            sounds = video_sounds(made, options.deliver)
            warnings += remux(source, drafts["video"], sounds, options.container, bits, options.tolerate_damage)
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
