"""The person in the picture is silent for a part of the clip while somebody else talks: how far down is the other voice in that part?

Made of rows of a list of two voices, with people whom no training has seen. Before his sentence the person in the picture rests, for
`PAUSE_SECONDS`: his first picture is held, and he says nothing. The other voice talks all the time, its sentence over and over:

    picture      [held ................][ sentence ..........]
    target        silence                voice
    interferer    voice, voice, voice ........................
                 |<--- judged --->|                              up to `_MARGIN_SECONDS` before the sentence

Every clip is separated through a file, as a user would, without abstention and with that of the presets. A method that mutes everything
would be far down too, so SI-SDR improvement over the whole clip stands beside; the other person's picture, who talks all the time, is the
control: his voice should not be down at all.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from avsep_plugin.files import separate_file
from avsep_plugin.media.read import AudioReader
from avsep_plugin.models.fused import Aligner
from avsep_plugin.models.separator import Separator
from avsep_plugin.options import SeparateFileOptions
from avsep_plugin.scenes.export import write_clip

from .evaluate_region import SQUARE
from .evaluation_table import write_text
from .metrics import CLAMP_DB, Mean, clustered_mean, si_sdr
from .mixing import ClipShelf, Mixture
from .mixtures import MixtureRow

PAUSE_SECONDS = 2
ABSTAIN_BELOW = 0.3
TITLES = {
    "mixture": "mixture unchanged",
    "own": "ours, own picture",
    "own, abstaining": f"the same, `--abstain-below {ABSTAIN_BELOW:g}`",
    "interferer": "ours, picture of the one who talks all the time",
}
_MARGIN_SECONDS = 0.25
_PEAK = 0.99


@dataclass(frozen=True)
class PauseRecord:
    """One estimate: decibels by which the sound is down in the pause, and gained in SI-SDR over the whole clip."""

    kind: str
    row: str
    target: str
    interferer: str
    pair: str
    down_db: float
    si_sdr_improvement: float


@dataclass(frozen=True)
class Networks:
    """What is evaluated: a separator, and the aligner that judges for it where it may abstain."""

    separator: Separator
    aligner: Aligner


def evaluate_pause(
    data: Path,
    models: Networks,
    output: Path,
    mixtures: Sequence[MixtureRow],
    progress: Callable[[int, int], None] | None = None,
) -> list[PauseRecord]:
    """Evaluate on mixtures of two people and write `pause.md` and `pause.json` into `output`.

    data: the folder that names in mixtures are relative to; those with noise are left out. progress(done, total) after every row. Raises
    DataError (clip missing).
    """
    rows = [row for row in mixtures if row.interferer_has_picture]
    shelf = ClipShelf(data)
    records: list[PauseRecord] = []
    for done, row in enumerate(rows, start=1):
        records += judge(models, row, shelf)
        if progress is not None:
            progress(done, len(rows))
    output.mkdir(parents=True, exist_ok=True)
    write_text(output / "pause.md", markdown(records))
    write_text(output / "pause.json", json.dumps([asdict(record) for record in records], indent=1) + "\n")
    return records


def judge(models: Networks, row: MixtureRow, shelf: ClipShelf) -> Iterator[PauseRecord]:
    """The records of one row."""
    sounds = with_pause(shelf.mixture(row))
    mixture, target = sounds.sound.mean(dim=0), sounds.target.mean(dim=0)
    estimates = {
        "mixture": mixture,
        "own": separated(models, row, sounds, shelf, row.target, 0.0),
        "own, abstaining": separated(models, row, sounds, shelf, row.target, ABSTAIN_BELOW),
        "interferer": separated(models, row, sounds, shelf, row.interferer, 0.0),
    }
    judged = slice(0, round((PAUSE_SECONDS - _MARGIN_SECONDS) * sounds.sample_rate_hz))
    for name, estimate in estimates.items():
        down = level_db(mixture[judged]) - level_db(estimate[judged])
        gain = si_sdr(estimate, target) - si_sdr(mixture, target)
        yield PauseRecord(row.kind, name, row.target, row.interferer, row.pair, min(down, CLAMP_DB), gain)


def with_pause(mixture: Mixture) -> Mixture:
    """The same with silence before the target, and the interferer repeated so that the two still lie over each other as they did."""
    before = PAUSE_SECONDS * mixture.sample_rate_hz
    length = mixture.interferer.shape[1]
    repeated = mixture.interferer.repeat(1, 1 + -(-before // length))
    target = torch.nn.functional.pad(mixture.target, (before, 0))
    return Mixture(target, repeated[:, -(before + length) :], mixture.sample_rate_hz)


def separated(models: Networks, row: MixtureRow, sounds: Mixture, shelf: ClipShelf, shown: str, abstain_below: float) -> Tensor:
    """The mono mean [n] of the on-screen stem of the row's video, which shows that person."""
    start_seconds = row.target_start_seconds if shown == row.target else row.interferer_start_seconds
    pictures = shelf.frames(shown, start_seconds, row.duration_seconds, SQUARE)
    count = round(PAUSE_SECONDS * SQUARE.frame_rate)
    # The one who talks all the time goes on before as his sentence does: its last pictures, then again from its beginning.
    before = pictures[:1].expand(count, -1, -1, -1) if shown == row.target else pictures.repeat(count, 1, 1, 1)[-count:]
    gain = _PEAK / max(_PEAK, float(sounds.sound.abs().max()))  # the file's sound is of whole numbers and must not be clipped
    options = SeparateFileOptions(deliver=("stems",), abstain_below=abstain_below, bit_depth="32f")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pause.mov"
        write_clip(path, torch.cat([before, pictures]).numpy(), SQUARE.frame_rate, (sounds.sound * gain).numpy(), sounds.sample_rate_hz)
        result = separate_file(path, Path(folder) / "out", models.separator, options, aligner=models.aligner)
        with AudioReader(result.outputs["on"]) as reader:
            return torch.from_numpy(reader.read(sounds.sound.shape[1]).copy()).mean(dim=0) / gain


def level_db(sound: Tensor) -> float:
    """RMS in dB of full scale, at least -120."""
    return 10 * float(torch.log10(sound.double().square().mean().clamp_min(1e-12)))


def mean(records: Sequence[PauseRecord], kind: str, row: str, figure: str) -> Mean:
    """Mean of a figure over a list's estimates of one row."""
    found = [record for record in records if (record.kind, record.row) == (kind, row)]
    return clustered_mean([getattr(record, figure) for record in found], [record.pair for record in found])


def markdown(records: Sequence[PauseRecord]) -> str:
    """One table per list."""
    lines = [
        f"The person in the picture rests for {PAUSE_SECONDS} s, his first picture held, and then talks; somebody else talks all the",
        "time. Down: level of the on-screen stem below the mixture in the pause. In brackets: 95 % bootstrap interval over pairs of",
        "speakers.",
    ]
    for kind in dict.fromkeys(record.kind for record in records):
        lines += ["", f"### {kind}", "", "| | down in the pause, dB | SI-SDR improvement, whole clip, dB | n |", "|---|---|---|---|"]
        lines += [_line(records, kind, row) for row in TITLES]
    return "\n".join(lines) + "\n"


def _line(records: Sequence[PauseRecord], kind: str, row: str) -> str:
    down, gain = (mean(records, kind, row, figure) for figure in ("down_db", "si_sdr_improvement"))
    cells = [f"{value.value:+.1f} [{value.low:+.1f}, {value.high:+.1f}]" for value in (down, gain)]
    return f"| {TITLES[row]} | {cells[0]} | {cells[1]} | {down.n} |"
