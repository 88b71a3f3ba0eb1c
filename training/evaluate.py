"""How well a separator does: fixed lists of mixtures, through the same `pipeline.separate` as the command line.

Every mixture is separated in several ways, the rows of the table:

    mixture      nothing done
    oracle       ratio mask made from the true sounds, on the pipeline's own STFT: what masking can reach at best
    pit          audio-only twin; which of its two outputs is the on-screen one is told to it (oracle assignment)
    own          ours, with the target's picture
    against      another model of the same kind, with the target's picture
    interferer   ours, with the interferer's picture: should give the other voice
    third        ours, with the picture of somebody who is not heard
    blank        ours, with a uniform grey picture
    afftdn, noisereduce, rnnoise    denoisers that do not see (`denoisers`)

What is done is appended to `mixtures.jsonl` in the output folder as it comes; a run that was stopped goes on from there.
"""

import copy
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from avsep_plugin.config import ModelConfig
from avsep_plugin.dsp.levels import decibels
from avsep_plugin.dsp.masks import ratio_mask
from avsep_plugin.dsp.stft import analyse, synthesise
from avsep_plugin.dsp.windows import Grid
from avsep_plugin.errors import ConfigError
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.pipeline import DEFAULTS, SeparateOptions, held, separate
from avsep_plugin.plain import to_dict

from .denoisers import DENOISERS, denoise, missing_library
from .evaluation_table import Record, Results, write_results
from .kept import Kept, key_of
from .metrics import better_of, score
from .mixing import ClipShelf, Mixture, blank
from .mixtures import MixtureRow
from .perception import heard

ROWS = ("mixture", "oracle", "pit", "own", "against", "interferer", "third", "blank", *DENOISERS)
_FIGURES_VERSION = 2
"""Of what is measured of an estimate: records of other versions are measured again."""
Progress = Callable[[int, int], None]
"""progress(done, total) after every estimate, those of an earlier run included."""


@dataclass(frozen=True)
class Models:
    """What is evaluated; `twin` is the audio-only network, left out of the table where None."""

    own: Separator
    twin: Separator | None = None
    against: Separator | None = None
    """Another separator, to be compared with mixture by mixture; left out where None."""
    options: SeparateOptions = DEFAULTS


def rows_here() -> tuple[str, ...]:
    """`ROWS` without those whose libraries are not installed."""
    return tuple(row for row in ROWS if not missing_library(row))


def evaluate(
    data: Path,
    models: Models,
    output: Path,
    mixtures: Sequence[MixtureRow],
    rows: Sequence[str] = ROWS,
    progress: Progress | None = None,
) -> Results:
    """Evaluate on mixtures and write `evaluation.md`, `evaluation.json` and `mixtures.jsonl` into `output`.

    data: the folder that names in mixtures are relative to. rows: some of `ROWS`. Finished estimates of an earlier run with the same
    weights and options are taken over. Raises ConfigError (unknown row), DataError (clip missing).
    """
    unknown = [row for row in rows if row not in ROWS]
    if unknown:
        raise ConfigError(f"Unknown row '{unknown[0]}'; known: {', '.join(ROWS)}.")
    output.mkdir(parents=True, exist_ok=True)
    networks = {"own": models.own, "pit": models.twin, "against": models.against}
    prints = {name: f"{fingerprint(network)} {models.options}" for name, network in networks.items()}
    tasks = [(row, way, _key(row, way, prints)) for row in mixtures for way in _ways(row, rows, models)]
    with Kept(output / "mixtures.jsonl", lambda fields: Record(**fields)) as kept:
        shelf = ClipShelf(data)
        mixture: tuple[MixtureRow, Mixture] | None = None
        for done, (row, way, key) in enumerate(tasks, start=1):
            if key not in kept:
                if mixture is None or mixture[0] is not row:
                    mixture = row, shelf.mixture(row)
                kept.add(key, _record(row, way, estimate(way, row, mixture[1], models, shelf), mixture[1]))
            if progress is not None:
                progress(done, len(tasks))
        results = Results([dataclasses.replace(kept[key], row=way) for _, way, key in tasks])
    write_results(results, output)
    return results


