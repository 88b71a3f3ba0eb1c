"""Records of an evaluation -> means with intervals -> Markdown and JSON."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_plugin.atomic import atomic

from .metrics import CLAMP_DB, Mean, clustered_mean

TITLES = {
    "mixture": "mixture unchanged",
    "oracle": "oracle ratio mask",
    "pit": "audio-only PIT twin, oracle assignment",
    "own": "ours, own picture",
    "interferer": "ours, interferer's picture",
    "third": "ours, third person's picture",
    "blank": "ours, blank picture",
}
FIGURES = ("si_sdr_improvement", "sdr", "sir", "sar", "right_voice")


@dataclass(frozen=True)
class Record:
    """One estimate of one mixture; decibels as in `metrics.Score`. `pair` is who is heard against whom."""

    kind: str
    row: str
    target: str
    interferer: str
    pair: str
    si_sdr: float
    si_sdr_improvement: float
    sdr: float
    sir: float
    sar: float
    right_voice: bool


@dataclass(frozen=True)
class Results:
    """All estimates of an evaluation."""

    records: list[Record]

    def kinds(self) -> list[str]:
        """The lists in the order of the evaluation."""
        return list(dict.fromkeys(record.kind for record in self.records))

    def of(self, kind: str, row: str) -> list[Record]:
        """The estimates of one list and row."""
        return [record for record in self.records if (record.kind, record.row) == (kind, row)]

    def mean(self, kind: str, row: str, figure: str) -> Mean | None:
        """Mean of one of `FIGURES` (right_voice in per cent); None where nothing was estimated."""
        found = self.of(kind, row)
        scale = 100.0 if figure == "right_voice" else 1.0
        return clustered_mean([scale * getattr(r, figure) for r in found], [r.pair for r in found]) if found else None

    def own_above(self, kind: str, row: str) -> Mean | None:
        """By how many dB of SI-SDR the own picture does better than `row`, on the mixtures that have both."""
        other = {(r.target, r.interferer): r for r in self.of(kind, row)}
        both = [(own, other[own.target, own.interferer]) for own in self.of(kind, "own") if (own.target, own.interferer) in other]
        return clustered_mean([own.si_sdr - r.si_sdr for own, r in both], [own.pair for own, _ in both]) if both else None


def write_results(results: Results, folder: Path) -> None:
    """Write `evaluation.md` and `evaluation.json`, whole or not at all."""
    write_text(folder / "evaluation.md", markdown(results))
    write_text(folder / "evaluation.json", json.dumps(as_dict(results), indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def as_dict(results: Results) -> dict[str, Any]:
    """Means of every list and row, and every single estimate."""
    means = {
        kind: {
            row: {figure: dataclasses.asdict(mean) for figure in FIGURES if (mean := results.mean(kind, row, figure)) is not None}
            for row in TITLES
            if results.of(kind, row)
        }
        for kind in results.kinds()
    }
    return {"means": means, "mixtures": [dataclasses.asdict(record) for record in results.records]}


def markdown(results: Results) -> str:
    """One table per list, and under it how much the own picture is worth."""
    lines = [
        "SI-SDR improvement on the mono mean at the source's rate; SDR, SIR and SAR by BSS-eval v3; all in dB. Right voice: SI-SDR to the",
        "target above SI-SDR to the interferer. In brackets: 95 % bootstrap interval over pairs of speakers (speaker and class for noise).",
    ]
    for kind in results.kinds():
        lines += ["", f"### {kind}", "", *_table(results, kind)]
        worth = [_worth(results, kind, row) for row in ("interferer", "third", "blank")]
        if any(worth):
            lines += ["", "Own picture better by " + ", ".join(text for text in worth if text) + "."]
    return "\n".join(lines) + "\n"


def _table(results: Results, kind: str) -> list[str]:
    lines = ["| | SI-SDR improvement | SDR | SIR | SAR | right voice % | n |", "|---|---|---|---|---|---|---|"]
    for row, title in TITLES.items():
        means = [results.mean(kind, row, figure) for figure in FIGURES]
        found = [mean for mean in means if mean is not None]
        if len(found) == len(FIGURES):
            lines.append(_line(title, found))
    return lines


def _line(title: str, means: Sequence[Mean]) -> str:
    gain, *ratios, right = means
    cells = [
        f"{gain.value:+.1f} [{gain.low:+.1f}, {gain.high:+.1f}]",
        *(decibel(mean.value) for mean in ratios),
        f"{right.value:.0f} [{right.low:.0f}, {right.high:.0f}]",
        str(gain.n),
    ]
    return f"| {title} | " + " | ".join(cells) + " |"


def decibel(value: float) -> str:
    """One decimal; where every estimate is at the clamp, the figure does not exist (no artefacts in an untouched mixture)."""
    return "∞" if value > CLAMP_DB / 2 else f"{value:.1f}"


def _worth(results: Results, kind: str, row: str) -> str:
    mean = results.own_above(kind, row)
    title = {"interferer": "the interferer's", "third": "a third person's", "blank": "a blank one"}[row]
    return "" if mean is None else f"{mean.value:+.1f} dB [{mean.low:+.1f}, {mean.high:+.1f}] than {title}"
