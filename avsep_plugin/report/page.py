"""Reviews -> one HTML page: Jinja with autoescape for the list, JSON for the player, style and script inlined and named by their hash.

Names may hold anything. In HTML they are escaped by Jinja, in the JSON every `<`, `>`, `&` and `'` is \\uXXXX, in addresses every byte
that is not a plain letter is %XX; the script puts texts into the page as text only. The policy of the page lets run this one script, and
load pictures from the page itself and media from files; nothing can reach a network.
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np
from markupsafe import Markup

from avsep_plugin import sidecar
from avsep_plugin.report.collect import Failure
from avsep_plugin.report.flags import flags
from avsep_plugin.report.review import Player, Review

GENERATOR = "avsep report"
"""By this the page says who made it, so that it may be replaced."""
_HIDDEN_OPTIONS = frozenset({"", None, False})
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Page:
    """What the page is to show. folder: the one that was looked through; target: the page's own path."""

    title: str
    folder: Path
    target: Path
    reviews: Sequence[Review]
    failures: Sequence[Failure]
    notes: Sequence[str]
    made: datetime


def render(page: Page) -> str:
    """The page as HTML."""
    clips = [_clip(number, seen, page) for number, seen in enumerate(page.reviews)]
    clips += [_failed(len(clips) + number, failure) for number, failure in enumerate(page.failures)]
    style, script = _data("page.css"), _data("page.js")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; media-src 'self' file: data:; "
        "base-uri 'none'; form-action 'none'"
    )
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    environment.filters |= {"seconds": clock, "lufs": lufs}
    return environment.from_string(_data("page.html")).render(
        title=printable(page.title), folder=printable(str(page.folder)), generator=GENERATOR, program=sidecar.program(),
        made=page.made, policy=policy, style=Markup(style), script=Markup(script), clips=clips, notes=[printable(note) for note in page.notes],
        total_seconds=sum(clip["duration"] for clip in clips), flagged=sum(bool(clip["flags"]) for clip in clips),
        kinds=_kinds(clips), has_sync=any(clip["sync"] for clip in clips), has_match=any(clip["match"] is not None for clip in clips),
    )  # fmt: skip


def link(path: Path, page: Path) -> str:
    """The address of a file as seen from a page: relative, every byte that is not a plain letter as %XX."""
    try:
        relative = os.path.relpath(path.absolute(), page.absolute().parent)
    except ValueError:  # another drive of Windows
        return path.absolute().as_uri()
    return "/".join(quote(os.fsencode(part), safe="") for part in Path(relative).parts)


