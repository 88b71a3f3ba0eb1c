"""Who may appear where: the split of looks and voices, and random generators that can never cross it.

An identity is a number. It decides how a face looks, how its voice sounds and what an object is made of. Training draws from
TRAIN_IDENTITIES only; tests, the demo and evaluation draw from TEST_IDENTITIES only. The split is also part of the key of every scene's
random generator, so a scene of one split shares neither person nor course of events with any scene of the other.
"""

from typing import Literal

import numpy as np

from avsep_plugin.errors import ConfigError

Split = Literal["train", "test"]

TRAIN_IDENTITIES = range(1000)
TEST_IDENTITIES = range(1000, 2000)


def identities(split: Split) -> range:
    """All identities of a split. Raises ConfigError for an unknown split."""
    if split == "train":
        return TRAIN_IDENTITIES
    if split == "test":
        return TEST_IDENTITIES
    raise ConfigError(f"The split must be 'train' or 'test', got {split!r}.")


def check_identity(identity: int, split: Split) -> None:
    """Raise ConfigError unless the identity belongs to the split."""
    allowed = identities(split)
    if identity not in allowed:
        raise ConfigError(
            f"Identity {identity} is not of the {split} split; its identities run from {allowed.start} to {allowed.stop - 1}."
        )


def generator(purpose: str, *numbers: int) -> np.random.Generator:
    """A random generator that depends on nothing but its arguments; other purposes or numbers give independent streams.

    Every number must be 0 or more.
    """
    return np.random.default_rng([*purpose.encode("ascii"), 0, *numbers])


def scene_generator(purpose: str, split: Split, seed: int, *numbers: int) -> np.random.Generator:
    """The generator of one part of one scene; scenes of the two splits never share one."""
    return generator(purpose, identities(split).start, seed, *numbers)
