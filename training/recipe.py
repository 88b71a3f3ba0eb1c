"""What to train, on what, and how: strict TOML recipes (`training/recipes/`). One may name another as its `base` and say what differs."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from avsep_plugin.config import ModelConfig
from avsep_plugin.errors import ConfigError
from avsep_plugin.plain import from_dict

Loss = Literal["align", "action", "si_sdr", "l1", "compressed"]


@dataclass(frozen=True)
class DataConfig:
    """Which clips make up a batch, and what is done to them."""

    corpora: dict[str, float] = field(default_factory=dict)
    """Share of on-screen clips from each folder that was prepared, by its name; empty = all clips alike."""
    portion: float = 1.0
    """So large a part of the files is used, and a smaller part is taken out of it: for learning curves."""
    window_frames: int = 63
    flip: bool = True
    brightness: float = 0.0
    """Gain 2^u and offset of the picture, u uniform in +-brightness."""
    scattered: float = 0.0
    """In so large a share of the clips the picture is made smaller, by up to a half, and moved to any place, its edges drawn out to
    fill the rest: a network that sees every face in the same place learns the place instead of the face."""
    damage: float = 0.0
    """In so large a share of the windows the picture is soft and grainy, and in as large a share of the mixtures the sound has no treble,
    as poor light, cheap lenses and low bit rates leave them."""
    speed: float = 0.0
    """Picture and sound of a clip are played (1 +- speed) times as fast."""
    shift_seconds: tuple[float, float] = (2.17, 5.87)
    """align: by how much the sound of a negative is shifted inside its clip."""
    negatives: Literal["shift", "other", "both"] = "shift"
    """align: shifted inside the clip, the sound of another clip, or either."""
    silent: float = 0.0
    """align: so large a share of the negatives is silence, which belongs to no picture."""
    mixed: float = 0.0
    """align: in so large a share of the pairs both sounds lie over an off-screen one, drawn from `interferers`, up to `level_db` louder or
    softer than the on-screen one."""
    interferers: dict[str, float] = field(default_factory=lambda: {"same": 1.0})
    """Share of off-screen sounds from the clip's own corpus ("same": another clip, never of the same known person) and
    from others."""
    partners: float = 0.0
    """separate: so large a share of the clips come in pairs from one corpus, the first off-screen sound of each being its partner's: one
    mixture is seen with both pictures (the paper's way, spec 2.2). Every other off-screen sound is drawn from `interferers`."""
    turned: float = 0.0
    """separate: in so large a share of these pairs the partner is the clip itself, turned round in time: picture and sound from the middle
    to the end, then from the beginning, both sounds faded at the seam. Who is seen then tells nothing about which voice to keep, only the
    movement does."""
    alone: float = 0.0
    """separate: in so large a share of the mixtures that are no partners there is no off-screen sound: what is seen is to stay whole."""
    resting: float = 0.0
    """separate: in so large a share of the windows who is seen rests first, for a quarter to three quarters of it: his picture is held and
    he is not heard, whatever else is."""
    backgrounds: dict[str, float] = field(default_factory=dict)
    """separate: share of background sounds from each corpus that may lie under a mixture as a third sound."""
    background: float = 0.0
    """separate: in so large a share of the mixtures a background belongs to the off-screen sound, at a level as that of any interferer."""
    jitter_frames: float = 0.0
    """action: the sound begins up to so many frames early or late."""
    mixtures_per_clip: int = 1
    level_db: float = 0.0
    """The off-screen sound is louder or softer than the on-screen one by up to this much."""


@dataclass(frozen=True)
class OptimizerConfig:
    """Steps and step sizes; the defaults are those of the paper's separator (spec 2.6)."""

    kind: Literal["sgd", "adam"] = "adam"
    learning_rate: float = 1e-4
    schedule: Literal["constant", "step", "cosine"] = "step"
    """step: a tenth after every `step_size`; cosine: down to nothing at the last step."""
    step_size: int = 120_000
    warmup_steps: int = 0
    steps: int = 160_000
    batch_clips: int = 6
    clip_norm: float = 10.0
    l2: float = 1e-5
    """On convolution and matrix weights, not on biases and batch norm; of a separator only on its mask network's."""


@dataclass(frozen=True)
class LossWeights:
    """Parts of the paper's L1 loss (spec 2.5)."""

    phase: float = 0.01
    """Of the phase, beside the level's 1."""
    pit: float = 0.0
    """Of the same loss in the better of both orders, beside that in the given order. Without a picture no order is given, and the better
    one alone counts."""


@dataclass(frozen=True)
class Recipe:
    """A whole training run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: Loss = "l1"
    """align, action: cross-entropy; separate: the paper's L1 on spectrograms; for mask heads also the negative SI-SDR of the masked
    mixture, or the squared distance of spectra compressed by a power law."""
    loss_weights: LossWeights = field(default_factory=LossWeights)
    start: Literal["any", "weights", "nothing"] = "any"
    """What a run must start from; a recipe that fine-tunes is no use without weights, an ablation from scratch none with them."""
    seed: int = 0
    fresh: tuple[str, ...] = ()
    """Patterns of the tensors that are not taken over from the weights a run starts from, for example "fused.im.conv5_*"."""

    def check_start(self, weights: Sequence[Path]) -> None:
        """Raises ConfigError where a run starts from what the recipe rules out."""
        if not weights and self.start == "weights":
            raise ConfigError(f"'{self.model.name}' goes on from trained weights; name them (--from).")
        if weights and self.start == "nothing":
            raise ConfigError(f"'{self.model.name}' is trained from scratch; leave out the weights to start from (--from).")


RECIPES = Path(__file__).parent / "recipes"
_SHARES = ("corpora", "interferers", "backgrounds")
_TASKS: dict[Loss, str] = {"align": "align", "action": "action", "si_sdr": "separate", "l1": "separate", "compressed": "separate"}


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(name_or_path: str, steps: int | None = None) -> Recipe:
    """A recipe by name or by the path of a TOML file; `steps` overrides its number of steps.

    Raises ConfigError where there is none of that name or a key or value is wrong.
    """
    path = RECIPES / f"{name_or_path}.toml" if name_or_path in recipe_names() else Path(name_or_path)
    if not path.is_file():
        raise ConfigError(f"No recipe '{name_or_path}'; there are {', '.join(recipe_names())}, or give the path of a TOML file.")
    recipe = from_dict(Recipe, _read(path))
    if recipe.model.task != _TASKS[recipe.loss]:
        raise ConfigError(f"{path}: loss '{recipe.loss}' does not go with task '{recipe.model.task}'.")
    return recipe if steps is None else replace(recipe, optimizer=replace(recipe.optimizer, steps=steps))


def _read(path: Path) -> dict[str, Any]:
    """The values of a recipe, laid over those of the recipe that it names as its `base`."""
    try:
        values = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} is not TOML: {exc}") from exc
    base = values.pop("base", None)
    if base is None:
        return values
    if base not in recipe_names():
        raise ConfigError(f"{path}: no recipe '{base}' to start from; there are {', '.join(recipe_names())}.")
    return _laid_over(_read(RECIPES / f"{base}.toml"), values)


def _laid_over(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Tables are joined key by key; shares of corpora are replaced as a whole."""
    joined = dict(base)
    for key, value in values.items():
        whole = key in _SHARES or not isinstance(value, dict) or not isinstance(base.get(key), dict)
        joined[key] = value if whole else _laid_over(base[key], value)
    return joined
