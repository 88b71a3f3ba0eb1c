"""Two people side by side: does `--region left` give the left person's voice? Measured on pairs of people whom no training has seen.

A row of a list of mixtures becomes a video, the target on the left, the interferer on the right, each the central square of its clip, with
both voices as its sound. It is separated through a file, as a user would:

    +--------+--------+
    | target | inter- |    own     the half of him whose voice is wanted
    |        | ferer  |    other   the other half
    +--------+--------+    whole   the picture as it is

Each video gives two figures of every kind, for the left voice and for the right one; what is asked for is own minus other, in SI-SDR. The
mixture as it is and the oracle mask stand beside as floor and ceiling. Videos live in a temporary folder and are gone afterwards.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avsep_plugin.config import PictureConfig
from avsep_plugin.footage import Footage
from avsep_plugin.media.region import Region
from avsep_plugin.models.separator import Separator
from avsep_plugin.pipeline import separate
from avsep_plugin.scenes.export import write_clip

from .evaluate import oracle_mask
from .evaluation_table import Record, Results, write_text
from .metrics import Mean, clustered_mean, score
from .mixing import ClipShelf, Mixture
from .mixtures import MixtureRow

TITLES = {
    "mixture": "mixture unchanged",
    "oracle": "oracle ratio mask",
    "own": "own half",
    "other": "other half",
    "whole": "whole picture",
}
SQUARE = PictureConfig(frame_rate=Fraction(25), stored_size=256, crop_size=256, fit="crop")
"""How a clip becomes a half of the picture."""
_SEEN = {"left": "left", "right": "right", "whole": ""}
_PEAK = 0.99


def evaluate_region(
    data: Path,
    model: Separator,
    output: Path,
    mixtures: Sequence[MixtureRow],
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Evaluate on mixtures of two people and write `region.md` and `region.json` into `output`.

    data: the folder that names in mixtures are relative to; those with noise are left out. progress(done, total) after every pair. Raises
    DataError (clip missing).
    """
    rows = [row for row in mixtures if row.interferer_has_picture]
    shelf = ClipShelf(data)
    records: list[Record] = []
    for done, row in enumerate(rows, start=1):
        records += judge(model, row, shelf)
        if progress is not None:
            progress(done, len(rows))
    results = Results(records)
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "region.md", markdown(results))
    write_text(output / "region.json", json.dumps([asdict(record) for record in records], indent=1) + "\n")
    return results


def judge(model: Separator, row: MixtureRow, shelf: ClipShelf) -> Iterator[Record]:
    """The records of one pair, for both of its voices; the two count as one draw of the bootstrap."""
    mixture = shelf.mixture(row)
    given = separated(model, row, mixture, shelf)
    people = "+".join(sorted((row.target_speaker, row.interferer_speaker)))
    turned = Mixture(mixture.interferer, mixture.target, mixture.sample_rate_hz)
    for sounds, names, own, other in (
        (mixture, (row.target, row.interferer), "left", "right"),
        (turned, (row.interferer, row.target), "right", "left"),
    ):
        estimates = {
            "mixture": sounds.sound.mean(dim=0), "oracle": oracle_mask(sounds, model.config),
            "own": given[own], "other": given[other], "whole": given["whole"],
        }  # fmt: skip
        voices = sounds.target.mean(dim=0), sounds.interferer.mean(dim=0)
        for name, estimate in estimates.items():
            yield Record(row.kind, name, *names, people, **asdict(score(estimate, *voices)))


def separated(model: Separator, row: MixtureRow, mixture: Mixture, shelf: ClipShelf) -> dict[str, Tensor]:
    """The mono mean [n] of the on-screen sound of the pair's video, by what is seen of it: left, right, whole."""
    gain = _PEAK / max(_PEAK, float(mixture.sound.abs().max()))  # the file's sound is of whole numbers and must not be clipped
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.mov"
        write_clip(path, side_by_side(row, shelf), SQUARE.frame_rate, (mixture.sound * gain).numpy(), mixture.sample_rate_hz)
        return {name: _on_screen(model, path, region) / gain for name, region in _SEEN.items()}


def _on_screen(model: Separator, path: Path, region: str) -> Tensor:
    with Footage(path, model.config.picture, region=Region.parse(region) if region else None) as footage:
        blocks = separate(model, footage.blocks(), footage.sample_rate_hz, footage.pictures)
        return torch.cat([block.on for block in blocks], dim=1).mean(dim=0)


def side_by_side(row: MixtureRow, shelf: ClipShelf) -> np.ndarray:
    """[N, S, 2 S, 3] uint8: the target's pictures on the left, the interferer's on the right."""
    sources = (row.target, row.target_start_seconds), (row.interferer, row.interferer_start_seconds)
    halves = [shelf.frames(name, start_seconds, row.duration_seconds, SQUARE).numpy() for name, start_seconds in sources]
    return np.concatenate(halves, axis=2)


def own_minus_other(results: Results, kind: str) -> Mean:
    """By how many dB of SI-SDR the half of the wanted person does better than the other half."""
    pairs = list(zip(results.of(kind, "own"), results.of(kind, "other"), strict=True))
    return clustered_mean([own.si_sdr - other.si_sdr for own, other in pairs], [own.pair for own, _ in pairs])


def markdown(results: Results) -> str:
    """One table per list, and under it what the choice of the half is worth."""
    lines = [
        "Two people side by side, both talking: SI-SDR against the voice of one of them, with the model shown his half, the other half, or",
        "the whole picture; both people of each pair in turn. In brackets: 95 % bootstrap interval over pairs of speakers.",
    ]
    for kind in results.kinds():
        lines += ["", f"### {kind}", "", "| | SI-SDR improvement dB | right voice % | n |", "|---|---|---|---|"]
        lines += [_line(results, kind, row) for row in TITLES]
        worth = own_minus_other(results, kind)
        lines += ["", f"Own half minus other half: {worth.value:+.1f} dB [{worth.low:+.1f}, {worth.high:+.1f}] SI-SDR, n = {worth.n}."]
    return "\n".join(lines) + "\n"


def _line(results: Results, kind: str, row: str) -> str:
    gain, right = (results.mean(kind, row, figure) for figure in ("si_sdr_improvement", "right_voice"))
    assert gain is not None
    assert right is not None
    cells = f"{gain.value:+.1f} [{gain.low:+.1f}, {gain.high:+.1f}] | {right.value:.0f} [{right.low:.0f}, {right.high:.0f}] | {gain.n}"
    return f"| {TITLES[row]} | {cells} |"
