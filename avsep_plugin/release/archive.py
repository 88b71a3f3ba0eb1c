"""Finds TensorFlow V2 checkpoints in an archive or a folder. Names in an archive are never trusted: what is unpacked gets names of ours."""

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from avsep_plugin.errors import ModelError, OutputError

_DATA_SUFFIX = ".data-00000-of-00001"
_INDEX_SUFFIX = ".index"
_LARGEST_CHECKPOINT = 4 * 2**30
_PLAIN = re.compile(r"[a-z][a-z-]{0,30}")


@contextmanager
def checkpoints(path: Path, scratch: Path) -> Iterator[Iterator[Path]]:
    """Prefixes of the checkpoints in an archive, a folder, or at a prefix; those of an archive are unpacked one at a time into `scratch`.

    Raises ModelError where there is none, or the archive is damaged.
    """
    if path.is_dir():
        prefixes = sorted(index.with_suffix("") for index in path.rglob(f"*{_INDEX_SUFFIX}"))
        _found(bool(prefixes), path)
        yield iter(prefixes)
    elif path.is_file() and zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory(dir=scratch, prefix=".avsep-unpack-") as folder:
            yield _unpacked(path, Path(folder))
    elif path.with_name(f"{path.name}{_INDEX_SUFFIX}").is_file():
        yield iter([path])
    elif path.suffix == _INDEX_SUFFIX and path.is_file():
        yield iter([path.with_suffix("")])
    else:
        raise ModelError(f"{path} is no archive, folder or prefix of a TensorFlow V2 checkpoint.")


def _unpacked(archive: Path, folder: Path) -> Iterator[Path]:
    """Unpack one checkpoint after the other under names of our own choice, keeping the last folder's name, which tells the kind."""
    try:
        with zipfile.ZipFile(archive) as packed:
            members = {member.filename: member for member in packed.infolist()}
            prefixes = sorted(name.removesuffix(_INDEX_SUFFIX) for name in members if name.endswith(_INDEX_SUFFIX))
            _found(bool(prefixes), archive)
            for prefix in prefixes:
                place = folder / _plain(PurePosixPath(prefix).parent.name)
                place.mkdir()
                for suffix in (_INDEX_SUFFIX, _DATA_SUFFIX):
                    _unpack(packed, members.get(prefix + suffix), place / f"net{suffix}", archive, prefix)
                yield place / "net"
                shutil.rmtree(place)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as exc:
        raise ModelError(f"{archive} is damaged: {exc}") from exc


def _unpack(packed: zipfile.ZipFile, member: zipfile.ZipInfo | None, target: Path, archive: Path, prefix: str) -> None:
    if member is None:
        raise ModelError(f"{archive} lacks a part of the checkpoint {prefix}.")
    free = shutil.disk_usage(target.parent).free
    if member.file_size > _LARGEST_CHECKPOINT:
        raise ModelError(f"{archive} holds a file of {member.file_size / 1e9:.1f} GB, which is no checkpoint of the release.")
    if member.file_size > free:
        raise OutputError(f"Unpacking {member.filename} takes {member.file_size / 1e9:.1f} GB; {free / 1e9:.1f} GB are free.")
    with packed.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 2**20)


def _plain(name: str) -> str:
    """A folder's name where it is a word and nothing else, else a harmless one."""
    return name if _PLAIN.fullmatch(name) else "checkpoint"


def _found(anything: bool, path: Path) -> None:
    if not anything:
        raise ModelError(f"There is no TensorFlow V2 checkpoint in {path}.")
