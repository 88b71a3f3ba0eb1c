"""Records of an evaluation -> means with intervals -> Markdown and JSON."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsep_plugin.atomic import atomic

from .metrics import CLAMP_DB, Mean, clustered_mean
from .perception import DAMAGE_DB

TITLES = {
    "mixture": "mixture unchanged",
    "oracle": "oracle ratio mask",
    "pit": "audio-only PIT twin, oracle assignment",
    "own": "ours, own picture",
    "against": "other model, own picture",
    "interferer": "ours, interferer's picture",
    "third": "ours, third person's picture",
    "blank": "ours, blank picture",
    "afftdn": "ffmpeg afftdn=nf=-25",
    "noisereduce": "noisereduce",
    "rnnoise": "RNNoise",
}
FIGURES = {
    "si_sdr_improvement": "SI-SDR improvement", "sdr": "SDR", "sir": "SIR", "sar": "SAR", "right_voice": "right voice %",
    "pesq": "PESQ", "stoi": "STOI", "off_down": "off-screen down",
}  # fmt: skip
FACES = {
    "no face found": (0.0, 1e-9), "small, up to 1/5 of the picture": (1e-9, 0.2), "medium, up to 2/5": (0.2, 0.4), "large": (0.4, 9.0),
}  # fmt: skip
"""Heights of faces in heights of the picture, from and below."""
_WITH_INTERVAL = {"si_sdr_improvement": "+.1f", "right_voice": ".0f"}
_PLAIN = {"pesq": ".2f", "stoi": ".2f", "off_down": ".1f"}


@dataclass(frozen=True)
class Record:
    """One estimate of one mixture; figures as in `metrics.Score` and `perception.Heard`. `pair` is who is heard against whom."""

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
    pesq: float | None = None
    stoi: float | None = None
    off_down: float | None = None
    level_db: float = 0.0
    """Of the target over the interferer."""
    face: float = 0.0
    """Height of the target's face in heights of the picture; 0: not known."""


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
        """Mean of one of `FIGURES` (right_voice in per cent) where it could be measured; None where it never could."""
        found = [record for record in self.of(kind, row) if getattr(record, figure) is not None]
        scale = 100.0 if figure == "right_voice" else 1.0
        return clustered_mean([scale * getattr(r, figure) for r in found], [r.pair for r in found]) if found else None

    def own_above(self, kind: str, row: str, figure: str = "si_sdr") -> Mean | None:
        """By how much (of SI-SDR: dB) the own picture does better than `row`, on the mixtures that have both."""
        known = self.differences(kind, row, figure)
        return clustered_mean([gain for _, gain in known], [pair for pair, _ in known]) if known else None

    def differences(self, kind: str, row: str, figure: str = "si_sdr") -> list[tuple[str, float]]:
        """(who is heard against whom, own minus `row`) of every mixture that has both."""
        other = {(r.target, r.interferer): getattr(r, figure) for r in self.of(kind, row)}
        both = [(r.pair, getattr(r, figure), other.get((r.target, r.interferer))) for r in self.of(kind, "own")]
        return [(pair, own - than) for pair, own, than in both if own is not None and than is not None]

    def by_face(self) -> dict[str, dict[str, tuple[Mean, Mean]]]:
        """Size of the face -> kind of pair, at all levels -> SI-SDR improvement and right voice (per cent) with the own picture.

        Empty where no face was looked for.
        """
        own = [record for record in self.records if record.row == "own"]
        if not any(record.face for record in own):
            return {}
        found: dict[str, dict[str, tuple[Mean, Mean]]] = {}
        for size, (low, high) in FACES.items():
            sized = [record for record in own if low <= record.face < high]
            for pairs in dict.fromkeys(record.kind.split(" at ")[0] for record in sized):
                some = [record for record in sized if record.kind.split(" at ")[0] == pairs]
                people = [record.pair for record in some]
                better = clustered_mean([record.si_sdr_improvement for record in some], people)
                found.setdefault(size, {})[pairs] = better, clustered_mean([100.0 * record.right_voice for record in some], people)
        return found


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
    faces = {
        size: {
            pairs: {figure: dataclasses.asdict(mean) for figure, mean in zip(("si_sdr_improvement", "right_voice"), both, strict=True)}
            for pairs, both in kinds.items()
        }
        for size, kinds in results.by_face().items()
    }
    return {"means": means, "faces": faces, "mixtures": [dataclasses.asdict(record) for record in results.records]}


