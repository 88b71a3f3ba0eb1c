"""What a run of training is asked for: the recipe, the data, where it goes and on what it is computed."""

from dataclasses import dataclass
from pathlib import Path

import torch

from avsep_plugin.errors import ConfigError

from .processes import Precision, place
from .recipe import Recipe

SAVE_EVERY = 200


@dataclass(frozen=True)
class Job:
    """One run; what of it changes the weights is kept in the run's folder (run_folder.py)."""

    recipe: Recipe
    shards: tuple[Path, ...]
    output: Path
    start_from: tuple[Path, ...] = ()
    """Weights whose tensors of the same name and shape are taken over; of two that have one, the later."""
    validation: tuple[Path, ...] = ()
    device: str = "auto"
    devices: int | None = None
    """So many processes on this machine, each with a device of its own; None: what the environment says, else one."""
    precision: Precision = "32-true"
    micro_batches: int = 1
    """A batch goes through the network in so many parts, whose gradients add up. Each part has batch statistics of its own."""
    workers: int | None = None
    """Processes that draw batches, for each device; 0 = a thread; None: as many as are of use."""
    stop_after: int | None = None
    save_every: int = SAVE_EVERY
    """After so many steps the state is saved, from which a run that was killed goes on."""
    command: tuple[str, ...] = ()
    """What was typed."""

    @property
    def processes(self) -> int:
        """Processes of the whole run, on all machines."""
        return max(self.devices or 1, place().world)

    @property
    def last_step(self) -> int:
        """The step at which this run is left."""
        steps = self.recipe.optimizer.steps
        return steps if self.stop_after is None else min(self.stop_after, steps)

    def check(self) -> None:
        """Raises ConfigError where the batch does not divide, or the devices are named twice or not there."""
        if self.devices is not None and self.devices > 1 and place().world > 1:
            raise ConfigError(f"torchrun has started {place().world} processes of this run already; leave out --devices.")
        if self.devices is not None and self.devices > 1 and ":" in self.device:
            raise ConfigError(f"{self.devices} processes cannot share {self.device}; name no single one.")
        if self.device.startswith("cuda") and (self.devices or 1) > torch.cuda.device_count():
            raise ConfigError(f"{self.devices or 1} CUDA devices are wanted, {torch.cuda.device_count()} are here.")
        clips, parts = self.recipe.optimizer.batch_clips, self.processes * self.micro_batches
        if clips % parts:
            raise ConfigError(
                f"{clips} clips a step cannot be shared out equally to {self.processes} processes x {self.micro_batches} micro-batches; "
                "set batch_clips in [optimizer] of the recipe."
            )
