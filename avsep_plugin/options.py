"""How a clip is separated and what is written of it: plain values that can be sent to another process. Imports no torch."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, get_args

from avsep_plugin.confidence_file import ConfidenceFormat
from avsep_plugin.errors import ConfigError
from avsep_plugin.finish_steps import FinishStep
from avsep_plugin.media.containers import Container
from avsep_plugin.part import Wanted
from avsep_plugin.preset import BitDepth, Delivery, FileFormat, Highs, Reconstruction

if TYPE_CHECKING:
    from avsep_plugin.pipeline import SeparateOptions


@dataclass(frozen=True)
class SeparateFileOptions:
    """How to separate a clip and what to write. Raises ConfigError for values that do not go together."""

    bit_depth: BitDepth = "source"
    """Of the stems; "source": as in the clip, 24 where it is lossy; with reconstruction "original" 32f, because its two sounds may
    add up to more than full scale, and integer stems are limited where they do."""
    file_format: FileFormat = "wav"
    highs: Highs = "follow"
    reconstruction: Reconstruction = "editor"
    precision: Literal["fp32", "bf16"] = "fp32"
    track: int | Literal["all"] = 0
    """Which of the clip's sound tracks, from 0; all: each in turn, alone."""
    channels: Literal["linked", "split"] = "linked"
    """One mask for all channels of a track, or each channel judged alone."""
    amount: float = 1.0
    """How much of the off-screen sound is taken from the video's, 0 to 1; the stems do not depend on it."""
    region: str = ""
    """What the model may see of the picture (`media.region`); "": all of it."""
    shots: bool = True
    """Find the cuts, and let no window straddle one."""
    abstain_below: float = 0.0
    """Leave a shot untouched where no window reaches this probability that sound and picture belong together; 0: never."""
    confidence: ConfidenceFormat | None = None
    """Write that probability of every window into a file of this kind."""
    deliver: tuple[Delivery, ...] = ("stems", "replace")
    finish: tuple[FinishStep, ...] = ()
    """Effects on the replaced sound, in this order; the stems stay as they are."""
    container: Container = "source"
    """Of the video."""
    start: str = ""
    """Where the part begins that is worked on: seconds or timecode on the clip's own clock; "" is the beginning."""
    end: str = ""
    handles_seconds: float = 0.0
    """Widens the part at both ends, as far as the sound goes."""
    pad_to_picture: bool = False
    """Pads the stems with silence, so that they begin with the picture and last as long."""
    tolerate_damage: bool = False
    """Take of a damaged clip what can be decoded, with silence in the holes, and say so in the warnings; False: refuse it."""

    def __post_init__(self) -> None:
        unknown = set(self.deliver) - set(get_args(Delivery))
        if unknown or not self.deliver:
            raise ConfigError(f"deliver must name one or more of {', '.join(get_args(Delivery))}, not '{', '.join(sorted(unknown))}'.")
        if not 0 <= self.amount <= 1:
            raise ConfigError(f"amount must lie between 0 and 1, not {self.amount}.")
        if not 0 <= self.abstain_below <= 1:
            raise ConfigError(f"abstain_below is a probability between 0 and 1, not {self.abstain_below:g}.")
        if self.abstain_below and self.reconstruction == "original":
            raise ConfigError("with the original reconstruction no shot can be left untouched: its sounds are no shares of the clip's.")
        if self.handles_seconds < 0:
            raise ConfigError(f"handles cannot be negative ({self.handles_seconds} s).")
        if self.reconstruction == "original" and (self.start or self.end) and "replace" in self.deliver:
            raise ConfigError("the original reconstruction is mono at the model's rate: it cannot replace a part of a clip's sound.")

    @property
    def needs_aligner(self) -> bool:
        """Whether an aligner is needed beside the separator."""
        return self.abstain_below > 0 or self.confidence is not None

    @property
    def finds_shots(self) -> bool:
        """Whether it matters where the cuts are; the paper's own output knows none."""
        return self.shots and (self.reconstruction == "editor" or self.needs_aligner)

    @property
    def wanted(self) -> Wanted:
        """The part that is asked for."""
        return Wanted(self.start, self.end, Fraction(self.handles_seconds).limit_denominator(10**6))

    @property
    def pipeline(self) -> "SeparateOptions":
        """The part that concerns the pipeline."""
        from avsep_plugin.pipeline import SeparateOptions

        return SeparateOptions(self.highs, self.reconstruction, self.precision)


DEFAULT_FILE_OPTIONS = SeparateFileOptions()