def markdown(results: Results) -> str:
    """One table per list, and under it how much the own picture is worth."""
    lines = [
        "SI-SDR improvement on the mono mean at the source's rate; SDR, SIR and SAR by BSS-eval v3; all in dB. Right voice: SI-SDR to the",
        "target above SI-SDR to the interferer. PESQ: wideband, 1.0 to 4.6; STOI: 0 to 1. Off-screen down: by how many dB, mixed with the",
        f"unchanged sound until what the target has lost lies {-DAMAGE_DB:g} dB below it or lower. In brackets: 95 % bootstrap interval",
        "over pairs of speakers (speaker and class for noise).",
    ]
    for kind in results.kinds():
        lines += ["", f"### {kind}", "", *_table(results, kind)]
        worth = [_worth(results, kind, row) for row in ("interferer", "third", "blank")]
        if any(worth):
            lines += ["", "Own picture better by " + ", ".join(text for text in worth if text) + "."]
        gains = [_gain(results, kind, figure) for figure in ("pesq", "stoi")]
        if any(gains):
            lines += ["", "Above the mixture unchanged: " + ", ".join(text for text in gains if text) + "."]
        if versus := _versus(results, kind):
            lines += ["", versus]
    if faces := results.by_face():
        lines += ["", "### By the height of the face", ""]
        lines += ["| face | pairs | SI-SDR improvement | right voice % | n |", "|---|---|---|---|---|"]
        for size, kinds in faces.items():
            for pairs, (better, right) in kinds.items():
                lines.append(f"| {size} | {pairs} | {_interval(better, '+.1f')} | {_interval(right, '.0f')} | {better.n} |")
    return "\n".join(lines) + "\n"


def _table(results: Results, kind: str) -> list[str]:
    lines = ["| | " + " | ".join(FIGURES.values()) + " | n |", "|---" * (len(FIGURES) + 2) + "|"]
    for row, title in TITLES.items():
        if found := results.of(kind, row):
            cells = [_cell(figure, results.mean(kind, row, figure)) for figure in FIGURES]
            lines.append(f"| {title} | " + " | ".join(cells) + f" | {len(found)} |")
    return lines


def _cell(figure: str, mean: Mean | None) -> str:
    if mean is None:
        return ""
    if figure in _WITH_INTERVAL:
        return _interval(mean, _WITH_INTERVAL[figure])
    return format(mean.value, _PLAIN[figure]) if figure in _PLAIN else decibel(mean.value)


def _interval(mean: Mean, form: str) -> str:
    return f"{mean.value:{form}} [{mean.low:{form}}, {mean.high:{form}}]"


def decibel(value: float) -> str:
    """One decimal; where every estimate is at the clamp, the figure does not exist (no artefacts in an untouched mixture)."""
    return "∞" if value > CLAMP_DB / 2 else f"{value:.1f}"


def _worth(results: Results, kind: str, row: str) -> str:
    mean = results.own_above(kind, row)
    title = {"interferer": "the interferer's", "third": "a third person's", "blank": "a blank one"}[row]
    return "" if mean is None else f"{mean.value:+.1f} dB [{mean.low:+.1f}, {mean.high:+.1f}] than {title}"


def _versus(results: Results, kind: str) -> str:
    """Ours against another model, mixture by mixture; "" where there is none."""
    figures = {figure: results.own_above(kind, "against", figure) for figure in ("si_sdr", "pesq", "stoi", "off_down")}
    gain = figures.pop("si_sdr")
    if gain is None:
        return ""
    wins = sum(difference > 0 for _, difference in results.differences(kind, "against"))
    parts = [f"SI-SDR {_interval(gain, '+.2f')} dB"]
    parts += [f"{FIGURES[name]} {_interval(mean, '+.2f')}" for name, mean in figures.items() if mean is not None]
    return f"Against the other model: {', '.join(parts)}; better on {wins} of {gain.n} mixtures."


def _gain(results: Results, kind: str, figure: str) -> str:
    mean = results.own_above(kind, "mixture", figure)
    return "" if mean is None else f"{FIGURES[figure]} {mean.value:+.2f} [{mean.low:+.2f}, {mean.high:+.2f}]"
