"""Reviews -> cards: what the page is given of one clip, as plain values that go into the template and, as JSON, into the script."""

from pathlib import Path
from typing import Any

from avsep_plugin.report.collect import Failure
from avsep_plugin.report.flags import flags
from avsep_plugin.report.review import Player, Review
from avsep_plugin.report.texts import jpeg_address, link, outline_text, printable

Card = dict[str, Any]

_EMPTY: Card = {
    "where": "", "duration": 0.0, "message": "", "picture": None, "overlay": None, "ratio": None, "sounds": [], "before": None,
    "after": None, "match": None, "calibrated": True, "windows": [], "stills": [], "thumb": None, "sync": None, "flags": [],
    "warnings": [], "facts": [], "files": [],
}  # fmt: skip


def card(number: int, seen: Review, folder: Path, page: Path) -> Card:
    """One clip; addresses are as seen from the page, names of folders as seen from the folder that was looked through."""
    name = Path(seen.entry.input.path).name or seen.entry.folder.name
    return _EMPTY | {
        "id": number,
        "name": printable(name),
        "where": printable(_relative(seen.entry.folder.parent, folder)),
        "source": printable(seen.entry.input.path),
        "duration": round(seen.duration_seconds, 3),
        "facts": _facts(seen),
        "files": _files(seen, page),
        "flags": [
            {"kind": flag.kind, "level": flag.level, "label": flag.label, "detail": printable(flag.detail)} for flag in flags(seen)
        ],
        "warnings": [printable(text) for made in seen.entry.made.values() for text in made.record.warnings]
        + [printable(note) for note in seen.notes],
        **_heard(seen, page),
        **_shown(seen, page),
    }  # fmt: skip


def failed_card(number: int, failure: Failure) -> Card:
    """An input of which nothing was made."""
    path, message = Path(failure.input), printable(failure.message)
    flag = {"kind": "failed", "level": "bad", "label": "Failed", "detail": message}
    said = {"name": printable(path.name or failure.input), "where": printable(str(path.parent)), "source": printable(failure.input)}
    return _EMPTY | {"id": number, "message": message, "flags": [flag]} | said


def _heard(seen: Review, page: Path) -> Card:
    """Sounds, loudness, and how sound and picture go together."""
    sync = seen.sync
    return {
        "sounds": [_sound(player, page) for player in seen.players],
        "before": _lufs(seen.player("original")),
        "after": _lufs(seen.player("delivered", "on")),
        "match": _match(seen),
        "calibrated": seen.is_calibrated,
        "windows": [
            [round(one.start_seconds, 3), round(one.end_seconds, 3), round(one.probability, 3), int(one.abstained)] for one in seen.windows
        ],
        "sync": None if sync is None else {"offset": sync.offset_seconds, "confidence": sync.confidence, "curve": sync.curve},
    }


def _shown(seen: Review, page: Path) -> Card:
    """Picture, heat map and stills."""
    video = seen.info.video if seen.info else None
    return {
        "picture": link(seen.picture, page) if seen.picture else None,
        "overlay": link(seen.overlay, page) if seen.overlay else None,
        "ratio": round(video.display_width / max(1, video.display_height), 4) if video else None,
        "stills": [[round(still.seconds, 3), jpeg_address(still.jpeg)] for still in seen.stills],
        "thumb": jpeg_address(seen.thumb) if seen.thumb else None,
    }


def _sound(player: Player, page: Path) -> Card:
    measured, loudness = player.measured, player.measured.loudness
    return {
        "key": player.sound.key,
        "kind": player.sound.kind,
        "label": player.sound.label,
        "url": link(player.file, page),
        "start": round(float(measured.start_seconds), 6),
        "length": round(float(measured.length_seconds), 6),
        "lufs": _rounded(loudness.integrated_lufs),
        "peak": _rounded(loudness.peak_dbfs),
        "clipped": loudness.clipped_places,
        "outline": outline_text(measured.outline),
    }


def _lufs(player: Player | None) -> float | None:
    return _rounded(player.measured.loudness.integrated_lufs) if player else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _match(seen: Review) -> float | None:
    """The mean probability, weighted by the length of the windows."""
    length = sum(one.end_seconds - one.start_seconds for one in seen.windows)
    return round(sum(one.probability * (one.end_seconds - one.start_seconds) for one in seen.windows) / length, 3) if length else None


def _facts(seen: Review) -> list[tuple[str, str]]:
    """Name and value of what is known of the clip and of how it was made."""
    facts = []
    info, video = seen.info, seen.info.video if seen.info else None
    if video is not None:
        rate = f", {float(video.average_rate):.5g} fps" if video.average_rate else ""
        facts.append(("Picture", f"{video.display_width} × {video.display_height}{rate}, {video.codec}"))
    if info is not None and info.timecode:
        facts.append(("Timecode", info.timecode))
    for task, made in sorted(seen.entry.made.items(), reverse=True):
        facts.append((f"Model ({task})", made.record.model.name))
        told = {name: value for name, value in made.record.options.items() if value is not False and value not in (None, "", [], {})}
        facts += [(name.replace("_", " "), _value(name, value)) for name, value in told.items()]
    facts += [("Made by", made.record.program) for made in list(seen.entry.made.values())[:1]]
    return [(printable(name), printable(value)) for name, value in facts]


def _value(name: str, value: Any) -> str:
    """An option as its user gave it: tracks are counted from 1."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_value("", one) for one in value)
    return str(value + 1) if name == "track" and isinstance(value, int) else str(value)


def _files(seen: Review, page: Path) -> list[tuple[str, str, str]]:
    """Kind, name and address of the clip and all that was made of it."""
    files = [("clip", seen.source)] if seen.source else []
    files += [(kind, path) for made in seen.entry.made.values() for kind, path in made.files.items()]
    return [(printable(kind), printable(path.name), link(path, page)) for kind, path in files]


def _relative(path: Path, folder: Path) -> str:
    """Empty where both are the same."""
    try:
        relative = path.absolute().relative_to(folder.absolute()).as_posix()
    except ValueError:
        return ""
    return "" if relative == "." else relative
