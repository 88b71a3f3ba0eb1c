"""Path to sync.json: how late the sound of a clip is, and on request a copy of the clip in which it is not.

clip --Footage--> sound, pictures --sync_pieces--> curve --sync_curve--> Verdict --> sync.json
clip ----------------------------media.shift (by -offset)-----------------------> the clip, in sync
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from avsep_plugin.atomic import write_text
from avsep_plugin.errors import ConfigError, TooShortError
from avsep_plugin.footage import Footage
from avsep_plugin.media.containers import Container, output_suffix
from avsep_plugin.media.probe import MediaInfo, picture_seconds, probe_clip
from avsep_plugin.media.region import Region
from avsep_plugin.media.shift import check_shiftable, shift_sound
from avsep_plugin.models.fused import Aligner
from avsep_plugin.pipeline import Progress
from avsep_plugin.publish import published
from avsep_plugin.sync_curve import ABSTAIN_BELOW, SyncCurve, Verdict, read_off
from avsep_plugin.sync_file import SyncFinding, as_text
from avsep_plugin.sync_pieces import Search, find_curve

_DIGITS = 6


@dataclass(frozen=True)
class SyncOptions:
    """What is measured, and what is done about it."""

    max_offset_seconds: Fraction = Fraction(1)
    step_seconds: Fraction = Fraction(1, 25)
    windows: int = 8
    window_seconds: Fraction = Fraction(4)
    abstain_below: float = ABSTAIN_BELOW
    """No offset is given where the confidence is below that."""
    track: int = 0
    """The sound track that is measured, from 0."""
    region: str = ""
    """The part of the picture that is looked at (see `media.region`); "" = all of it."""
    fix: bool = False
    """Write the clip with its sound moved as well."""
    fix_from: float = 0.8
    """The sound is moved only where the confidence reaches that. Of the measured trials all offsets that did were right (docs/sync.md); a
    clip in sync that is moved costs more than one that is left alone."""
    container: Container = "source"
    """Of the clip that is written."""
    tolerance_seconds: Fraction = Fraction(9, 200)
    """An offset up to that is left alone; ATSC IS-191 calls sound that is up to 45 ms late in sync."""

    def __post_init__(self) -> None:
        if not 0 < self.step_seconds <= self.max_offset_seconds:
            raise ConfigError(f"The step of {float(self.step_seconds):g} s must be positive and no more than the largest offset.")
        if self.windows < 1 or self.window_seconds <= 0:
            raise ConfigError("At least one window of some length has to be looked at.")
        if not 0 <= self.abstain_below <= 1 or not 0 <= self.fix_from <= 1 or self.tolerance_seconds < 0:
            raise ConfigError("abstain_below and fix_from are probabilities in [0, 1], and the tolerance is not negative.")

    @property
    def search(self) -> Search:
        """Those that concern the measurement."""
        return Search(self.max_offset_seconds, self.step_seconds, self.windows, self.window_seconds)


DEFAULT_SYNC_OPTIONS = SyncOptions()


@dataclass(frozen=True)
class SyncedFile:
    """What was written for one clip; see `work.Result`."""

    outputs: dict[str, Path]
    """sync: the measurement; video: the clip with its sound moved, where that was asked for and done."""
    warnings: list[str]
    result: SyncFinding


def sync_outputs(source: Path, out_dir: Path, options: SyncOptions = DEFAULT_SYNC_OPTIONS) -> dict[str, Path]:
    """The files that `sync_file` may write, by kind."""
    outputs = {"sync": out_dir / "sync.json"}
    return outputs | ({"video": out_dir / f"{source.stem}{output_suffix(source, options.container)}"} if options.fix else {})


def sync_file(
    source: Path, out_dir: Path, model: Aligner, options: SyncOptions = DEFAULT_SYNC_OPTIONS, progress: Progress | None = None
) -> SyncedFile:
    """Measure a clip and write sync.json; with `fix` also the clip with its sound moved by stream copy, unless there is no offset to go by.

    Raises MediaError (see errors.py) where the clip does not allow it, OutputError where its container cannot say when its sound begins,
    ConfigError for a region that is none.
    """
    outputs = sync_outputs(source, out_dir, options)
    if options.fix:
        check_shiftable(source, options.container)
    result, warnings = measure_file(source, model, options, progress)  # what cannot be measured leaves no folder behind
    with published(source, outputs) as drafts:
        if options.fix and (reason := _why_not(result, options)):
            del drafts["video"]
            warnings.append(f"The sound was not moved: {reason}.")
        elif options.fix and result.offset_seconds is not None:
            by_seconds = -Fraction(result.offset_seconds).limit_denominator(10**_DIGITS)
            warnings += shift_sound(source, drafts["video"], by_seconds, options.container)
        write_text(as_text(result), drafts["sync"])
    return SyncedFile({kind: outputs[kind] for kind in drafts}, warnings, result)


def measure_file(
    source: Path, model: Aligner, options: SyncOptions = DEFAULT_SYNC_OPTIONS, progress: Progress | None = None
) -> tuple[SyncFinding, list[str]]:
    """How late the sound of a clip is, and what its readers had to mend. Writes nothing; raises as `sync_file` does."""
    info = probe_clip(source, options.track)
    region = Region.parse(options.region) if options.region else None
    with Footage(source, model.config.picture, options.track, region) as footage:
        picture, sound = _extents(info, options.track, footage.start_seconds)
        sounds = footage.blocks(), footage.sample_rate_hz
        try:
            found = find_curve(model, *sounds, footage.pictures, picture, sound, options.search, progress)
        except TooShortError as exc:
            raise TooShortError(f"{source}: {exc}") from exc
        notes = footage.notes
    return conclude(found, read_off(found, model.config.calibration), options.abstain_below), notes


def conclude(found: SyncCurve, verdict: Verdict, abstain_below: float) -> SyncFinding:
    """Give the offset, or none where there is too little to go by."""
    abstained = not found.scores or verdict.confidence <= 0 or verdict.confidence < abstain_below
    offset = None if abstained else round(verdict.offset_seconds, _DIGITS)
    curve = tuple(zip(found.offsets_seconds, found.scores, strict=True))
    return SyncFinding(offset, round(verdict.confidence, _DIGITS), abstained, curve)


def _extents(info: MediaInfo, track: int, start_seconds: Fraction) -> tuple[tuple[Fraction, Fraction], Fraction]:
    """When the picture begins and ends and how long the sound lasts, counted from the first sample."""
    assert info.video is not None, "who calls has looked"
    length = info.video.duration_seconds or picture_seconds(info.path)
    first = info.video.start_seconds - start_seconds
    sound = info.audio[track].duration_seconds or info.duration_seconds
    return (first, first + length), first + length if sound is None else sound


def _why_not(result: SyncFinding, options: SyncOptions) -> str:
    """What speaks against moving the sound; "" where nothing does."""
    if result.offset_seconds is None:
        return "no offset stands out clearly enough"
    if abs(result.offset_seconds) <= options.tolerance_seconds:
        return f"{result.offset_seconds * 1000:+.0f} ms is as good as in sync"
    if result.confidence < options.fix_from:
        return f"{result.offset_seconds * 1000:+.0f} ms has a confidence of {result.confidence:.2f}, and it takes {options.fix_from:g}"
    return ""
