"""The checkpoints that the authors released, and the way from any of them to a weights file of ours (spec 2.9, 3, 8).

    multisensory-nets.zip --members--> <prefix>.index, .data-00000-of-00001 --TensorBundle--> variables --load_variables--> .safetensors

Nothing of TensorFlow is needed. Every variable of the network has to be there in its shape, and nothing else may be there but what
`graph.is_left_out` names; the checksum of every tensor is compared while it is read.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from avsep_plugin.config import ModelConfig
from avsep_plugin.download import Progress, discard, download
from avsep_plugin.errors import ModelError
from avsep_plugin.models import checkpoint, published, store
from avsep_plugin.release.archive import checkpoints
from avsep_plugin.release.graph import is_left_out, load_variables
from avsep_plugin.release.tensor_bundle import TensorBundle

ARCHIVE_URL = "http://andrewowens.com/multisensory/multisensory-nets.zip"
"""Where the author put the archive in June 2021 (spec 8); not tried here."""
LICENCE = "Apache-2.0"


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
    """A checkpoint that was converted, and what it is called here."""

    name: str
    path: Path
    checks: tuple[Check, ...]
    variables: int
    left_out: int


@dataclass(frozen=True)
class Pulled:
    """What came out of the archive, and its checksum."""

    models: tuple[Imported, ...]
    sha256: str


def pull(mirrors: Sequence[str] = (), *, offline: bool = False, progress: Progress | None = None) -> Pulled | None:
    """Download, check and convert the authors' archive, and delete it; None where all of its models are here already.

    An archive that is damaged, foreign, or that lacks one of the models leaves nothing. Raises DownloadError, ModelError.
    """
    if all(store.path_of(released.name).is_file() for released in RELEASED):
        return None
    if offline:
        raise ModelError("The authors' models are not here; offline, `avsep models import` takes a copy of their archive.")
    archive = store.folder() / ARCHIVE_URL.rsplit("/", 1)[1]
    download(mirrors or [ARCHIVE_URL], archive, progress)
    try:
        digest = sha256(archive)
        pulled = Pulled(tuple(_import_release(archive, digest)), digest)
    except ModelError:
        discard(archive)
        raise
    discard(archive)
    return pulled


def _import_release(archive: Path, digest: str) -> list[Imported]:
    """All five models of an archive, or none: they are converted beside their places and moved there when all of them are right."""
    with tempfile.TemporaryDirectory(dir=store.folder(), prefix=".avsep-import-") as folder:
        scratch = Path(folder)
        with checkpoints(archive, scratch) as prefixes:
            remarks = {"archive_sha256": digest}
            done = [_convert(prefix, lambda released: scratch / f"{released.kind}.safetensors", None, remarks) for prefix in prefixes]
        lacking = {released.name for released in RELEASED} - {imported.name for imported in done}
        wrong = [f"the {check.what} of {one.name}" for one in done for check in one.checks if check.measured and not check.passed]
        if lacking or wrong:
            faults = [f"it lacks {name}" for name in sorted(lacking)] + [f"{what} is another" for what in wrong]
            raise ModelError(f"{archive.name} is not the authors' archive: {', '.join(faults)}.")
        return [_put_into_place(imported) for imported in done]


def _put_into_place(imported: Imported) -> Imported:
    path = store.path_of(imported.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return replace(imported, path=imported.path.replace(path))


def import_all(source: Path, name: str | None = None, kind: str | None = None) -> Iterator[Imported]:
    """Convert every checkpoint in an archive or folder, or the one at a prefix, into the folder of imported models, one after another.

    Raises ModelError: see `identify` and `checkpoints`; also where one name is given for several checkpoints.
    """
    store.folder().mkdir(parents=True, exist_ok=True)
    with checkpoints(source, store.folder()) as prefixes:
        for number, prefix in enumerate(prefixes):
            if name is not None and number:
                raise ModelError(f"{source} holds several checkpoints, which cannot all be called '{name}'.")
            yield _convert(prefix, lambda released: store.path_of(released.name if name is None else name), kind, {}, name)


def _convert(
    prefix: Path, target: Callable[[Released], Path], kind: str | None, remarks: Mapping[str, str], name: str | None = None
) -> Imported:
    """One checkpoint -> a weights file at `target`. Raises ModelError where it is not whole or of another network."""
    bundle = TensorBundle(prefix)
    released = identify(bundle, kind)
    checks = compare(bundle, released.record)
    config = replace(released.config(), name=released.name if name is None else name)
    model = checkpoint.build(config)
    names = [entry for entry in bundle.entries if not is_left_out(entry)]
    load_variables(model, {entry: torch.from_numpy(bundle.read(entry).copy()) for entry in names})
    about = {
        "source": prefix.name,
        "kind": released.kind,
        "purpose": released.purpose,
        "step": released.step,
        "licence": LICENCE,
        "checks": {check.what: "as recorded" if check.passed else f"{check.found}, not {check.expected}" for check in checks},
        **remarks,
    }
    path = target(released)
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(path, config, model.state_dict(), about)
    return Imported(config.name, path, checks, len(names), len(bundle.entries) - len(names))


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
