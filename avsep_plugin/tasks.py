"""What a batch does with every clip, as values that can be sent to a worker process: the model by name, the options as plain values.

PyTorch is loaded where the work is done, not where the task is made.
"""

import functools
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from avsep_plugin import sidecar
from avsep_plugin.discover import Job
from avsep_plugin.errors import AvsepError
from avsep_plugin.models import store
from avsep_plugin.plain import from_dict
from avsep_plugin.work import Progress

if TYPE_CHECKING:
    from avsep_plugin.localize_options import LocalizeFileOptions
    from avsep_plugin.models.fused import Aligner
    from avsep_plugin.models.separator import Separator
    from avsep_plugin.options import SeparateFileOptions
    from avsep_plugin.publish import FileResult
    from avsep_plugin.syncing import SyncedFile, SyncOptions


@dataclass(frozen=True)
class _ClipTask:
    """What the tasks have in common (see `work.Task`).

    model: a name or the path of a weights file. settings: fields of the task's options; the others keep their defaults.
    """

    model: str
    device: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_sha256: str = ""
    network: ClassVar[store.Task]
    """Which network of the model is used."""
    module: ClassVar[str]
    """Where the work is done."""

    def identified(self) -> Self:
        """See `work.Task`. The checksums of other files that change the result follow the model's."""
        used = [_fingerprint(self.model, self.network), *self._other_checksums()]
        return replace(self, model_sha256="+".join(used))

    def _other_checksums(self) -> Iterator[str]:
        mask = Path(self.settings.get("region") or "")
        if mask.suffix and mask.is_file():
            yield sidecar.sha256_of(mask)

    def prepare(self, threads: int) -> None:
        """See `work.Task`. Loads the module that does the work, so that this counts for no clip's time."""
        import torch

        importlib.import_module(self.module)
        torch.set_num_threads(threads)

    def seconds(self, job: Job) -> float | None:
        """See `work.Task`; a clip that cannot be read says so when it is handled."""
        from avsep_plugin.media.probe import probe

        try:
            seconds = probe(job.source).duration_seconds
        except AvsepError:
            return None
        return float(seconds) if seconds is not None else None


@dataclass(frozen=True)
class SeparateTask(_ClipTask):
    """Separate clips: `files.separate_file`. settings: fields of `options.SeparateFileOptions`.

    aligner: the model that judges whether sound and picture belong together, where the settings need one.
    """

    aligner: str = store.BUNDLED
    name: ClassVar[str] = "separate"
    network: ClassVar[store.Task] = "separate"
    module: ClassVar[str] = "avsep_plugin.files"

    def _other_checksums(self) -> Iterator[str]:
        if self.settings.get("abstain_below") or self.settings.get("confidence"):
            yield _fingerprint(self.aligner, "align")
        yield from super()._other_checksums()

    def expected(self, job: Job) -> dict[str, Path]:
        """See `work.Task`."""
        from avsep_plugin.outputs import separation_outputs

        return separation_outputs(job.source, job.out_dir, self.options())

    def handle(self, job: Job, progress: Progress) -> "FileResult":
        """See `work.Task`."""
        from avsep_plugin.files import separate_file

        options = self.options()
        judge = _aligner(self.aligner, self.device) if options.needs_aligner else None
        return separate_file(job.source, job.out_dir, _separator(self.model, self.device), options, progress, judge)

    def options(self) -> "SeparateFileOptions":
        """The settings as the library takes them. Raises ConfigError for an unknown one, or a value of the wrong kind."""
        from avsep_plugin.options import SeparateFileOptions

        return from_dict(SeparateFileOptions, dict(self.settings))


@dataclass(frozen=True)
class LocalizeTask(_ClipTask):
    """Find where in the picture the sound comes from: `localisation.localize_file`.

    settings: fields of `localize_options.LocalizeFileOptions`.
    """

    name: ClassVar[str] = "localize"
    network: ClassVar[store.Task] = "align"
    module: ClassVar[str] = "avsep_plugin.localisation"

    def _other_checksums(self) -> Iterator[str]:
        yield from super()._other_checksums()
        other = self.settings.get("with_audio")
        if other and Path(other).is_file():
            yield sidecar.sha256_of(Path(other))

    def expected(self, job: Job) -> dict[str, Path]:
        """See `work.Task`."""
        from avsep_plugin.localize_options import localisation_outputs

        return localisation_outputs(job.out_dir, self.options())

    def handle(self, job: Job, progress: Progress) -> "FileResult":
        """See `work.Task`."""
        from avsep_plugin.localisation import localize_file

        return localize_file(job.source, job.out_dir, _aligner(self.model, self.device), self.options(), progress)

    def options(self) -> "LocalizeFileOptions":
        """The settings as the library takes them. Raises ConfigError for an unknown one, or a value of the wrong kind."""
        from avsep_plugin.localize_options import LocalizeFileOptions

        return from_dict(LocalizeFileOptions, dict(self.settings))


@dataclass(frozen=True)
class SyncTask(_ClipTask):
    """Measure how late the sound is, and put it right if asked: `syncing.sync_file`. settings: fields of `syncing.SyncOptions`."""

    name: ClassVar[str] = "sync"
    network: ClassVar[store.Task] = "align"
    module: ClassVar[str] = "avsep_plugin.syncing"

    def expected(self, job: Job) -> dict[str, Path]:
        """See `work.Task`."""
        from avsep_plugin.syncing import sync_outputs

        return sync_outputs(job.source, job.out_dir, self.options())

    def handle(self, job: Job, progress: Progress) -> "SyncedFile":
        """See `work.Task`."""
        from avsep_plugin.syncing import sync_file

        return sync_file(job.source, job.out_dir, _aligner(self.model, self.device), self.options(), progress)

    def options(self) -> "SyncOptions":
        """The settings as the library takes them. Raises ConfigError for an unknown one, or a value of the wrong kind."""
        from avsep_plugin.syncing import SyncOptions

        return from_dict(SyncOptions, dict(self.settings))


def _fingerprint(model: str, task: store.Task) -> str:
    """Checksum of the weights file that is meant. Raises ModelError where there is none."""
    path = store.weights(model, task)
    if path is None:
        from avsep_plugin.models import zoo

        path = zoo.find(model, task)
    return sidecar.sha256_of(path)


@functools.cache
def _separator(model: str, device: str) -> "Separator":
    """Loaded once in a process."""
    from avsep_plugin.models import zoo

    return zoo.load_separator(model, device)


@functools.cache
def _aligner(model: str, device: str) -> "Aligner":
    """Loaded once in a process."""
    from avsep_plugin.models import zoo

    return zoo.load_aligner(model, device)
