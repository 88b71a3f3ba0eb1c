"""footage -> shards: decode once, at the model's rates and size, so that training never waits for a decoder."""

import fnmatch
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from avsep_plugin.config import ModelConfig, PictureConfig
from avsep_plugin.discover import MEDIA_SUFFIXES
from avsep_plugin.dsp.resample import resample
from avsep_plugin.errors import AvsepError, DataError
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader, FrameReader

from .shards import INT16_SCALE, Segment, StoreConfig, manifest_line, mend_manifest, read_manifest, write_shard, write_store

log = logging.getLogger(__name__)

SEGMENT_SECONDS = 10
"""Longer clips are stored in pieces, as the paper's records are."""
CLIPS_PER_SHARD = 200
MIN_SECONDS = 0.6
SILENCE_PEAK = 1e-3


@dataclass(frozen=True)
class Prepared:
    """What was done: sources stored, sources that were there before, and source -> reason for those skipped."""

    stored: int
    already: int
    skipped: dict[str, str]
    seconds: float


@dataclass(frozen=True)
class _Clip:
    source: str
    corpus: str
    speaker: str
    pieces: list[tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8] | None]]
    reason: str | None = None


def prepare(
    folders: Sequence[Path],
    output: Path,
    model: ModelConfig,
    *,
    exclude: Sequence[str] = (),
    only: Sequence[str] | None = None,
    speaker_pattern: str = "",
    jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Decode every media file under `folders` into shards in `output`; goes on where an earlier call stopped.

    Each folder is a corpus, known by its name. `exclude` and `only` are glob patterns on <corpus>/<path in it>. The first group that
    matches of `speaker_pattern`, searched in the file's name, says who is seen, so that a person is never paired with himself.
    Files without sound, too short, silent or damaged are skipped; files without picture are stored as sound.
    Raises DataError where the folders hold no media.
    """
    output.mkdir(parents=True, exist_ok=True)
    store = StoreConfig(model.sample_rate_hz, model.picture)
    write_store(output, store)
    sources = _sources(folders, exclude, only)
    if not sources:
        raise DataError("No media in " + ", ".join(str(folder) for folder in folders) + " that is not excluded.")
    mend_manifest(output)
    lines = list(read_manifest(output))
    done = {line["source"] for line in lines}
    todo = [(name, path) for name, path in sources if name not in done]
    skipped = {line["source"]: line["skipped"] for line in lines if line["skipped"]}
    seconds, number = 0.0, 1 + max((int(path.stem) for path in output.glob("[0-9]*.tar")), default=-1)
    with ThreadPoolExecutor(jobs) as pool:
        for start in range(0, len(todo), CLIPS_PER_SHARD):
            clips = list(pool.map(lambda item: _read(item[0], item[1], store, speaker_pattern), todo[start : start + CLIPS_PER_SHARD]))
            seconds += _write(output, number, clips) / model.sample_rate_hz
            number += 1
            skipped |= {clip.source: clip.reason for clip in clips if clip.reason}
            if progress:
                progress(min(start + CLIPS_PER_SHARD, len(todo)), len(todo))
    return Prepared(len(sources) - len(skipped), len(sources) - len(todo), skipped, seconds)


def _sources(folders: Sequence[Path], exclude: Sequence[str], only: Sequence[str] | None) -> list[tuple[str, Path]]:
    """(name, path) of all media, name = <corpus>/<path in it>."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = f"{folder.resolve().name}/{path.relative_to(folder).as_posix()}"
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if path.suffix.lower() not in MEDIA_SUFFIXES or hidden or not path.is_file():
                continue
            if any(fnmatch.fnmatch(name, pattern) for pattern in exclude):
                continue
            if only is None or any(fnmatch.fnmatch(name, pattern) for pattern in only):
                found.append((name, path))
    return found


def _read(name: str, path: Path, store: StoreConfig, speaker_pattern: str) -> _Clip:
    match = re.search(speaker_pattern, path.stem) if speaker_pattern else None
    speaker = next(filter(None, match.groups()), "") if match else ""
    corpus = name.split("/", 1)[0]
    try:
        pieces = list(_pieces(path, store))
    except AvsepError as exc:
        return _Clip(name, corpus, speaker, [], str(exc))
    return _Clip(name, corpus, speaker, pieces, None if pieces else "shorter than 0.6 s, or silent")


def _pieces(path: Path, store: StoreConfig) -> Iterator[tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8] | None]]:
    has_picture = probe(path).video is not None
    with AudioReader(path) as audio:
        pictures = FrameReader(path, store.picture.frame_rate, audio.start_seconds, store.picture) if has_picture else None
        try:
            while (sound := audio.read(SEGMENT_SECONDS * audio.sample_rate_hz)).shape[1]:
                if sound.shape[1] < MIN_SECONDS * audio.sample_rate_hz:
                    break
                stereo = _model_audio(sound, audio.sample_rate_hz, store.sample_rate_hz)
                count = round(stereo.shape[1] / store.samples_per_frame)
                frames = None if pictures is None else to_channels(pictures.read(count), store.picture)
                if np.abs(sound).max() >= SILENCE_PEAK:
                    yield stereo, frames
        finally:
            if pictures is not None:
                pictures.close()


def _model_audio(sound: npt.NDArray[np.float32], from_hz: int, to_hz: int) -> npt.NDArray[np.int16]:
    """Two channels at the model's rate: mono doubled, more than two averaged."""
    stereo = sound if sound.shape[0] == 2 else np.repeat(sound.mean(axis=0, keepdims=True), 2, axis=0)
    resampled = resample(torch.from_numpy(np.ascontiguousarray(stereo)), from_hz, to_hz).numpy()
    return np.asarray(np.rint(np.clip(resampled, -1, 1) * INT16_SCALE), np.int16)


def to_channels(frames: npt.NDArray[np.uint8], picture: PictureConfig) -> npt.NDArray[np.uint8]:
    """[N, S, S, 3] -> [N, S, S, channels]: grey pictures are the mean of the three colours, rounded."""
    if picture.channels == 3:
        return frames
    return np.asarray((frames.sum(axis=3, keepdims=True, dtype=np.uint16) + 1) // 3, np.uint8)


def _write(output: Path, number: int, clips: list[_Clip]) -> int:
    """One shard and its lines of the manifest -> samples written."""
    shard = f"{number:05d}.tar"
    arrays: list[tuple[str, npt.NDArray[Any]]] = []
    for clip in clips:
        for piece, (audio, frames) in enumerate(clip.pieces):
            arrays.append((f"{clip.source}#{piece}.audio", audio))
            if frames is not None:
                arrays.append((f"{clip.source}#{piece}.frames", frames))
    places = write_shard(output / shard, arrays) if arrays else {}
    lines = []
    for clip in clips:
        keys = [f"{clip.source}#{piece}" for piece in range(len(clip.pieces))]
        segments = [
            Segment(key, clip.corpus, clip.source, clip.speaker, shard, places[f"{key}.audio"], places.get(f"{key}.frames")) for key in keys
        ]
        lines.append(manifest_line(clip.source, segments, clip.reason))
    with (output / "manifest.jsonl").open("a") as manifest:
        manifest.writelines(lines)
    return sum(audio.shape[1] for clip in clips for audio, _ in clip.pieces)
