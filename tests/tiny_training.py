"""A network that trains in a blink, and shards to train it on."""

import dataclasses
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, SeparatorConfig, StftConfig, WindowConfig
from avsep_plugin.errors import DataError
from avsep_plugin.models import checkpoint
from avsep_plugin.training import processes
from avsep_plugin.training.recipe import DataConfig, OptimizerConfig, Recipe
from avsep_plugin.training.shards import Segment, StoreConfig, manifest_line, write_shard, write_store

TINY = ModelConfig(
    name="tiny",
    sample_rate_hz=8000,
    input_rms=0.1,
    picture=PictureConfig(frame_rate=Fraction(25), stored_size=20, crop_size=16, channels=1),
    stft=StftConfig(128, 64, 128),
    fused=FusedConfig((4, 4, 4, 4), (4, 4, 2, 2, 2), (9, 5), 8, 4, (3, 3, 3), (2, 1), 8, (8, 8, 8), (1, 1), 2, True, 0.05),
    separator=SeparatorConfig("recurrent", "mask", 8, 1, True, "mean"),
    window=WindowConfig(10, 2, False),
)


def write_shards(folder: Path, seed: int = 0) -> Path:
    """Shards of four clips of random numbers and a hum."""
    folder.mkdir()
    write_store(folder, StoreConfig(8000, TINY.picture))
    random = np.random.default_rng(seed)
    arrays = []
    for number in range(4):
        arrays.append((f"talk/{number}#0.audio", random.integers(-9000, 9000, (2, 9600), dtype=np.int16)))
        arrays.append((f"talk/{number}#0.frames", random.integers(0, 255, (30, 20, 20, 1), dtype=np.uint8)))
    hum = 9000 * np.sin(2 * np.pi * 200 * np.arange(9600) / 8000)
    arrays.append(("hum/0#0.audio", np.stack([hum, hum]).astype(np.int16)))
    places = write_shard(folder / "00000.tar", arrays)
    segments = [
        Segment(f"talk/{n}#0", "talk", f"talk/{n}", "", "00000.tar", places[f"talk/{n}#0.audio"], places[f"talk/{n}#0.frames"])
        for n in range(4)
    ]
    segments.append(Segment("hum/0#0", "hum", "hum/0", "", "00000.tar", places["hum/0#0.audio"], None))
    (folder / "manifest.jsonl").write_text("".join(manifest_line(s.source, [s]) for s in segments))
    return folder


def recipe(steps: int = 6, task: str = "separate") -> Recipe:
    """A recipe of so many steps of two clips."""
    data = DataConfig(window_frames=15, shift_seconds=(0.2, 0.5), negatives="both", mixtures_per_clip=2, level_db=3.0, speed=0.05)
    optimizer = OptimizerConfig("adam", 1e-3, "cosine", warmup_steps=2, steps=steps, batch_clips=2)
    model = dataclasses.replace(TINY, task=task)
    return Recipe(model, data, optimizer, "align" if task == "align" else "si_sdr", seed=3)


def weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint."""
    return checkpoint.read(path)[1]


def fail_in_the_second(_job: object, _tell: object) -> None:
    """While the first one waits for the second."""
    with processes.others_there():
        processes.fabric("cpu", "32-true")
        if processes.place().rank == 1:
            raise DataError("rank 1 has no data")
        torch.distributed.all_reduce(torch.zeros(1))


def die_in_the_second(_job: object, _tell: object) -> None:
    """The same, with no word."""
    with processes.others_there():
        processes.fabric("cpu", "32-true")
        if processes.place().rank == 1:
            os.kill(os.getpid(), 9)
        torch.distributed.all_reduce(torch.zeros(1))
