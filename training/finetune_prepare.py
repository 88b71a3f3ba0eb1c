"""Takes and noises -> two folders of shards, one to tune and one to test.

    WORK/tune, WORK/test    shards with two corpora: "footage", the takes cut into pieces, and "noise", sound alone
    .../prepared.jsonl      the manifest as it was when all was prepared; what is used of it may be less (see `finetune_check`)

Long takes are cut at their shots, and shots into pieces of at most PIECE_SECONDS, so that a question asked from behind the camera, or a
look at somebody who listens, costs its own pieces and not the take.
"""

import itertools
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from avsep_plugin.atomic import atomic
from avsep_plugin.errors import AvsepError, DataError
from avsep_plugin.media.read import AudioReader, FrameReader
from avsep_plugin.media.shots import find_cuts
from avsep_plugin.scenes.noise import NOISE_KINDS, make_noise

from .prepare import MIN_SECONDS, SILENCE_PEAK, model_audio, to_channels
from .shards import INT16_SCALE, Piece, ShardWriter, StoreConfig, read_manifest, write_store
from .takes import Take, by_hash, media_below

FOOTAGE, NOISE = "footage", "noise"
PIECE_SECONDS = 4
_NOISE_SECONDS = 8
_RENDERED = {"tune": 12, "test": 6}
"""Noises of each kind that are rendered where the studio has none of its own."""
_MOST_NOISES = {"tune": 300, "test": 100}

Progress = Callable[[int, int], None]


def seconds_per_file(takes: Sequence[Take], footage_minutes: float) -> float:
    """The longest stretch of each file with which all of them stay within so many minutes; short ones leave their rest to long ones."""
    left, lengths = 60 * footage_minutes, sorted(take.seconds for take in takes)
    for number, seconds in enumerate(lengths):
        share = left / (len(lengths) - number)
        if seconds > share:
            return share
        left -= seconds
    return max(lengths, default=0.0) + 1


def prepare_takes(
    folder: Path, takes: Sequence[Take], output: Path, store: StoreConfig, most_seconds: float, progress: Progress | None = None
) -> None:
    """Decode takes into shards; goes on where an earlier call stopped. What cannot be used is noted there, and why.

    progress(done, total) in seconds of footage. Raises DataError where the output was prepared with other settings.
    """
    output.mkdir(parents=True, exist_ok=True)
    write_store(output, store)
    known = {line["source"] for line in read_manifest(output)}
    total = round(sum(min(take.seconds, most_seconds) for take in takes))
    done = 0.0
    with ShardWriter(output) as writer:
        for take in takes:
            if source(take) not in known and (reason := _add(writer, folder, take, store, most_seconds)):
                writer.skip(source(take), reason)
            done += min(take.seconds, most_seconds)
            if progress:
                progress(round(done), total)


def source(take: Take) -> str:
    """The name of a take in the shards."""
    return f"{FOOTAGE}/{take.name}"


def _add(writer: ShardWriter, folder: Path, take: Take, store: StoreConfig, most_seconds: float) -> str | None:
    """Put a take into the shards; why it cannot be, else None."""
    try:
        pieces = shot_pieces(folder / take.name, store, Fraction(most_seconds))
        return None if writer.add(source(take), FOOTAGE, take.speaker, pieces) else f"no shot of {MIN_SECONDS} s that sounds"
    except AvsepError as exc:
        return str(exc)


