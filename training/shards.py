"""Shards: uncompressed tar files of .npy arrays (what webdataset reads), with a manifest that says where each array lies in them.

    SHARDS/manifest.jsonl    one line a segment of a clip, or a source that was skipped and why
    SHARDS/00000.tar         <hash of the key>.frames.npy [n, S, S, C] uint8, <hash of the key>.audio.npy [2, m] int16

Because the tar is not compressed and the manifest knows the offsets, any stretch of any clip is read by mapping it into memory.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from avsep_plugin.atomic import atomic
from avsep_plugin.config import PictureConfig, from_dict, to_dict
from avsep_plugin.errors import ConfigError, DataError

INT16_SCALE = 32767.0


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
class Place:
    """Where an array lies: byte offset of its first item in the shard, and its shape."""

    offset: int
    shape: tuple[int, ...]


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
        if json.loads(path.read_text()) != values:
            raise DataError(f"{folder} was prepared with other settings; give another output folder.")
        return
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1))


def write_shard(path: Path, arrays: Sequence[tuple[str, npt.NDArray[Any]]]) -> dict[str, Place]:
    """Write named arrays into one tar, whole or not at all -> where each of them lies."""
    with atomic(path) as temporary:
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name, array in arrays:
                buffer = io.BytesIO()
                np.save(buffer, array, allow_pickle=False)
                info = tarfile.TarInfo(f"{member_name(name)}.npy")
                info.size = buffer.tell()
                buffer.seek(0)
                tar.addfile(info, buffer)
        return _places(temporary, [name for name, _ in arrays])


def member_name(name: str) -> str:
    """A webdataset member name: dots only before the kind of array, no more than USTAR takes; the manifest keeps the real name."""
    key, kind = name.rsplit(".", 1)
    return f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.{kind}"


def _places(path: Path, names: list[str]) -> dict[str, Place]:
    places = {}
    with tarfile.open(path) as tar, path.open("rb") as raw:
        for name, member in zip(names, tar.getmembers(), strict=True):
            raw.seek(member.offset_data)
            version = np.lib.format.read_magic(raw)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, _ = read(raw)
            places[name] = Place(raw.tell(), shape)
    return places


def manifest_line(source: str, segments: list[Segment], skipped: str | None = None) -> str:
    """One line of the manifest."""
    return json.dumps({"source": source, "skipped": skipped, "segments": [asdict(segment) for segment in segments]}) + "\n"
