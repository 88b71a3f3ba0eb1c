"""The checkpoints that the authors released, and the way from any of them to a weights file of ours (spec 2.9, 3, 8).

    multisensory-nets.zip --members--> <prefix>.index, .data-00000-of-00001 --TensorBundle--> variables --load_variables--> .safetensors

Nothing of TensorFlow is needed. Every variable of the network has to be there in its shape, and nothing else may be there but what
`tensorflow.is_left_out` names; the checksum of every tensor is compared while it is read.
"""

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch

from avsep_plugin.config import ModelConfig
from avsep_plugin.errors import ModelError
from avsep_plugin.models import checkpoint, published
from avsep_plugin.models.tensor_bundle import TensorBundle
from avsep_plugin.models.tensorflow import is_left_out, load_variables

ARCHIVE_URL = "http://andrewowens.com/multisensory/multisensory-nets.zip"
"""Where the author put the archive in June 2021 (spec 8); not tried here."""
LICENCE = "Apache-2.0"

_DATA_SUFFIX = ".data-00000-of-00001"
_INDEX_SUFFIX = ".index"
_LARGEST_CHECKPOINT = 4 * 2**30


@dataclass(frozen=True)
class Record:
    """What is known of a checkpoint's files."""

    data_bytes: int
    index_bytes: int
    data_sha256: str | None = None
    measured: bool = False
    """True: recorded from the release itself; False: the sizes that the same training graph writes."""


@dataclass(frozen=True)
class Released:
    """One of the five checkpoints."""

    kind: str
    step: int
    purpose: str
    config: Callable[[], ModelConfig]
    record: Record

    @property
    def name(self) -> str:
        """What it is called here."""
        return f"multisensory/{self.kind}"


_FULL_SHA256 = "baaea29b6d1b887258ab3cded4972e74dcdc3f99138f751de0d3ac2693c2996c"

RELEASED = (
    Released("shift", 650_000, "is the sound in time with the picture (map of 7x7 cells)", published.shift, Record(288_432_752, 10_372)),
    Released("cam", 675_000, "where in the picture the sound comes from (map of 14x14 cells)", published.cam, Record(288_432_752, 10_372)),
    Released(
        "full",
        160_000,
        "on-screen voice from off-screen voice",
        published.full,
        Record(1_364_209_708, 25_545, _FULL_SHA256, measured=True),
    ),
    Released(
        "large",
        900_000,
        "on-screen from off-screen, trained longer on longer clips; its settings are taken from full and unverified",
        published.large,
        Record(1_364_209_708, 25_545),
    ),
    Released("unet-pit", 160_000, "two voices by their sound alone, in any order", published.unet_pit, Record(804_117_704, 9_709)),
)


@dataclass(frozen=True)
class Check:
    """One comparison with the record."""

    what: str
    expected: str
    found: str
    measured: bool

    @property
    def passed(self) -> bool:
        """Whether both are equal."""
        return self.expected == self.found


@dataclass(frozen=True)
class Imported:
    """A checkpoint that was converted."""

    released: Released
    path: Path
    checks: tuple[Check, ...]
    variables: int
    left_out: int


def import_checkpoint(prefix: Path, target: Callable[[Released], Path], kind: str | None = None) -> Imported:
    """Convert one checkpoint; `target` says where its weights file goes.

    Raises ModelError where it is not whole, of another network, or of a kind that nothing tells.
    """
    bundle = TensorBundle(prefix)
    released = identify(bundle, kind)
    checks = compare(bundle, released.record)
    model = checkpoint.build(released.config())
    names = [name for name in bundle.entries if not is_left_out(name)]
    load_variables(model, {name: torch.from_numpy(bundle.read(name).copy()) for name in names})
    about = {
        "source": prefix.name,
        "kind": released.kind,
        "step": released.step,
        "licence": LICENCE,
        "checks": {check.what: "as recorded" if check.passed else f"{check.found}, not {check.expected}" for check in checks},
    }
    path = target(released)
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(path, released.config(), model.state_dict(), about)
    return Imported(released, path, checks, len(names), len(bundle.entries) - len(names))


def identify(bundle: TensorBundle, kind: str | None = None) -> Released:
    """Which of the five it is: by its variables, then by the folder it lies in and by its number of steps.

    Raises ModelError where these contradict each other or `kind`, or do not tell.
    """
    scopes = {name.split("/", 1)[0] for name in bundle.entries}
    family = {"gen", "im"} & scopes
    kinds = {
        frozenset({"im"}): ("shift", "cam"),
        frozenset({"gen", "im"}): ("full", "large"),
        frozenset({"gen"}): ("unet-pit",),
    }.get(frozenset(family))
    if kinds is None:
        raise ModelError(f"{bundle.index_path} is a TensorFlow checkpoint, but of none of the multisensory networks.")
    candidates = {released.kind: released for released in RELEASED if released.kind in kinds}
    if kind is not None:
        if kind not in candidates:
            raise ModelError(f"{bundle.index_path} has the variables of {' or '.join(candidates)}, not of {kind}.")
        return candidates[kind]
    if len(candidates) == 1:
        return next(iter(candidates.values()))
    told = {found for found in (bundle.index_path.parent.name, _kind_by_step(bundle, candidates)) if found in candidates}
    if len(told) != 1:
        reason = "its folder and its number of steps contradict each other" if told else "neither its folder nor its number of steps tells"
        raise ModelError(f"{bundle.index_path} may be {' or '.join(candidates)}, {reason}; say which with --kind.")
    return candidates[told.pop()]


def _kind_by_step(bundle: TensorBundle, candidates: dict[str, Released]) -> str | None:
    step = int(bundle.read("global_step")) if "global_step" in bundle.entries else None
    return next((kind for kind, released in candidates.items() if released.step == step), None)


def compare(bundle: TensorBundle, record: Record) -> tuple[Check, ...]:
    """The files of a checkpoint against what is recorded of them."""
    checks = [
        Check("data size", str(record.data_bytes), str(bundle.data_path.stat().st_size), record.measured),
        Check("index size", str(record.index_bytes), str(bundle.index_path.stat().st_size), record.measured),
    ]
    if record.data_sha256 is not None:
        checks.append(Check("data sha256", record.data_sha256, sha256(bundle.data_path), record.measured))
    return tuple(checks)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    if member.file_size > _LARGEST_CHECKPOINT or member.file_size > free:
        raise ModelError(f"Unpacking {member.filename} takes {member.file_size / 1e9:.1f} GB; {free / 1e9:.1f} GB are free.")
    with packed.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 2**20)


def _plain(name: str) -> str:
    """A folder's name where it is one of the kinds, else a harmless one."""
    return name if name in {released.kind for released in RELEASED} else "checkpoint"


def _found(anything: bool, path: Path) -> None:
    if not anything:
        raise ModelError(f"There is no TensorFlow V2 checkpoint in {path}.")