def shot_pieces(path: Path, store: StoreConfig, most_seconds: Fraction) -> Iterator[Piece]:
    """Pieces of the first `most_seconds` of a clip, none of which has a cut in it; silent and very short ones are left out.

    All edges lie between two of the model's frames and are counted from the first sample, so that nothing drifts.
    """
    rate = store.picture.frame_rate
    with AudioReader(path) as audio, FrameReader(path, rate, audio.start_seconds, store.picture) as pictures:
        cuts = find_cuts(path, end_seconds=audio.start_seconds + most_seconds).merged(audio.start_seconds)
        first = 0
        for stop in _edges([math.ceil(cut * rate - Fraction(1, 2)) for cut in cuts], round(PIECE_SECONDS * rate)):
            stop = min(stop, max(round(most_seconds * rate), 1))
            samples = round(stop * audio.sample_rate_hz / rate) - round(first * audio.sample_rate_hz / rate)
            sound = audio.read(samples)
            frames = to_channels(pictures.read(round(sound.shape[1] * rate / audio.sample_rate_hz)), store.picture)
            if sound.shape[1] >= MIN_SECONDS * audio.sample_rate_hz and np.abs(sound).max() >= SILENCE_PEAK:
                yield model_audio(sound, audio.sample_rate_hz, store.sample_rate_hz), frames
            if sound.shape[1] < samples or stop >= most_seconds * rate:
                return
            first = stop


def _edges(cuts: Sequence[int], step: int) -> Iterator[int]:
    """Where pieces end, in frames: at every cut, and between cuts at equal distances of at most `step`; behind the last one for ever."""
    start = 0
    for cut in cuts:
        parts = -(-(cut - start) // step)
        yield from (start + (cut - start) * number // parts for number in range(1, parts + 1))
        start = cut
    yield from itertools.count(start + step, step)


def prepare_noise(noise: Path | None, part: str, output: Path, store: StoreConfig, test_share: float) -> None:
    """Put the noises of "tune" or of "test" into shards, no file of `noise` into both; rendered ones where it is None.

    Raises DataError where the folder has too few usable files for that part.
    """
    output.mkdir(parents=True, exist_ok=True)
    write_store(output, store)
    known = {line["source"] for line in read_manifest(output)}
    count = 0
    with ShardWriter(output) as writer:
        for name, piece in _rendered(part, store) if noise is None else _recorded(noise, part, store, test_share):
            count += 1
            if f"{NOISE}/{name}" not in known:
                writer.add(f"{NOISE}/{name}", NOISE, "", [piece])
    if not count:
        raise DataError(f"{noise} has no usable sound to {part} with; it takes two files at least, or leave --noise out.")


def _rendered(part: str, store: StoreConfig) -> Iterator[tuple[str, Piece]]:
    """Noises of the project's own; no key is drawn for both parts."""
    for kind, number in itertools.product(NOISE_KINDS, range(_RENDERED[part])):
        sound = make_noise(kind, _NOISE_SECONDS * store.sample_rate_hz, store.sample_rate_hz, number + 1000 * (part == "test"))
        yield f"{kind}-{part}-{number}", (np.rint(np.stack([sound, sound]).clip(-1, 1) * INT16_SCALE).astype(np.int16), None)


def _recorded(folder: Path, part: str, store: StoreConfig, test_share: float) -> Iterator[tuple[str, Piece]]:
    """The beginning of every file of a part that can be read and sounds."""
    names = sorted(media_below(folder), key=by_hash)
    tested = max(1, round(test_share * len(names)))
    for name in (names[:tested] if part == "test" else names[tested:])[: _MOST_NOISES[part]]:
        try:
            with AudioReader(folder / name) as audio:
                sound = audio.read(_NOISE_SECONDS * audio.sample_rate_hz)
                if sound.shape[1] >= MIN_SECONDS * audio.sample_rate_hz and np.abs(sound).max() >= SILENCE_PEAK:
                    yield name, (model_audio(sound, audio.sample_rate_hz, store.sample_rate_hz), None)
        except AvsepError:
            continue


def close(output: Path) -> None:
    """Note that a folder of shards is complete."""
    with atomic(output / "prepared.jsonl") as temporary:
        shutil.copyfile(output / "manifest.jsonl", temporary)


def skipped(output: Path) -> dict[str, str]:
    """Source -> why nothing of it could be used."""
    return {line["source"]: line["skipped"] for line in read_manifest(output) if line["skipped"]}


def is_closed(output: Path) -> bool:
    """Whether all was prepared."""
    return (output / "prepared.jsonl").is_file()