def estimate(way: str, row: MixtureRow, mixture: Mixture, models: Models, shelf: ClipShelf) -> Tensor:
    """The mono mean [n] of the on-screen sound that one way of separating gives."""
    mono = mixture.sound.mean(dim=0)
    picture, duration = models.own.config.picture, row.duration_seconds
    if way == "mixture":
        return mono
    if way in DENOISERS:
        return denoise(way, mono, mixture.sample_rate_hz)
    if way == "oracle":
        return oracle_mask(mixture, models.own.config)
    if way == "pit":
        assert models.twin is not None
        on = run(whole_clip(models.twin, duration), mixture, blank(models.twin.config.picture), models.options)
        return better_of([on, mono - on], mixture.target.mean(dim=0))
    if way == "against":
        assert models.against is not None
        seen = shelf.frames(row.target, row.target_start_seconds, duration, models.against.config.picture)
        return run(models.against, mixture, seen, models.options)
    if way == "blank":
        return run(models.own, mixture, blank(picture), models.options)
    name, start_seconds = {
        "own": (row.target, row.target_start_seconds),
        "interferer": (row.interferer, row.interferer_start_seconds),
        "third": (row.third, 0.0),
    }[way]
    return run(models.own, mixture, shelf.frames(name, start_seconds, duration, picture), models.options)


def run(model: Separator, mixture: Mixture, frames: Tensor, options: SeparateOptions = DEFAULTS) -> Tensor:
    """The pipeline on a mixture with frames [N, c, c, 3] -> mono mean [n] of the on-screen sound."""
    blocks = separate(model, [mixture.sound], mixture.sample_rate_hz, held(frames), options)
    return torch.cat([block.on for block in blocks], dim=1).mean(dim=0)


def oracle_mask(mixture: Mixture, config: ModelConfig) -> Tensor:
    """The Wiener ratio mask of the true sounds on the pipeline's native STFT, applied to the mixture: mono [n]."""
    stft = Grid(config, mixture.sample_rate_hz).stft
    pad = stft.frame_samples
    length = mixture.target.shape[1]
    sounds = torch.stack([mixture.target.mean(dim=0), mixture.interferer.mean(dim=0)])
    target, interferer = analyse(torch.nn.functional.pad(sounds, (pad, 2 * pad)), stft)
    mask = ratio_mask(decibels(target.abs()), decibels(interferer.abs()))
    return synthesise((target + interferer) * mask, stft)[pad : pad + length]


def whole_clip(model: Separator, duration_seconds: float) -> Separator:
    """The same network with one window over the whole clip, where its length is free.

    An audio-only twin does not know which voice is which, so two windows could hand the voices over; one assignment per clip is
    only fair if the network decides once per clip.
    """
    if model.config.window.fixed:
        return model
    frames = math.ceil(duration_seconds * model.config.picture.frame_rate) + 1
    longer = copy.copy(model)
    longer.config = dataclasses.replace(model.config, window=dataclasses.replace(model.config.window, hop_frames=frames))
    return longer


def fingerprint(model: Separator | Aligner | None) -> str:
    """Twelve hexadecimal digits of a model's configuration and weights."""
    if model is None:
        return "none"
    digest = hashlib.sha256(json.dumps(to_dict(model.config), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:12]


def _ways(row: MixtureRow, rows: Sequence[str], models: Models) -> Iterator[str]:
    for way in ROWS:
        absent = {
            "pit": models.twin is None,
            "against": models.against is None,
            "interferer": not row.interferer_has_picture,
            "third": not row.third,
        }.get(way, False)
        if way in rows and not absent:
            yield way


def _key(row: MixtureRow, way: str, prints: dict[str, str]) -> str:
    """Names an estimate: the whole row, the way, and the weights and options where they matter."""
    weights = "" if way == "mixture" or way in DENOISERS else prints.get(way, prints["own"])
    return key_of(_FIGURES_VERSION, row, "own" if way == "against" else way, weights)


def _record(row: MixtureRow, way: str, estimated: Tensor, mixture: Mixture) -> Record:
    target, interferer = mixture.target.mean(dim=0), mixture.interferer.mean(dim=0)
    figures = dataclasses.asdict(score(estimated, target, interferer))
    figures |= dataclasses.asdict(heard(estimated, target, interferer, mixture.sample_rate_hz))
    return Record(row.kind, way, row.target, row.interferer, row.pair, **figures, level_db=row.level_db, face=row.face)
