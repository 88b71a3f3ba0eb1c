"""Which program trains: the versions of what it is built on, and the commit of its own sources where they are a git checkout."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

_LIBRARIES = ("avsep-plugin", "lightning-fabric", "numpy", "safetensors")


def versions() -> dict[str, str]:
    """Name -> version, of Python, CUDA and the GPU too where there is one."""
    found = {name: metadata.version(name) for name in _LIBRARIES}
    found |= {"python": platform.python_version(), "torch": str(torch.__version__)}
    if torch.version.cuda is not None:
        found["cuda"] = torch.version.cuda
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def checkout() -> str:
    """Commit of the sources that run, with "-dirty" where they differ from it; empty where they are in no checkout, or git is missing."""
    here = Path(__file__).resolve()
    try:
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        return _git(here.parent, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
