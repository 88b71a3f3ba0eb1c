"""Whether everything that avsep needs is there and works, and what to do where it does not.

ffmpeg program, encoders, muxers   PyAV   PyTorch, device against CPU   models   presets   folders   disk
"""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from errno import ENOTDIR
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from avsep_plugin import preset, sidecar
from avsep_plugin.errors import AvsepError
from avsep_plugin.files import separate_arrays
from avsep_plugin.media import containers, ffmpeg, plan
from avsep_plugin.models import checkpoint, store, zoo
from avsep_plugin.pipeline import held

State = Literal["ok", "warning", "error"]

PYAV_ENCODERS = ("flac", "libvpx-vp9", "libx264", "pcm_f32le", "pcm_s16le", "pcm_s24le", "png", "prores_ks")
"""What stems and overlays ask of PyAV (media/write.py)."""
_LEAST_FREE_BYTES = 5e9
_LEAST_AGREEMENT_DB = 60.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `advice` says what to do where it is not right."""

    name: str
    state: State
    found: str
    advice: str = ""


def examine(device: str = "auto", output: Path | None = None) -> Iterator[Finding]:
    """Look at everything, one finding after another. output: a folder on the disk where the outputs will go (default: here)."""
    checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("avsep", _program), ("ffmpeg", _ffmpeg), ("PyAV", _pyav), ("PyTorch", lambda: _torch(device)), ("models", _models),
        ("presets", _presets), ("folders", lambda: _folders(output or Path())),
    )  # fmt: skip
    for name, check in checks:
        try:
            yield from check()
        except (AvsepError, OSError, RuntimeError) as exc:
            yield Finding(name, "error", " ".join(str(exc).split()))


def _program() -> Iterator[Finding]:
    yield Finding("avsep", "ok", f"{sidecar.program()}, Python {platform.python_version()}, {platform.platform()}")


def _ffmpeg() -> Iterator[Finding]:
    advice = "Install ffmpeg, or set FFMPEG_PATH to another one."
    program = ffmpeg.describe_ffmpeg()
    yield Finding("ffmpeg", "ok", f"{program.version} ({program.path})")
    encoders = containers.ENCODERS | {*plan.TEXT_OF.values()}
    for kind, needed, there in (("encoders", encoders, program.encoders), ("muxers", containers.MUXERS, program.muxers)):
        lacking = sorted(needed - there)
        found = f"without {', '.join(lacking)}" if lacking else f"all {len(needed)} that delivery needs"
        yield Finding(f"ffmpeg {kind}", "error" if lacking else "ok", found, advice if lacking else "")


def _pyav() -> Iterator[Finding]:
    version, library, encoders = ffmpeg.describe_pyav()
    lacking = [name for name in PYAV_ENCODERS if name not in encoders]
    found = f"{version} with FFmpeg {library}" + (f", without {', '.join(lacking)}" if lacking else "")
    yield Finding(
        "PyAV", "error" if lacking else "ok", found, "Install PyAV from its wheels: pip install --force-reinstall av." if lacking else ""
    )


def _torch(device: str) -> Iterator[Finding]:
    chosen = zoo.pick_device(device)
    name = f" ({torch.cuda.get_device_name(chosen)})" if chosen.type == "cuda" else ""
    yield Finding("PyTorch", "ok", f"{torch.__version__}, device {chosen}{name}")
    if chosen.type != "cpu":
        agreement = agreement_db(str(chosen))
        good = agreement >= _LEAST_AGREEMENT_DB
        advice = "" if good else "Do not use this device: give --device cpu, and look for a newer driver or PyTorch."
        yield Finding("device", "ok" if good else "error", f"{chosen} agrees with the CPU to {agreement:.0f} dB", advice)


def agreement_db(device: str) -> float:
    """How far below its result on the CPU the difference lies when `mini` runs on a device; infinite where there is none."""
    random = np.random.default_rng(0)
    sound = (0.1 * random.standard_normal((1, 16000))).astype(np.float32)
    on = []
    for where in ("cpu", device):
        model = zoo.load_separator(store.BUNDLED, where)
        side = model.config.picture.crop_size
        pictures = held(torch.from_numpy(np.random.default_rng(1).integers(0, 256, (25, side, side, 3), np.uint8)))
        on.append(separate_arrays(model, sound, 16000, pictures).on.astype(np.float64))
    difference = float(((on[0] - on[1]) ** 2).sum())
    if not np.isfinite(difference):
        return -np.inf
    return float(10 * np.log10((on[0] ** 2).sum() / difference)) if difference else np.inf


def _models() -> Iterator[Finding]:
    for card in zoo.known_models():
        advice = f"Remove it and import it again: avsep models remove {card.name}."
        try:
            for path in card.files.values():
                checkpoint.verify(path)
        except AvsepError as exc:
            yield Finding(f"model {card.name}", "error", str(exc), advice)
        else:
            whole = bool(card.files)
            yield Finding(f"model {card.name}", "ok" if whole else "error", "whole" if whole else card.description, "" if whole else advice)


def _presets() -> Iterator[Finding]:
    known = preset.known()
    yield Finding("presets", "ok", f"{len(known)}: {', '.join(known)}; your own go into {preset.folder()}")
    for name, found in known.items():
        try:
            found.read()
        except AvsepError as exc:
            yield Finding(f"preset {name}", "warning", str(exc), "`avsep presets check` says more.")


def _folders(output: Path) -> Iterator[Finding]:
    home = store.folder()
    for name, folder in (("cache folder", home.parent), ("model folder", home)):
        nearest = _nearest(folder)
        try:
            if any(path.is_file() for path in (folder, *folder.parents)):
                raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
            with tempfile.TemporaryFile(dir=nearest):
                yield Finding(name, "ok", f"{folder}{'' if nearest == folder else ' (not there yet)'}, can be written")
        except OSError as exc:
            advice = "Set AVSEP_CACHE_DIR or AVSEP_MODEL_DIR to a folder of yours; it is needed to import models only."
            yield Finding(name, "warning", f"{folder} cannot be written ({exc.strerror})", advice)
    for name, folder in (("disk for models", home), ("disk for outputs", output)):
        free = shutil.disk_usage(_nearest(folder)).free
        low = free < _LEAST_FREE_BYTES
        advice = "Make room: both stems of an hour of stereo sound take about two gigabytes." if low else ""
        yield Finding(name, "warning" if low else "ok", f"{free / 1e9:.1f} GB free", advice)


def _nearest(folder: Path) -> Path:
    """The folder, or the first one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
