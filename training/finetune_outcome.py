"""What a fine-tuning is told, and what it found."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avsep_plugin.models import store

from .finetune_check import Checked
from .finetune_measure import Figures
from .finetune_training import Pace
from .finetune_verdict import Verdict, interval
from .takes import Takes


@dataclass(frozen=True)
class FinetuneOptions:
    """What is tuned, on what, and how long."""

    base: str = store.BUNDLED
    """The model to go on from: a known name or a path."""
    aligner: str | None = None
    """What judges whether sound and picture belong together; None: the one that goes with the base."""
    recording_pattern: str = ""
    speaker_pattern: str = ""
    test_share: float = 0.3
    noise: Path | None = None
    """A folder with the studio's own noises; None: rendered ones."""
    minutes: float = 45.0
    """For the whole run; training gets what the other stages leave of it, five minutes at least."""
    footage_minutes: float = 30.0
    """No more than that is decoded for each of tuning and test; long files give their beginning."""
    drop_below: float = 0.25
    """Pieces with a lower probability that sound and picture belong together are left out; 0 asks nothing."""
    device: str = "auto"


@dataclass(frozen=True)
class Machine:
    """Where a run took its time."""

    device: str
    threads: int
    cores: int


@dataclass(frozen=True)
class Outcome:
    """All that a run found; `model` is None where it was refused."""

    name: str
    base: str
    model: Path | None
    card: Path
    takes: Takes
    skipped: dict[str, str]
    """Files of which nothing could be used, and why."""
    checked: dict[str, Checked]
    """For "tune" and for "test"."""
    pace: Pace
    before: list[Figures]
    after: list[Figures]
    verdict: Verdict
    seconds: dict[str, float]
    """By stage, of this call: what an earlier one had done costs nothing."""
    machine: Machine

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.verdict.accepted:
            gain = interval(self.verdict.gain)
            return f"{self.name} is better than what it began with on held-out takes, {gain}, and goes by the picture no less."
        return f"{self.name} is refused: " + "; ".join(self.verdict.reasons) + "."

    def as_dict(self) -> dict[str, Any]:
        """For JSON: plain values, figures mixture by mixture."""
        values = asdict(self)
        return values | {"model": None if self.model is None else str(self.model), "card": str(self.card), "sentence": self.sentence}