def printable(text: str) -> str:
    """Bytes of a file name that are no UTF-8, which Python keeps as lone surrogates, are shown as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def lufs(value: float | None) -> str:
    """A loudness with a true minus sign; a dash where there is none."""
    return "–" if value is None else f"{value:.1f}".replace("-", "−")


def outline_text(outline: Sequence[float] | np.ndarray[Any, Any]) -> str:
    """Each value as one digit of base 36, in steps of 1.5 dB under full scale: 0 stands for -52.5 dB and everything below."""
    level = 20 * np.log10(np.maximum(np.asarray(outline, float), 1e-9))
    return "".join(_DIGITS[step] for step in np.clip(np.rint(35 + level / 1.5), 0, 35).astype(int).tolist())


def _clip(number: int, seen: Review, page: Page) -> dict[str, Any]:
    """One clip as the template and the script take it: plain values."""
    before, after = seen.player("original"), seen.player("delivered", "on")
    where = _relative(seen.entry.folder.parent, page.folder)
    return {
        "id": number, "name": printable(Path(seen.entry.input.path).name or seen.entry.folder.name), "where": printable(where),
        "source": printable(seen.entry.input.path), "duration": round(seen.duration_seconds, 3), "message": "",
        "picture": link(seen.picture, page.target) if seen.picture else None,
        "overlay": link(seen.overlay, page.target) if seen.overlay else None,
        "ratio": _ratio(seen), "sounds": [_sound(player, page) for player in seen.players],
        "before": _lufs(before), "after": _lufs(after), "match": _match(seen), "calibrated": seen.is_calibrated,
        "windows": [[round(one.start_seconds, 3), round(one.end_seconds, 3), round(one.probability, 3), int(one.abstained)] for one in seen.windows],
        "stills": [[round(still.seconds, 3), jpeg_address(still.jpeg)] for still in seen.stills],
        "thumb": jpeg_address(seen.thumb) if seen.thumb else None, "sync": _sync(seen),
        "flags": [{"kind": flag.kind, "level": flag.level, "label": flag.label, "detail": printable(flag.detail)} for flag in flags(seen)],
        "warnings": [printable(text) for made in seen.entry.made.values() for text in made.record.warnings] + list(map(printable, seen.notes)),
        "facts": _facts(seen), "files": _files(seen, page),
    }  # fmt: skip


def _failed(number: int, failure: Failure) -> dict[str, Any]:
    """An input that failed, in the same form."""
    path, message = Path(failure.input), printable(failure.message)
    flag = {"kind": "failed", "level": "bad", "label": "Failed", "detail": message}
    return {
        "id": number, "name": printable(path.name or failure.input), "where": printable(str(path.parent)), "source": printable(failure.input),
        "duration": 0.0, "message": message, "picture": None, "overlay": None, "ratio": None, "sounds": [], "before": None, "after": None,
        "match": None, "calibrated": True, "windows": [], "stills": [], "thumb": None, "sync": None, "flags": [flag], "warnings": [],
        "facts": [], "files": [],
    }  # fmt: skip


def _sound(player: Player, page: Page) -> dict[str, Any]:
    measured = player.measured
    loudness = measured.loudness
    return {
        "key": player.sound.key, "kind": player.sound.kind, "label": player.sound.label, "url": link(player.file, page.target),
        "start": round(float(measured.start_seconds), 6), "length": round(float(measured.length_seconds), 6),
        "lufs": _rounded(loudness.integrated_lufs), "peak": _rounded(loudness.peak_dbfs), "clipped": loudness.clipped_places,
        "outline": outline_text(measured.outline),
    }  # fmt: skip


def _lufs(player: Player | None) -> float | None:
    return _rounded(player.measured.loudness.integrated_lufs) if player else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _match(seen: Review) -> float | None:
    """The mean probability, weighted by the length of the windows."""
    length = sum(one.end_seconds - one.start_seconds for one in seen.windows)
    return round(sum(one.probability * (one.end_seconds - one.start_seconds) for one in seen.windows) / length, 3) if length else None


def _ratio(seen: Review) -> float | None:
    video = seen.info.video if seen.info else None
    return round(video.display_width / max(1, video.display_height), 4) if video else None


def _sync(seen: Review) -> dict[str, Any] | None:
    sync = seen.sync
    return None if sync is None else {"offset": sync.offset_seconds, "confidence": sync.confidence, "curve": sync.curve}


def _facts(seen: Review) -> list[tuple[str, str]]:
    """Name and value of what is known of how the clip was made."""
    facts = []
    video, info = (seen.info.video if seen.info else None), seen.info
    if info is not None and video is not None:
        rate = f", {float(video.average_rate):.5g} fps" if video.average_rate else ""
        facts.append(("Picture", f"{video.display_width} × {video.display_height}{rate}, {video.codec}"))
    if info is not None and info.timecode:
        facts.append(("Timecode", info.timecode))
    for task, made in sorted(seen.entry.made.items(), reverse=True):
        facts.append((f"Model ({task})", made.record.model.name))
        facts += [(name.replace("_", " "), _value(value)) for name, value in made.record.options.items() if _is_told(value)]
    facts += [("Made by", made.record.program) for made in list(seen.entry.made.values())[:1]]
    return [(printable(name), printable(value)) for name, value in facts]


def _is_told(value: Any) -> bool:
    return bool(value) if isinstance(value, list | dict) else value not in _HIDDEN_OPTIONS


def _value(value: Any) -> str:
    if value is True:
        return "yes"
    return ", ".join(map(_value, value)) if isinstance(value, list) else str(value)


def _files(seen: Review, page: Page) -> list[tuple[str, str, str]]:
    """Kind, name and address of the clip and all that was made of it."""
    files = [("clip", seen.source)] if seen.source else []
    files += [(kind, path) for made in seen.entry.made.values() for kind, path in made.files.items()]
    return [(printable(kind), printable(path.name), link(path, page.target)) for kind, path in files]


def _kinds(clips: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """Kind, name and number of clips of every mark by which the list can be filtered."""
    names = {
        "failed": "Failed", "unfinished": "Unfinished", "missing": "Files missing", "changed": "Files changed", "source": "Clip not found",
        "clipped": "Clipped", "abstained": "Abstained", "sync": "Out of sync", "warnings": "Warnings", "part": "Part only",
    }  # fmt: skip
    counts = {kind: sum(any(flag["kind"] == kind for flag in clip["flags"]) for clip in clips) for kind in names}
    return [(kind, name, counts[kind]) for kind, name in names.items() if counts[kind]]


def _relative(path: Path, folder: Path) -> str:
    try:
        return "" if path.absolute() == folder.absolute() else path.absolute().relative_to(folder.absolute()).as_posix()
    except ValueError:
        return ""


def jpeg_address(jpeg: bytes) -> str:
    """A JPEG inside the page."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _data(name: str) -> str:
    return (resources.files("avsep_plugin.report") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
