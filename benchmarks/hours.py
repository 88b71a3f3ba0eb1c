"""What the paper's recipes cost on a GPU that is not here: `python -m benchmarks.hours [RECIPE ...]` prints the table of docs/recipes.md.

Nothing is computed: on torch's meta device a step at full width only says which operations it would do. Two times come of it,

    arithmetic   floating-point operations of the convolutions and matrix products, forwards and backwards (torch's flop counter)
    memory       bytes that all operations read and write, each tensor once for each operation

each over the share of the card's peak that is assumed to be reached, and a step takes about their sum, because a large convolution waits
for the one and everything between for the other. What the loader, the network between machines and the optimiser's own pass take is left
out. It is an estimate; no step was timed.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from avsep_plugin.models import checkpoint
from avsep_plugin.training.dataset import ActionBatch, AlignBatch, Batch, MixBatch
from avsep_plugin.training.losses import Objective
from avsep_plugin.training.recipe import Recipe, load_recipe, recipe_names

_UCF_CLASSES = 101


@dataclass(frozen=True)
class Card:
    """Peaks of one GPU by its maker's data sheet."""

    name: str
    precision: str
    flops: float
    """A second, dense."""
    bytes_per_second: float
    bytes_per_number: int


@dataclass(frozen=True)
class Reach:
    """Shares of a card's peaks that are assumed to be reached."""

    arithmetic: float
    memory: float


HOPEFUL, CAUTIOUS = Reach(0.4, 0.8), Reach(0.1, 0.5)
CARDS = (
    Card("H100 SXM", "bf16", 989e12, 3.35e12, 2),
    Card("H100 SXM", "TF32", 494e12, 3.35e12, 4),
)


@dataclass(frozen=True)
class Cost:
    """One step of a recipe, all of its clips together."""

    flops: float
    numbers: float
    """Read and written."""

    def seconds(self, card: Card, reach: Reach) -> float:
        """On one GPU."""
        arithmetic = self.flops / (reach.arithmetic * card.flops)
        return arithmetic + self.numbers * card.bytes_per_number / (reach.memory * card.bytes_per_second)


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class says no types
    """Counts the numbers that operations read and write; views of a tensor move nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it moves."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view and func is not torch.ops.aten._unsafe_view.default:
            self.numbers += sum(leaf.numel() for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor))
        return result


def cost(recipe: Recipe) -> Cost:
    """Count one step. A batch of 1 and one of 2 are run: what both share (the weights) does not grow with the batch."""
    one, two = (_count(recipe, clips) for clips in (1, 2))
    more = recipe.optimizer.batch_clips - 1
    return Cost(one.flops + more * (two.flops - one.flops), one.numbers + more * (two.numbers - one.numbers))


def _count(recipe: Recipe, clips: int) -> Cost:
    if recipe.model.task == "action" and not recipe.model.classes:
        recipe = replace(recipe, model=replace(recipe.model, classes=tuple(str(n) for n in range(_UCF_CLASSES))))
    with torch.device("meta"):
        objective = Objective(checkpoint.build(recipe.model), recipe.loss, recipe.loss_weights).train()
        batch = _batch(recipe, clips)
    with FlopCounterMode(display=False) as counter, Traffic() as traffic:
        objective(batch)[0].backward()
    return Cost(counter.get_total_flops(), traffic.numbers)


def _batch(recipe: Recipe, clips: int) -> Batch:
    size, frames = recipe.model.picture.crop_size, recipe.data.window_frames
    pictures = torch.empty(clips, frames, size, size, recipe.model.picture.channels, dtype=torch.uint8)
    sound = torch.empty(clips, 2, recipe.model.window_samples(frames))
    if recipe.loss == "align":
        return AlignBatch(pictures, sound, sound)
    if recipe.loss == "action":
        return ActionBatch(pictures, sound, torch.empty(clips, dtype=torch.int64))
    return MixBatch(pictures, sound, sound[:, None].expand(-1, recipe.data.mixtures_per_clip, -1, -1))


def rows(names: list[str]) -> Iterator[str]:
    """Lines of the table."""
    columns = " | ".join(f"{card.name} hours, {card.precision}" for card in CARDS)
    yield f"| recipe | steps | clips a step | TFLOP a step | GB a step, bf16 | EFLOP in all | {columns} | pictures read, GB/s |"
    yield "|---" * (7 + len(CARDS)) + "|"
    for name in names:
        recipe = load_recipe(name)
        step, steps = cost(recipe), recipe.optimizer.steps
        hours = [[step.seconds(card, reach) * steps / 3600 for reach in (HOPEFUL, CAUTIOUS)] for card in CARDS]
        columns = " | ".join(f"{low:.1f} to {high:.0f}" for low, high in hours)
        figures = f"{step.flops / 1e12:.1f} | {step.numbers * 2 / 1e9:.0f} | {step.flops * steps / 1e18:.2f}"
        read = picture_bytes(recipe) / step.seconds(CARDS[0], HOPEFUL) / 1e9
        yield f"| {name} | {steps} | {recipe.optimizer.batch_clips} | {figures} | {columns} | {read:.1f} |"


def picture_bytes(recipe: Recipe) -> int:
    """Of the stored pictures of one step."""
    picture = recipe.model.picture
    if recipe.model.task == "separate" and not recipe.model.separator.with_video:
        return 0
    return int(recipe.optimizer.batch_clips * recipe.data.window_frames * picture.stored_size**2 * picture.channels)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all of the paper's")
    names = parser.parse_args().recipes or [name for name in recipe_names() if name.startswith("paper-")]
    for line in rows(names):
        print(line, flush=True)


if __name__ == "__main__":
    main()
