"""Is the tuned model better on held-out takes, and does it still go by the picture? Otherwise it is not handed over.

A mixture is made of two recordings, and every recording is in several mixtures, as target and as the other sound: mixtures are not
independent, recordings are. The bootstrap therefore draws recordings (and noises), k out of k with replacement, and a mixture counts as
often as both of its recordings were drawn together:

    drawn    A A C D          mixture A over C    2 * 1 times
                              mixture B over D    0 * 1
                              mixture D over A    1 * 2

(the pigeonhole bootstrap, Owen 2007, for pairs; it errs on the wide side). With few recordings percentile intervals are too narrow: the
quantiles are moved outwards as Hesterberg (2015, The American Statistician 69) does it, to those at which a normal interval would be
Student's: alpha' = Phi(-sqrt(k / (k - 1)) t(1 - alpha / 2; k - 1)).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from .finetune_measure import Figures
from .finetune_mixtures import HeldOut, Kind
from .metrics import Mean

_RESAMPLES = 10_000
_LEVEL = 0.95


def recording_mean(values: Sequence[float], mixtures: Sequence[HeldOut], seed: int = 0) -> Mean:
    """The mean of one value for each mixture, with its 95 % interval over recordings; the same seed gives the same interval.

    Raises ValueError for no values, or for targets of a single recording.
    """
    targets = sorted({mixture.target_recording for mixture in mixtures})
    if not values or len(values) != len(mixtures) or len(targets) < 2:
        raise ValueError(f"need one value for each mixture and two recordings, got {len(values)}, {len(mixtures)} and {len(targets)}")
    rng = np.random.default_rng(seed)
    people = sorted({name for m in mixtures for name in ([m.target_recording] + [m.other_recording] * (m.kind == "voices"))})
    noises = sorted({m.other_recording for m in mixtures if m.kind == "noise"})
    drawn = {("voices", name): times for name, times in zip(people, _draw(rng, len(people)), strict=True)}
    drawn |= {("noise", name): times for name, times in zip(noises, _draw(rng, len(noises)), strict=True)}
    weights = np.stack([drawn["voices", m.target_recording] * drawn[m.kind, m.other_recording] for m in mixtures], axis=1)
    weights = weights[weights.sum(axis=1) > 0]
    means = weights @ np.asarray(values, np.float64) / weights.sum(axis=1)
    tail = _tail(len(targets))
    low, high = np.quantile(means, [tail, 1 - tail])
    return Mean(float(np.mean(np.asarray(values, np.float64))), float(low), float(high), len(values))


def _draw(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """[count, resamples]: how often each of `count` is drawn."""
    return rng.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES).T if count else np.empty((0, _RESAMPLES), np.int64)


def _tail(count: int) -> float:
    """The share of resamples beyond either end of the interval."""
    return float(norm.cdf(-np.sqrt(count / (count - 1)) * t.ppf((1 + _LEVEL) / 2, count - 1)))


@dataclass(frozen=True)
class Verdict:
    """Paired differences after minus before, in dB."""

    gain: Mean
    """SI-SDR with the right picture, over all mixtures."""
    gains: dict[Kind, Mean]
    """The same by kind."""
    gap_change: Mean
    """What the right picture is worth above the wrong one."""
    reasons: tuple[str, ...]
    """Why the model is refused; empty where it is handed over."""

    @property
    def accepted(self) -> bool:
        """Whether the model is handed over."""
        return not self.reasons


def judge(before: Sequence[Figures], after: Sequence[Figures]) -> Verdict:
    """Compare two measurements of the same mixtures."""
    pairs = list(zip(before, after, strict=True))
    mixtures = [old.mixture for old, _ in pairs]
    changes = [new.own.target_db - old.own.target_db for old, new in pairs]
    gain = recording_mean(changes, mixtures)
    kinds: list[Kind] = list(dict.fromkeys(mixture.kind for mixture in mixtures))
    gains = {kind: recording_mean(*_of(kind, changes, mixtures)) for kind in kinds}
    gap_change = recording_mean([new.gap_db - old.gap_db for old, new in pairs], mixtures)
    return Verdict(gain, gains, gap_change, tuple(_reasons(gain, gains, gap_change)))


def _of(kind: Kind, values: Sequence[float], mixtures: Sequence[HeldOut]) -> tuple[list[float], list[HeldOut]]:
    chosen = [(value, mixture) for value, mixture in zip(values, mixtures, strict=True) if mixture.kind == kind]
    return [value for value, _ in chosen], [mixture for _, mixture in chosen]


def _reasons(gain: Mean, gains: dict[Kind, Mean], gap_change: Mean) -> list[str]:
    reasons = []
    if gain.low <= 0:
        reasons.append(f"its gain on held-out takes, {interval(gain)}, is not surely above 0")
    if gap_change.value < 0:
        reasons.append(f"the right picture is worth less above a wrong one than before, {interval(gap_change)}")
    reasons += [f"it is worse against {kind}, {interval(mean)}" for kind, mean in gains.items() if mean.high < 0]
    return reasons


def interval(mean: Mean) -> str:
    """A mean with its interval, in dB."""
    return f"{mean.value:+.2f} dB [{mean.low:+.2f}, {mean.high:+.2f}]"
