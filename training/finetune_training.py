"""The training run inside a fine-tuning: how many steps the time allows, and the run itself, from which a stopped one goes on."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from avsep_plugin.atomic import atomic
from avsep_plugin.config import ModelConfig
from avsep_plugin.errors import ConfigError

from .finetune_prepare import NOISE
from .recipe import Recipe, load_recipe
from .shards import Shards
from .trainer import LOG_EVERY, train

RECIPE = "studio-separate"
LEARNING_RATE = 3e-4
"""A third of what the bundled model was trained with at its best: high enough for a gain within minutes, low enough to forget little."""
BATCH_CLIPS = 6
"""Half of what the recipe takes: with little time, twice as many steps are worth more than steadier ones."""
FEWEST_STEPS = 20
_SAVE_EVERY = 50
"""So many may be lost when a run is killed."""
_EPOCHS = 400
"""How often a second of the footage is seen at most; more time than that buys nothing but memory of the clips."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Pace:
    """What a step takes here, and how many were planned with it."""

    seconds_per_step: float
    steps: int


def tuning_recipe(base: ModelConfig, name: str) -> Recipe:
    """The recipe that goes on from a model: the studio's footage against itself and against noise. Raises ConfigError.

    Only its number of steps is left open.
    """
    if base.separator.head != "mask" or base.window.fixed or not base.separator.with_video:
        raise ConfigError(
            f"Model '{base.name}' cannot be tuned here: it takes one that sees, and makes masks of windows of any length, as mini does."
        )
    recipe = load_recipe(RECIPE)
    data = replace(recipe.data, corpora={}, interferers={"same": 0.5, NOISE: 0.5})
    optimizer = replace(recipe.optimizer, learning_rate=LEARNING_RATE, warmup_steps=20, batch_clips=BATCH_CLIPS)
    return replace(recipe, model=replace(base, name=name), data=data, optimizer=optimizer)


def plan(recipe: Recipe, shards: Path, start_from: Path, run: Path, seconds: float, device: str, progress: Progress) -> Pace:
    """How many steps fill so many seconds, found out with a few steps that are thrown away; what was found once in `run` is kept."""
    path = run / "pace.json"
    if path.is_file():
        return Pace(**json.loads(path.read_text()))
    run.mkdir(parents=True, exist_ok=True)
    seconds_per_step = _timed(recipe, shards, start_from, run / "pace", device, progress)
    pace = Pace(seconds_per_step, max(FEWEST_STEPS, min(int(seconds / seconds_per_step), most_steps(recipe, shards))))
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(vars(pace)))
    return pace


def most_steps(recipe: Recipe, shards: Path) -> int:
    """The number of steps after which every second of the footage was seen `_EPOCHS` times."""
    home = Shards(shards)
    seconds = sum(segment.audio.shape[1] for segment in home.segments if segment.frames is not None) / home.store.sample_rate_hz
    seen = recipe.optimizer.batch_clips * recipe.data.window_frames / float(home.store.picture.frame_rate)
    return max(FEWEST_STEPS, int(_EPOCHS * seconds / seen))


def _timed(recipe: Recipe, shards: Path, start_from: Path, run: Path, device: str, progress: Progress) -> float:
    """Seconds for a step; the first ones, which warm up, do not count."""
    times: list[float] = []

    def told(step: int, _steps: int, _figures: dict[str, float]) -> None:
        times.append(time.monotonic())
        progress(step, 2 * LOG_EVERY)

    short = replace(recipe, optimizer=replace(recipe.optimizer, steps=2 * LOG_EVERY))
    train(short, [shards], run, start_from=[start_from], device=device, progress=told)
    if len(times) < 2:  # a stopped run had only its end left
        return _timed(recipe, shards, start_from, run.with_name(f"{run.name}_again"), device, progress)
    return (times[-1] - times[0]) / (LOG_EVERY * (len(times) - 1))


def tune(recipe: Recipe, pace: Pace, shards: Path, start_from: Path, run: Path, device: str, progress: Progress) -> Path:
    """Train for the planned steps -> the finished weights. Goes on where a stopped run was saved last."""
    whole = replace(recipe, optimizer=replace(recipe.optimizer, steps=pace.steps))
    done = run / "model.safetensors"
    if not done.is_file():
        train(
            whole, [shards], run, start_from=[start_from], device=device, save_every=_SAVE_EVERY,
            progress=lambda step, steps, _figures: progress(step, steps),
        )  # fmt: skip
    progress(pace.steps, pace.steps)
    return done
