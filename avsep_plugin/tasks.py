"""What a batch does with every clip, as values that can be sent to a worker process: the model by name, the options as plain values.

PyTorch is loaded where the work is done, not where the task is made.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from avsep_plugin import sidecar
from avsep_plugin.config import from_dict
from avsep_plugin.discover import Job
from avsep_plugin.errors import AvsepError
from avsep_plugin.models import store
from avsep_plugin.work import Progress

if TYPE_CHECKING:
    from avsep_plugin.localize_options import LocalizeFileOptions
    from avsep_plugin.models.fused import Aligner
    from avsep_plugin.models.separator import Separator
    from avsep_plugin.options import SeparateFileOptions
    from avsep_plugin.publish import FileResult
    from avsep_plugin.syncing import SyncedFile, SyncOptions


@dataclass(frozen=True)
class SeparateTask:
    """Separate clips: `files.separate_file`.

    model: a name or the path of a weights file. settings: fields of `files.SeparateFileOptions`; the others keep their defaults.
    aligner: the model that judges whether sound and picture belong together, where the settings need one.
    """

    model: str
    device: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    aligner: str = store.BUNDLED
    model_sha256: str = ""
    name: ClassVar[str] = "separate"

    def identified(self) -> "SeparateTask":
        """See `work.Task`. The checksums of an aligner and of a region's mask follow the separator's: others give another result."""
        used = [_fingerprint(self.model, "separate")]
        if self.settings.get("abstain_below") or self.settings.get("confidence"):
            used.append(_fingerprint(self.aligner, "align"))
        mask = Path(self.settings.get("region") or "")
        if mask.suffix and mask.is_file():
            used.append(sidecar.sha256_of(mask))
        return replace(self, model_sha256="+".join(used))

    def prepare(self, threads: int) -> None:
        """See `work.Task`."""
        _prepare(threads)

    def expected(self, job: Job) -> dict[str, Path]:
        """See `work.Task`."""
        from avsep_plugin.outputs import separation_outputs

        return separation_outputs(job.source, job.out_dir, self.options())

    def seconds(self, job: Job) -> float | None:
        """See `work.Task`."""
        return _seconds(job.source)

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
class LocalizeTask:
    """Find where in the picture the sound comes from: `localisation.localize_file`.

    model: a name or the path of a weights file. settings: fields of `localize_options.LocalizeFileOptions`; the others keep their defaults.
    """

    model: str
    device: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_sha256: str = ""
    name: ClassVar[str] = "localize"

    def identified(self) -> "LocalizeTask":
        """See `work.Task`. The checksums of a region's mask and of another sound follow the model's: others give another result."""
        files = [Path(self.settings.get(name) or "") for name in ("region", "with_audio")]
        used = [_fingerprint(self.model, "align"), *(sidecar.sha256_of(file) for file in files if file.suffix and file.is_file())]
        return replace(self, model_sha256="+".join(used))

    def prepare(self, threads: int) -> None:
        """See `work.Task`."""
        _prepare(threads)

    def expected(self, job: Job) -> dict[str, Path]:
        """See `work.Task`."""
        from avsep_plugin.localize_options import localisation_outputs

        return localisation_outputs(job.out_dir, self.options())

    def seconds(self, job: Job) -> float | None:
        """See `work.Task`."""
        return _seconds(job.source)

    def handle(self, job: Job, progress: Progress) -> "FileResult":
        """See `work.Task`."""
        from avsep_plugin.localisation import localize_file

        return localize_file(job.source, job.out_dir, _aligner(self.model, self.device), self.options(), progress)

    def options(self) -> "LocalizeFileOptions":
        """The settings as the library takes them. Raises ConfigError for an unknown one, or a value of the wrong kind."""
        from avsep_plugin.localize_options import LocalizeFileOptions

        return from_dict(LocalizeFileOptions, dict(self.settings))


@dataclass(frozen=True)
class SyncTask:
    """Measure how late the sound is, and put it right if asked: `syncing.sync_file`.

    model: a name or the path of a weights file. settings: fields of `syncing.SyncOptions`; the others keep their defaults.
    """

    model: str
    device: str = "auto"
    settings: Mapping[str, Any] = field(default_factory=dict)
    model_sha256: str = ""
    name: ClassVar[str] = "sync"

    def identified(self) -> "SyncTask":
        """See `work.Task`. The checksum of a region's mask follows the model's: another one gives another result."""
        mask = Path(self.settings.get("region") or "")
        used = [_fingerprint(self.model, "align"), *([sidecar.sha256_of(mask)] if mask.suffix and mask.is_file() else [])]
        return replace(self, model_sha256="+".join(used))

    def prepare(self, threads: int) -> None:
        """See `work.Task`."""
        _prepare(threads)

    def expected(self, job: Job) -> dict[str, Path]:
        """See `work.Task`."""
        from avsep_plugin.syncing import sync_outputs

        return sync_outputs(job.source, job.out_dir, self.options())

    def seconds(self, job: Job) -> float | None:
        """See `work.Task`."""
        return _seconds(job.source)

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


def _prepare(threads: int) -> None:
    import torch

    import avsep_plugin.files
    import avsep_plugin.localisation  # noqa: F401  so that loading them counts for no clip's time

    torch.set_num_threads(threads)


def _seconds(source: Path) -> float | None:
    """Seconds of footage; a clip that cannot be read says so when it is handled."""
    from avsep_plugin.media.probe import probe

    try:
        seconds = probe(source).duration_seconds
    except AvsepError:
        return None
    return float(seconds) if seconds is not None else None


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
