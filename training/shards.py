"""Shards: webdataset's tar files, not compressed, with a manifest that says where each array lies in them.

    SHARDS/manifest.jsonl    one line a source: its segments and where they lie, or why it was skipped
    SHARDS/00000.tar         <member>.json, <member>.audio.npy [2, m] int16, <member>.frames.npy [n, S, S, C] uint8

`webdataset` streams them with no manifest: a sample is what has one member name; its json says key, corpus, source and speaker. Training
reads them at random places instead, by mapping any stretch of any clip into memory: a window of 1 s out of a piece of 10 s, and two clips
for every mixture, chosen by corpus and speaker, so that what batch n is made of is known before anything of it is read.
What no line of the manifest names does not count: it is the beginning of a source that turned out to be damaged, or of a stopped run.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from avsep_plugin.atomic import atomic
from avsep_plugin.config import PictureConfig
from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.plain import from_dict, to_dict

from .shard_file import Place, member, write_shard

INT16_SCALE = 32767.0
SHARD_BYTES = 256 * 2**20

Piece = tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8] | None]
"""Sound [2, m] int16 and pictures [n, S, S, C] uint8 of a stretch; None where there is no picture."""


@dataclass(frozen=True)
class StoreConfig:
    """What is stored of every clip."""

    sample_rate_hz: int
    picture: PictureConfig

    @property
    def samples_per_frame(self) -> Fraction:
        """Samples that go with one frame."""
        return Fraction(self.sample_rate_hz) / self.picture.frame_rate


@dataclass(frozen=True)
class Segment:
    """A stretch of a clip in the shards."""

    key: str
    """<corpus>/<path in it>#<number>."""
    corpus: str
    source: str
    speaker: str
    """Empty where nobody knows."""
    shard: str
    audio: Place
    frames: Place | None
    """None for sound without picture."""

    @property
    def member(self) -> str:
        """Name of its members in the tar, webdataset's `__key__`."""
        return member(self.key)


class Shards:
    """A folder of shards, opened for reading.

    Raises DataError where there is no manifest, or one of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.store = from_dict(StoreConfig, json.loads((folder / "store.json").read_text()))
        except (OSError, json.JSONDecodeError, ConfigError) as exc:
            raise DataError(f"{folder} does not hold prepared shards; make them with `avsep prepare`.") from exc
        self.segments = [segment for line in read_manifest(folder) for segment in line["segments"]]

    def frames(self, segment: Segment) -> npt.NDArray[np.uint8]:
        """Pictures of a segment, [n, S, S, C] uint8, mapped."""
        if segment.frames is None:
            raise DataError(f"{segment.key} has no picture.")
        frames: npt.NDArray[np.uint8] = self._map(segment, segment.frames, np.dtype(np.uint8))
        return frames

    def audio(self, segment: Segment) -> npt.NDArray[np.int16]:
        """Sound of a segment, [2, m] int16 at the store's rate, mapped."""
        audio: npt.NDArray[np.int16] = self._map(segment, segment.audio, np.dtype("<i2"))
        return audio

    def _map(self, segment: Segment, place: Place, dtype: np.dtype[Any]) -> Any:
        return np.memmap(self.folder / segment.shard, dtype=dtype, mode="r", offset=place.offset, shape=place.shape)


def read_manifest(folder: Path) -> Iterator[dict[str, Any]]:
    """Lines of the manifest: {"source", "skipped": reason or None, "segments": [Segment]}; an unfinished last one does not count."""
    path = folder / "manifest.jsonl"
    if not path.is_file():
        return
    for line in path.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            return
        entry = json.loads(line)
        entry["segments"] = [from_dict(Segment, values) for values in entry["segments"]]
        yield entry


def mend_manifest(folder: Path) -> None:
    """Cut off a last line that a crash left unfinished, so that the next one can be appended."""
    path = folder / "manifest.jsonl"
    if path.is_file():
        whole = path.read_bytes().rfind(b"\n") + 1
        with path.open("rb+") as file:
            file.truncate(whole)


def write_store(folder: Path, store: StoreConfig) -> None:
    """Note what is stored; refuses a folder that holds something else with DataError."""
    path = folder / "store.json"
    values = to_dict(store)
    if path.is_file():
        try:
            same = json.loads(path.read_text()) == values
        except (OSError, ValueError) as exc:
            raise DataError(f"{path} is damaged; give another output folder.") from exc
        if not same:
            raise DataError(f"{folder} was prepared with other settings; give another output folder.")
        return
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1))


@dataclass
class _Source:
    """A source on its way into the shards."""

    name: str
    corpus: str
    speaker: str
    segments: list[Segment] = field(default_factory=list)
    skipped: str | None = None


class ShardWriter:
    """Appends sources to a folder in shards of about SHARD_BYTES; no more than one shard and a piece is held in memory.

    A source counts when all its pieces are on disk. As a context manager: what is still held is written when the block ends well.
    """

    def __init__(self, folder: Path) -> None:
        mend_manifest(folder)
        self._folder = folder
        self._number = 1 + max((int(path.stem) for path in folder.glob("[0-9]*.tar")), default=-1)
        self._held: list[tuple[_Source, str, Piece]] = []
        self._bytes = 0
        self._finished: list[_Source] = []

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._write()

    def add(self, name: str, corpus: str, speaker: str, pieces: Iterable[Piece]) -> int:
        """Take all pieces of a source -> how many there were. What `pieces` raises goes on, and nothing of the source counts."""
        source, count = _Source(name, corpus, speaker), 0
        try:
            for piece in pieces:
                self._held.append((source, f"{name}#{count}", piece))
                self._bytes += sum(array.nbytes for array in piece if array is not None)
                count += 1
                if self._bytes >= SHARD_BYTES:
                    self._write()
        except BaseException:
            self._held = [held for held in self._held if held[0] is not source]
            raise
        if count:
            self._finished.append(source)
        return count

    def skip(self, name: str, reason: str) -> None:
        """Note that a source is left out, and why."""
        self._finished.append(_Source(name, "", "", skipped=reason))

    def _write(self) -> None:
        """The held pieces as one shard, then the manifest's lines of the sources that are complete."""
        shard = f"{self._number:05d}.tar"
        arrays: list[tuple[str, npt.NDArray[Any]]] = []
        for _, key, (audio, frames) in self._held:
            arrays.append((f"{key}.audio", audio))
            if frames is not None:
                arrays.append((f"{key}.frames", frames))
        if arrays:
            about = {key: {"key": key, "corpus": s.corpus, "source": s.name, "speaker": s.speaker} for s, key, _ in self._held}
            places = write_shard(self._folder / shard, arrays, about)
            self._number += 1
            for source, key, _ in self._held:
                audio_place, frames_place = places[f"{key}.audio"], places.get(f"{key}.frames")
                source.segments.append(Segment(key, source.corpus, source.name, source.speaker, shard, audio_place, frames_place))
        with (self._folder / "manifest.jsonl").open("a") as manifest:
            manifest.writelines(manifest_line(source.name, source.segments, source.skipped) for source in self._finished)
        self._held, self._bytes, self._finished = [], 0, []


def manifest_line(source: str, segments: list[Segment], skipped: str | None = None) -> str:
    """One line of the manifest."""
    return json.dumps({"source": source, "skipped": skipped, "segments": [asdict(segment) for segment in segments]}) + "\n"
