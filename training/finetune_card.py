"""The card of a tuned model: what it learnt from, what was measured, and whether it was handed over."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from .finetune_measure import Estimate, Figures
from .finetune_outcome import Outcome
from .finetune_verdict import interval, recording_mean
from .metrics import Mean

MARK = "<!-- card of avsep finetune -->"
"""First line, by which a card is known that may be replaced."""
_MOST_NAMES = 40
_MOST_SPEAKERS = 24


def markdown(outcome: Outcome) -> str:
    """The whole card."""
    sections = [_head(outcome), _figures(outcome), _speakers(outcome), _material(outcome), _run(outcome)]
    return "\n\n".join([MARK, *("\n".join(section) for section in sections if section)]) + "\n"


def _head(outcome: Outcome) -> list[str]:
    sentence = _plain(outcome.name) + outcome.sentence.removeprefix(outcome.name)
    state = "" if outcome.verdict.accepted else ", refused"
    use = (
        f"`avsep separate talk.mp4 -o stems -m {_plain(outcome.name)}.safetensors`" if outcome.verdict.accepted else "No model was written."
    )
    return [
        f"# {_plain(outcome.name)}{state}",
        "",
        f"The separator of {_plain(outcome.base)}, tuned on a studio's own footage. {sentence}",
        "",
        use,
    ]


def _figures(outcome: Outcome) -> list[str]:
    rows: list[tuple[str, Sequence[Figures], Callable[[Figures], Estimate]]] = [
        ("mixture unchanged (floor)", outcome.before, lambda one: one.floor),
        ("oracle ratio mask (ceiling)", outcome.before, lambda one: one.ceiling),
        ("before, right picture", outcome.before, lambda one: one.own),
        ("before, wrong picture", outcome.before, lambda one: one.wrong),
        ("after, right picture", outcome.after, lambda one: one.own),
        ("after, wrong picture", outcome.after, lambda one: one.wrong),
    ]
    kinds = list(outcome.verdict.gains)
    return [
        "## Figures on held-out takes",
        "",
        "SI-SDR improvement in dB, mono, at the model's rate; mixtures at 0 dB of pieces that no step of the tuning has seen. In",
        "brackets: 95 % interval over recordings (mixtures share recordings, so whole recordings are drawn, those of both sounds of a",
        "mixture; widened for their number). It holds for further takes like these; for people who are in neither part it says nothing,",
        "unless every recording is somebody else. Right: per cent of mixtures whose result is nearer to the seen sound. The wrong",
        "picture is that of the other voice, for noise that of somebody else.",
        "",
        "| | all | " + " | ".join(f"{kind} (n = {outcome.verdict.gains[kind].n})" for kind in kinds) + " | right % |",
        "|---|---|" + "---|" * len(kinds) + "---|",
        *(_row(title, figures, estimate, kinds) for title, figures, estimate in rows),
        f"| **paired gain** | **{interval(outcome.verdict.gain)}** | "
        + " | ".join(interval(outcome.verdict.gains[kind]) for kind in kinds) + " | |",
        "",
        f"Right picture above wrong picture: {_gap(outcome.before)} before, {_gap(outcome.after)} after, change"
        f" {interval(outcome.verdict.gap_change)}.",
    ]  # fmt: skip


def _row(title: str, figures: Sequence[Figures], estimate: Callable[[Figures], Estimate], kinds: Sequence[str]) -> str:
    parts = [figures, *([one for one in figures if one.mixture.kind == kind] for kind in kinds)]
    cells = [_improvement(part, estimate) for part in parts]
    right = 100 * sum(estimate(one).target_db > estimate(one).other_db for one in figures) / len(figures)
    told = "" if title.startswith("mixture") else f"{right:.0f}"  # at 0 dB a mixture is as near to the one as to the other
    return f"| {title} | " + " | ".join(cells) + f" | {told} |"


def _improvement(figures: Sequence[Figures], estimate: Callable[[Figures], Estimate]) -> str:
    return _short(recording_mean([estimate(one).target_db - one.floor.target_db for one in figures], [one.mixture for one in figures]))


def _short(mean: Mean) -> str:
    return f"{mean.value:+.1f} [{mean.low:+.1f}, {mean.high:+.1f}]"


def _gap(figures: Sequence[Figures]) -> str:
    return interval(recording_mean([one.gap_db for one in figures], [one.mixture for one in figures]))


def _speakers(outcome: Outcome) -> list[str]:
    """The gain for everybody who is seen, where somebody said who that is."""
    gains = defaultdict(list)
    for old, new in zip(outcome.before, outcome.after, strict=True):
        gains[old.mixture.target_speaker].append(new.own.target_db - old.own.target_db)
    if all(one.mixture.target_speaker == one.mixture.target_recording for one in outcome.before) or len(gains) > _MOST_SPEAKERS:
        return []
    lines = [f"| {_plain(name)} | {sum(values) / len(values):+.2f} | {len(values)} |" for name, values in sorted(gains.items())]
    return ["## Gain by who is seen", "", "| | mean gain, dB | mixtures |", "|---|---|---|", *lines]


def _material(outcome: Outcome) -> list[str]:
    lines = [
        "## What it learnt from",
        "",
        "| | recordings | files | pieces | used | left out: apart | left out: quiet |",
        "|---|---|---|---|---|---|---|",
    ]
    for part, takes, count in zip(("tune", "test"), (outcome.takes.tune, outcome.takes.test), outcome.takes.recordings, strict=True):
        found = outcome.checked[part]
        lines.append(
            f"| {part} | {count} | {len(takes)} | {found.pieces} ({found.seconds:.0f} s) | {found.kept} ({found.kept_seconds:.0f} s) |"
            f" {found.apart} | {found.quiet} |"
        )
    tested = sorted({take.recording for take in outcome.takes.test})
    more = f" and {len(tested) - _MOST_NAMES} more" if len(tested) > _MOST_NAMES else ""
    lines += [
        "",
        "Apart: the aligner finds that sound and picture do not belong together.",
        "",
        f"Tested on: {', '.join(_plain(name) for name in tested[:_MOST_NAMES])}{more}.",
    ]
    if outcome.skipped:
        lines += ["", f"{len(outcome.skipped)} files could not be used."]
    return lines


def _run(outcome: Outcome) -> list[str]:
    machine = outcome.machine
    times = ", ".join(f"{stage} {seconds / 60:.1f}" for stage, seconds in outcome.seconds.items())
    return [
        "## The run",
        "",
        f"{outcome.pace.steps} steps, planned at {outcome.pace.seconds_per_step:.2f} s each, on {machine.device} with {machine.threads} of"
        f" {machine.cores} cores. Minutes: {times}; {sum(outcome.seconds.values()) / 60:.1f} in all"
        " (of the last call; what an earlier one had done costs nothing).",
    ]


def _plain(text: str) -> str:
    """A name out of a file system as one line of Markdown without markup."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", "".join(c if c.isprintable() else "?" for c in text))
