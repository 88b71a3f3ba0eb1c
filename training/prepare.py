"""footage -> shards: decode once, at the model's rates and size, so that training never waits for a decoder."""

import fnmatch
import logging
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from avsep_plugin.config import ModelConfig, PictureConfig
from avsep_plugin.discover import MEDIA_SUFFIXES
from avsep_plugin.dsp.resample import resample
from avsep_plugin.dsp.streams import to_stereo
from avsep_plugin.errors import AvsepError, DataError
from avsep_plugin.media.probe import probe
from avsep_plugin.media.read import AudioReader, FrameReader

from .shards import INT16_SCALE, Piece, ShardWriter, StoreConfig, read_manifest, write_store

log = logging.getLogger(__name__)

SEGMENT_SECONDS = 10
"""Longer clips are stored in pieces, as the paper's records are."""
MIN_SECONDS = 0.6
SILENCE_PEAK = 1e-3


@dataclass(frozen=True)
class Prepared:
    """How the sources of this call stand: stored, known before (stored or skipped), and source -> reason for those skipped."""

    stored: int
    already: int
    skipped: dict[str, str]


def prepare(
    folders: Sequence[Path],
    output: Path,
    model: ModelConfig,
    *,
    exclude: Sequence[str] = (),
    only: Sequence[str] | None = None,
    files: Collection[str] | None = None,
    speaker_pattern: str = "",
    jobs: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Decode every media file under `folders` into shards in `output`; goes on where an earlier call stopped.

    Each folder is a corpus, known by its name. `exclude` and `only` are glob patterns on <corpus>/<path in it>; `files` names paths inside
    the folders, of which no others are taken, and those that are not found are told as skipped. The first group that matches of
    `speaker_pattern`, searched in the file's name, says who is seen, so that a person is never paired with himself.
    Files without sound, too short, silent or damaged are skipped; files without picture are stored as sound. For a model that recognises
    actions silence is kept, and stored where a picture has no sound, because many actions make none.
    Raises DataError where the folders hold no media, or two of them have the same name.
    """
    output.mkdir(parents=True, exist_ok=True)
    _check_names(folders)
    store = StoreConfig(model.sample_rate_hz, model.picture)
    write_store(output, store)
    sources = _sources(folders, exclude, only, files)
    if not sources:
        raise DataError("No media in " + ", ".join(str(folder) for folder in folders) + " that is not excluded.")
    with ShardWriter(output) as writer:
        before = {line["source"]: line["skipped"] for line in read_manifest(output)}
        todo = [(name, path) for name, path in sources if name not in before]
        skipped = {name: before[name] for name, _ in sources if before.get(name)}
        for number, (name, pieces) in enumerate(_decoded(todo, store, jobs, model.task == "action")):
            reason = None
            try:
                if not writer.add(name, _corpus(name), _speaker(name, speaker_pattern), pieces):
                    reason = f"shorter than {MIN_SECONDS} s, or silent"
            except AvsepError as exc:
                reason = str(exc)
            if reason is not None:
                writer.skip(name, reason)
                skipped[name] = reason
            if progress:
                progress(number + 1, len(todo))
    there = {name.split("/", 1)[1] for name, _ in sources}
    missing = dict.fromkeys(sorted(set(files or ()) - there), "is in the list, but not among the files")
    return Prepared(len(sources) - len(skipped), len(sources) - len(todo), skipped | missing)


def _check_names(folders: Sequence[Path]) -> None:
    names = [folder.resolve().name for folder in folders]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"Two of the folders are called '{name}'; a corpus is known by its folder's name, so rename one.")


def _sources(
    folders: Sequence[Path], exclude: Sequence[str], only: Sequence[str] | None, files: Collection[str] | None
) -> list[tuple[str, Path]]:
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
            if files is not None and path.relative_to(folder).as_posix() not in files:
                continue
            if only is None or any(fnmatch.fnmatch(name, pattern) for pattern in only):
                found.append((name, path))
    return found


def _corpus(name: str) -> str:
    return name.split("/", 1)[0]


def _speaker(name: str, pattern: str) -> str:
    match = re.search(pattern, Path(name).stem) if pattern else None
    return next(filter(None, match.groups()), "") if match else ""


def _decoded(
    sources: Sequence[tuple[str, Path]], store: StoreConfig, jobs: int, keep_silence: bool
) -> Iterator[tuple[str, Iterator[Piece]]]:
    """(name, pieces) of every source, in order; short ones are decoded ahead on threads, long ones piece by piece as they are asked for."""
    ahead: deque[tuple[str, Iterator[Piece]]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        for name, path in sources:
            pieces = _pieces(path, store, keep_silence)
            ahead.append((name, _result(pool.submit(list, pieces)) if _is_short(path) else pieces))
            if len(ahead) > 2 * jobs:
                yield ahead.popleft()
        yield from ahead


def _is_short(path: Path) -> bool:
    try:
        duration = probe(path).duration_seconds
    except AvsepError:
        return False
    return duration is not None and duration <= SEGMENT_SECONDS


def _result(pieces: Future[list[Piece]]) -> Iterator[Piece]:
    yield from pieces.result()


def _pieces(path: Path, store: StoreConfig, keep_silence: bool) -> Iterator[Piece]:
    info = probe(path)
    has_picture = info.video is not None
    if keep_silence and info.video is not None and not info.audio:
        yield from _mute_pieces(path, info.video.start_seconds, store)
        return
    with AudioReader(path) as audio:
        pictures = FrameReader(path, store.picture.frame_rate, audio.start_seconds, store.picture) if has_picture else None
        try:
            while (sound := audio.read(SEGMENT_SECONDS * audio.sample_rate_hz)).shape[1]:
                if sound.shape[1] < MIN_SECONDS * audio.sample_rate_hz:
                    break
                stereo = model_audio(sound, audio.sample_rate_hz, store.sample_rate_hz)
                count = round(stereo.shape[1] / store.samples_per_frame)
                frames = None if pictures is None else to_channels(pictures.read(count), store.picture)
                if keep_silence or np.abs(sound).max() >= SILENCE_PEAK:
                    yield stereo, frames
        finally:
            if pictures is not None:
                pictures.close()


def _mute_pieces(path: Path, start_seconds: Fraction, store: StoreConfig) -> Iterator[Piece]:
    """The pictures of a clip that has no sound track, with silence."""
    rate, done = store.picture.frame_rate, 0
    with FrameReader(path, rate, start_seconds, store.picture) as pictures:
        ended = False
        while not ended:
            frames = pictures.read(round(SEGMENT_SECONDS * rate))
            ended, count = pictures.last_frame is not None, pictures.last_frame
            frames = frames if count is None else frames[: max(count - done, 0)]
            done += len(frames)
            if len(frames) >= MIN_SECONDS * rate:
                yield np.zeros((2, round(len(frames) * store.samples_per_frame)), np.int16), to_channels(frames, store.picture)


def model_audio(sound: npt.NDArray[np.float32], from_hz: int, to_hz: int) -> npt.NDArray[np.int16]:
    """The two channels that a model hears, at its rate."""
    resampled = resample(to_stereo(torch.from_numpy(sound)).contiguous(), from_hz, to_hz).numpy()
    return np.asarray(np.rint(np.clip(resampled, -1, 1) * INT16_SCALE), np.int16)


def to_channels(frames: npt.NDArray[np.uint8], picture: PictureConfig) -> npt.NDArray[np.uint8]:
    """[N, S, S, 3] -> [N, S, S, channels]: grey pictures are the mean of the three colours, rounded."""
    if picture.channels == 3:
        return frames
    return np.asarray((frames.sum(axis=3, keepdims=True, dtype=np.uint16) + 1) // 3, np.uint8)
