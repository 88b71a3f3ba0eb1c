"""Does the loader keep the step busy? Clips a second that it draws, that a training step takes, and that plain ffmpeg would decode.

`python -m benchmarks.loader` prints a table; the shards are of random numbers of the right shapes, for which nothing here is any faster.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from avsep_plugin.media.ffmpeg import find_ffmpeg
from avsep_plugin.models import checkpoint
from avsep_plugin.training.dataset import Batch, Batches
from avsep_plugin.training.loader import Share, drawn_ahead
from avsep_plugin.training.losses import Objective
from avsep_plugin.training.optimizing import make_optimizer
from avsep_plugin.training.recipe import Recipe, load_recipe
from avsep_plugin.training.shards import Piece, Shards, ShardWriter, StoreConfig, write_store

from .footage import make_clip
from .machine import best_seconds

PIECE_SECONDS = 10
WARM = 3


@dataclass(frozen=True)
class Row:
    """A recipe, and clips a second: drawn on a thread, by workers, trained on (0 where that was not measured), decoded by ffmpeg."""

    recipe: str
    thread: float
    workers: dict[int, float]
    step: float
    ffmpeg: float


def make_shards(folder: Path, recipe: Recipe, pieces: int) -> Shards:
    """Pieces of 10 s of every corpus that the recipe draws from."""
    store, random = StoreConfig(recipe.model.sample_rate_hz, recipe.model.picture), np.random.default_rng(0)
    folder.mkdir()
    write_store(folder, store)
    corpora = sorted({*recipe.data.corpora, *recipe.data.interferers} - {"same"}) or ["footage"]
    picture = store.picture
    shape = (int(PIECE_SECONDS * picture.frame_rate), picture.stored_size, picture.stored_size, picture.channels)

    def piece() -> Piece:
        sound = random.integers(-9000, 9000, (2, PIECE_SECONDS * store.sample_rate_hz), dtype=np.int16)
        return sound, random.integers(0, 255, shape, dtype=np.uint8)

    with ShardWriter(folder) as writer:
        for corpus in corpora:
            for number in range(max(2, pieces // len(corpora))):
                writer.add(f"{corpus}/{number}", corpus, "", [piece()])
    return Shards(folder)


def drawn(share: Share, workers: int, batches: int) -> float:
    """Clips a second that come out of the loader while nothing else is done."""
    ahead = drawn_ahead(share, range(WARM + batches), workers, pin=False)
    _all(islice(ahead, WARM))
    start = time.perf_counter()
    _all(ahead)
    return float(batches * share.size / (time.perf_counter() - start))


def trained(share: Share, recipe: Recipe) -> float:
    """Clips a second of a training step on a batch that is there."""
    torch.manual_seed(0)
    model = checkpoint.build(recipe.model)
    objective, optimizer = Objective(model, recipe.loss, recipe.loss_weights).train(), make_optimizer(model, recipe.optimizer)
    batch = share.draw(0)

    def step() -> None:
        optimizer.zero_grad()
        objective(batch)[0].backward()
        optimizer.step()

    return float(share.size / best_seconds(step))


def decoded(folder: Path, recipe: Recipe) -> float:
    """Windows a second that one ffmpeg after another seeks, decodes and scales out of a 640x360 clip: two sounds and a picture for each."""
    clip, size = make_clip(folder, 60), recipe.model.picture.stored_size
    seconds = recipe.data.window_frames / float(recipe.model.picture.frame_rate)

    def window() -> None:
        for number, wanted in enumerate((["-vf", f"scale={size}:{size}", "-f", "rawvideo"], ["-vn", "-f", "s16le"])):
            words = ["-v", "error", "-ss", str(17 + 13 * number), "-t", f"{seconds:.3f}", "-i", str(clip), *wanted, "-"]
            subprocess.run([find_ffmpeg(), *words], check=True, capture_output=True)

    return 1 / best_seconds(window)


def measure(name: str, pieces: int, batches: int, *, step: bool = True) -> Row:
    """All figures of a recipe."""
    recipe = load_recipe(name)
    with tempfile.TemporaryDirectory() as folder:
        share = Share(Batches([make_shards(Path(folder) / "shards", recipe, pieces)], recipe), recipe.optimizer.batch_clips)
        workers = {count: drawn(share, count, batches) for count in (1, 2)}
        trains = trained(share, recipe) if step else 0.0
        return Row(name, drawn(share, 0, batches), workers, trains, decoded(Path(folder), recipe))


def _all(batches: Iterator[tuple[int, Batch]]) -> None:
    for _ in batches:
        pass


def main() -> None:
    """Measure and print Markdown."""
    print("| recipe | thread | 1 worker | 2 workers | training step | plain ffmpeg |\n|---|---|---|---|---|---|")
    for name, pieces, batches, step in (("mini-separate", 60, 40, True), ("mini-scatter", 60, 40, True), ("paper-full", 12, 12, False)):
        row = measure(name, pieces, batches, step=step)
        trains = f"{row.step:.1f}" if step else ""
        print(f"| {name} | {row.thread:.1f} | {row.workers[1]:.1f} | {row.workers[2]:.1f} | {trains} | {row.ffmpeg:.1f} |", flush=True)


if __name__ == "__main__":
    main()
