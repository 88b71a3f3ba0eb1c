"""Do sound and picture of a piece belong together? Pieces that do not are taken out of the shards before anything is learnt from them.

The aligner's logit of a piece is the mean over its windows, each for as long as it lasts; calibrated, it is the probability with which
sound and picture belong together. A voice-over, a listener's face, a camera with the wrong sound: all stay below the threshold. The same
rule holds for tuning and test, and the aligner itself is not trained here, so that before and after are measured on the same pieces.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from avsep_plugin.atomic import atomic
from avsep_plugin.confidence import evidence
from avsep_plugin.errors import ConfigError, TooShortError
from avsep_plugin.feed import held
from avsep_plugin.media.read import centre_crop
from avsep_plugin.models.fused import Aligner

from .kept import Kept
from .shards import INT16_SCALE, Segment, Shards, manifest_line, read_manifest

QUIET_RMS = 3e-3
"""Of full scale: a piece that is softer teaches nothing."""


@dataclass(frozen=True)
class Checked:
    """What a check found in a folder of shards, in pieces with a picture and in seconds of them."""

    pieces: int
    seconds: float
    kept: int
    kept_seconds: float
    quiet: int
    """Left out because hardly anything is heard."""
    apart: int
    """Left out because sound and picture do not belong together."""


def check(
    folder: Path, aligner: Aligner, drop_below: float, progress: Callable[[int, int], None] | None = None, skip: bool = False
) -> Checked:
    """Judge every piece of closed shards and leave in the manifest what is loud enough and reaches that probability.

    What was judged before is not judged again, so another threshold costs nothing. skip: nothing is asked, and all that sounds stays.
    Raises ConfigError where the aligner sees other pictures than the shards hold.
    """
    shutil.copyfile(folder / "prepared.jsonl", folder / "manifest.jsonl")
    shards = Shards(folder)
    if (aligner.config.sample_rate_hz, aligner.config.picture) != (shards.store.sample_rate_hz, shards.store.picture):
        raise ConfigError(f"Aligner '{aligner.config.name}' looks at other pictures than the separator; name another one with --aligner.")
    seen = [segment for segment in shards.segments if segment.frames is not None]
    loud = [segment for segment in seen if loudness(shards, segment) >= QUIET_RMS]
    found = {segment.key: 1.0 for segment in loud} if skip else _probabilities(shards, loud, aligner, progress)
    kept = [segment for segment in loud if found[segment.key] >= drop_below]
    _write_kept(folder, {segment.key for segment in kept})
    return Checked(len(seen), _seconds(shards, seen), len(kept), _seconds(shards, kept), len(seen) - len(loud), len(loud) - len(kept))


def loudness(shards: Shards, segment: Segment) -> float:
    """RMS of the mono mean of a segment, of full scale."""
    mono = shards.audio(segment).mean(axis=0) / INT16_SCALE
    return float(np.sqrt(np.mean(np.square(mono))))


def _seconds(shards: Shards, segments: Sequence[Segment]) -> float:
    return sum(segment.audio.shape[1] for segment in segments) / shards.store.sample_rate_hz


def _probabilities(
    shards: Shards, segments: Sequence[Segment], aligner: Aligner, progress: Callable[[int, int], None] | None
) -> dict[str, float]:
    """Key of each piece -> its probability, kept in `checked.jsonl` as it comes."""
    with Kept(shards.folder / "checked.jsonl", float) as kept:
        for number, segment in enumerate(segments, start=1):
            if segment.key not in kept:
                kept.add(segment.key, probability(shards, segment, aligner))
            if progress:
                progress(number, len(segments))
        return {segment.key: kept[segment.key] for segment in segments}


def probability(shards: Shards, segment: Segment, aligner: Aligner) -> float:
    """That sound and picture of a piece belong together; 0 for one that is too short to tell."""
    device = next(aligner.parameters()).device
    sound = torch.from_numpy(shards.audio(segment).astype(np.float32) / INT16_SCALE)
    frames = torch.from_numpy(np.ascontiguousarray(centre_crop(shards.frames(segment), shards.store.picture)))
    try:
        windows = list(evidence(aligner, [sound], shards.store.sample_rate_hz, held(frames.to(device))))
    except TooShortError:
        return 0.0
    lengths = [float(window.end_seconds - window.start_seconds) for window in windows]
    logit = float(np.average([window.logit for window in windows], weights=lengths))
    return round(aligner.config.calibration.probability(logit), 6)


def _write_kept(folder: Path, keys: set[str]) -> None:
    """The manifest without the pieces that are not named; sound without a picture stays."""
    lines = []
    for line in read_manifest(folder):
        segments = [segment for segment in line["segments"] if segment.frames is None or segment.key in keys]
        lines.append(manifest_line(line["source"], segments, line["skipped"]))
    with atomic(folder / "manifest.jsonl") as temporary:
        temporary.write_text("".join(lines))
