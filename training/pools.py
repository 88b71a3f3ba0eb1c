"""What a recipe draws from: the clips and sounds of every corpus, those of them that can be on screen, and how one of them is picked."""

import hashlib
from collections import defaultdict
from typing import Any

import numpy as np

from avsep_plugin.config import ModelConfig
from avsep_plugin.errors import DataError

from .recipe import Recipe
from .shards import Segment, Shards
from .windows import Random

_TRIES = 8


class Pools:
    """The segments of one or more folders of shards, which must be stored alike.

    corpora: all of them by corpus; seen: those with a picture, or for a network that sees nothing all of the corpora that its recipe names.
    homes: the folder in which a segment is, by its key. Raises DataError where a corpus that the recipe names is not there, or nothing has
    a picture.
    """

    def __init__(self, shards: list[Shards], recipe: Recipe) -> None:
        data = recipe.data
        self.homes: dict[str, Shards] = {}
        self.corpora: dict[str, list[Segment]] = defaultdict(list)
        for home in shards:
            check_store(home, recipe.model)
            for segment in home.segments:
                if _place(segment) < data.portion:
                    self.homes[segment.key] = home
                    self.corpora[segment.corpus].append(segment)
        any_sound = bool(data.corpora) and not recipe.model.sees
        self.seen = {name: [s for s in segments if any_sound or s.frames is not None] for name, segments in self.corpora.items()}
        self._clip_shares = _shares(data.corpora or {n: float(len(s)) for n, s in self.seen.items() if s}, self.seen, "pictures")
        others = {name: share for name, share in data.interferers.items() if name != "same"}
        _shares(others, self.corpora, "sounds")
        _shares(data.backgrounds, self.corpora, "backgrounds")

    def clips(self, random: Random) -> list[Segment]:
        """Those with a picture of a corpus, drawn by the recipe's shares."""
        return self.seen[drawn(random, self._clip_shares)]


def _place(segment: Segment) -> float:
    """Where the hash of a segment's file lies in [0, 1): a portion takes what lies below it."""
    return int.from_bytes(hashlib.sha256(segment.source.encode()).digest()[:4], "big") / 2**32


def pick(random: Random, pool: list[Segment], unlike: Segment | None = None) -> Segment:
    """A clip, where `unlike` is given one of another recording and another known speaker; DataError where there is none."""
    if unlike is None:
        return pool[int(random.integers(len(pool)))]
    for _ in range(_TRIES):
        clip = pool[int(random.integers(len(pool)))]
        if _differ(clip, unlike):
            return clip
    others = [clip for clip in pool if _differ(clip, unlike)]
    if not others:
        raise DataError(f"Corpus '{pool[0].corpus}' has nothing to mix with {unlike.source}: every clip of it is of the same speaker.")
    return others[int(random.integers(len(others)))]


def drawn(random: Random, shares: dict[str, float]) -> str:
    """One of the names, by their shares."""
    names = list(shares)
    weights = np.array([shares[name] for name in names])
    return names[int(random.choice(len(names), p=weights / weights.sum()))]


def check_store(home: Shards, model: ModelConfig) -> None:
    """Raises DataError for shards that were prepared for another model."""
    store = home.store
    if (store.sample_rate_hz, store.picture) != (model.sample_rate_hz, model.picture):
        raise DataError(f"{home.folder} was prepared for other rates or picture sizes than model '{model.name}' has; prepare it again.")


def _shares(shares: dict[str, float], pools: dict[str, Any], what: str) -> dict[str, float]:
    for name in shares:
        if not pools.get(name):
            raise DataError(f"The recipe draws {what} from corpus '{name}', of which the shards have none; they have {', '.join(pools)}.")
    return shares


def _differ(clip: Segment, other: Segment) -> bool:
    return clip.source != other.source and (not clip.speaker or clip.speaker != other.speaker)
