"""Checks a finished folder again, from the sidecars in it.

For every sidecar:   the outputs are there, with the size and the checksum that they had
                     both stems are equally long, at one rate, with the same channels
where the source is still there, and still the same:
                     the stems are as long as its sound, and add up to it within the written depth
                     the packets of the copied picture are those of the source
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avsep_plugin import sidecar
from avsep_plugin.errors import AvsepError, MediaError, NothingToDoError, SidecarError
from avsep_plugin.media.packets import picture_packets
from avsep_plugin.media.probe import AudioStream, probe
from avsep_plugin.media.read import AudioReader
from avsep_plugin.sidecar import Sidecar

_BLOCK_SAMPLES = 2**16
_FLOAT_TOLERANCE = 1e-6
_TOLERANT = "tolerate_damage"
_PARTS = ("start", "end", "pad_to_picture")
"""Options with which the stems do not begin and end with the source's sound: they are not compared with it."""


@dataclass(frozen=True)
class Checked:
    """What was found for one sidecar; without problems, everything that could be checked is right."""

    sidecar: str
    input: str
    problems: list[str]
    skipped: list[str]
    """What could not be checked, and why."""


def verify(folder: Path) -> Iterator[Checked]:
    """Check all finished work below a folder, in alphabetical order. Raises NothingToDoError where there is none."""
    found = False
    for path in sidecar.below(folder):
        found = True
        yield _check(path)
    if not found:
        raise NothingToDoError(f"{folder}: nothing in this folder was finished by avsep.")


def _check(path: Path) -> Checked:
    try:
        known = sidecar.read(path)
    except SidecarError as exc:
        return Checked(str(path), "", [str(exc)], [])
    if known is None:
        return Checked(str(path), "", [f"{path} is gone."], [])
    if path.name.startswith("."):
        return Checked(str(path), known.input.path, [f"{path.parent}: avsep was broken off while it wrote here; run it again."], [])
    problems = list(_outputs(path.parent, known))
    skipped: list[str] = []
    if not problems:
        try:
            problems += _stems(path.parent, known, skipped)
            problems += _picture(path.parent, known, skipped)
        except AvsepError as exc:
            problems.append(str(exc))
    return Checked(str(path), known.input.path, problems, skipped)


def _outputs(folder: Path, known: Sidecar) -> Iterator[str]:
    for written in known.outputs.values():
        path = folder / written.name
        if not path.exists():
            yield f"{path} is gone."
        elif sidecar.size_of(path) != written.size:
            yield f"{path} has {sidecar.size_of(path)} bytes; it was written with {written.size}."
        elif sidecar.sha256_of(path) != written.sha256:
            yield f"{path} was changed: its checksum is not that of the file that was written."


def _source(known: Sidecar) -> tuple[Path | None, str]:
    """The source where it is still what it was, else why it is not compared."""
    path = Path(known.input.path)
    try:
        if sidecar.look_at(path).is_same_file_as(known.input):
            return path, ""
    except MediaError:
        return None, f"the source {path} is not there"
    return None, f"the source {path} has changed since"


def _stems(folder: Path, known: Sidecar, skipped: list[str]) -> Iterator[str]:
    source, why = _source(known)
    if known.options.get("reconstruction") == "original":
        source, why = None, "the original's two sounds do not add up to the source"
    elif any(known.options.get(key) for key in _PARTS):
        source, why = None, "the stems are of a part of the source, or padded"
    pairs = list(_pairs(folder, known))
    if source is None and pairs:
        skipped.append(f"{folder}: the stems were not compared with the source: {why}.")
    for on, off, track in pairs:
        yield from _compare(on, off, source, track, bool(known.options.get(_TOLERANT)))


def _pairs(folder: Path, known: Sidecar) -> Iterator[tuple[Path, Path, int]]:
    """On-screen stem, off-screen stem and number (from 0) of each sound track that was separated."""
    for kind, on in known.outputs.items():
        match = re.fullmatch(r"(?:track(\d+)-)?on", kind)
        off = known.outputs.get(f"{kind.removesuffix('on')}off")
        if match and off:
            track = int(match[1]) - 1 if match[1] else int(known.options.get("track") or 0)
            yield folder / on.name, folder / off.name, track


def _compare(on: Path, off: Path, source: Path | None, track: int, tolerate_damage: bool) -> Iterator[str]:
    """Both stems against each other, and their sum against the source's sound, in blocks."""
    first, second = (_sound(path) for path in (on, off))
    if (first.sample_rate_hz, first.channels) != (second.sample_rate_hz, second.channels):
        yield f"{on} and {off} are not alike: {_form(first)}, {_form(second)}."
        return
    readers = [AudioReader(on), AudioReader(off)]
    try:
        if source is not None:
            readers.append(AudioReader(source, track, tolerate_damage))
            if (readers[2].sample_rate_hz, readers[2].channels) != (first.sample_rate_hz, first.channels):
                yield f"{on} has {_form(first)}; its source has {readers[2].sample_rate_hz} Hz, {readers[2].channels} channels."
                return
        yield from _null(readers, on, off, _step(first))
    finally:
        for reader in readers:
            reader.close()


def _null(readers: list[AudioReader], on: Path, off: Path, step: float) -> Iterator[str]:
    """The first and the second add up to the third, rounded and limited to steps of the written depth (0: float)."""
    place, worst, where = 0, 0.0, 0
    while True:
        blocks = [reader.read(_BLOCK_SAMPLES) for reader in readers]
        lengths = [block.shape[1] for block in blocks]
        if len(set(lengths)) > 1:
            ends = " and its source" if len(lengths) == 3 and lengths[0] == lengths[1] else f" and {off}"
            yield f"{on}{ends} are not equally long: they end after {', '.join(str(place + length) for length in lengths)} samples."
            return
        if not lengths[0]:
            break
        if len(blocks) == 3:
            total = np.clip(blocks[2].astype(np.float64), -1, 1 - step) if step else blocks[2].astype(np.float64)
            error = np.abs(blocks[0].astype(np.float64) + blocks[1] - total).max(axis=0)
            if error.max() > worst:
                worst, where = float(error.max()), place + int(error.argmax())
        place += lengths[0]
    if worst > (0.501 * step or _FLOAT_TOLERANCE):
        yield f"{on} and {off} do not add up to the source: they miss it by {worst:.2g} of full scale at sample {where}."


def _sound(path: Path) -> AudioStream:
    sounds = probe(path).audio
    if not sounds:
        raise MediaError(f"{path} has no sound.")
    return sounds[0]


def _form(sound: AudioStream) -> str:
    return f"{sound.sample_rate_hz} Hz, {sound.channels} channels"


def _step(stem: AudioStream) -> float:
    """One step of the written depth, of full scale; 0 for float samples."""
    return 0.0 if stem.is_float or stem.bits_per_sample is None else 2.0 ** (1 - stem.bits_per_sample)


def _picture(folder: Path, known: Sidecar, skipped: list[str]) -> Iterator[str]:
    if "video" not in known.outputs:
        return
    copy = folder / known.outputs["video"].name
    source, why = (None, "damage of it is tolerated") if known.options.get(_TOLERANT) else _source(known)
    if source is None:
        skipped.append(f"{folder}: the picture was not compared with the source: {why}.")
        return
    here, there = picture_packets(copy), picture_packets(source)
    if here is None or there is None or here.container != there.container:
        skipped.append(f"{folder}: the picture was not compared with the source: the container is another one.")
    elif (here.count, here.sha256) != (there.count, there.sha256):
        yield f"{copy}: its picture ({here.count} packets) is not that of the source ({there.count} packets), packet by packet."
