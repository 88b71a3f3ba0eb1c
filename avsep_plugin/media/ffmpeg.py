"""Finds the ffmpeg program and runs it on argument lists made by ffmpeg-python, never through a shell."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import ffmpeg
import imageio_ffmpeg

from avsep_plugin.errors import OutputError
from avsep_plugin.media.source import file_address

_DISGUISE = {0xDC00 + byte: 0x10FE00 + byte for byte in range(128, 256)}
"""Python keeps bytes of a file name that are no UTF-8 as lone surrogates, at which ffmpeg-python fails; as private characters they pass."""
_UNDISGUISE = {private: surrogate for surrogate, private in _DISGUISE.items()}

_SEVERAL = "\x1f"
"""Joins the values of an option that is to be given several times: ffmpeg-python gives every option once."""


def find_ffmpeg() -> str:
    """Path of the program: $FFMPEG_PATH, else `ffmpeg` on the PATH, else the one that the imageio-ffmpeg wheel carries.

    Raises OutputError where there is none.
    """
    named = os.environ.get("FFMPEG_PATH")
    if named:
        found = shutil.which(named)
        if not found:
            raise OutputError(f"FFMPEG_PATH names {named}, which is not a program.")
        return found
    try:
        return shutil.which("ffmpeg") or str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as exc:
        raise OutputError("No ffmpeg program was found; install ffmpeg or set FFMPEG_PATH.") from exc


def node_address(path: Path) -> str:
    """The path as an address for a node of ffmpeg-python that is run by `run_ffmpeg`."""
    return file_address(path).translate(_DISGUISE)


def several(values: Sequence[str]) -> str:
    """The value of an option of ffmpeg-python's that `run_ffmpeg` gives once for each of these."""
    return _SEVERAL.join(values)


def run_ffmpeg(output: Any, target: Path) -> None:
    """Run an ffmpeg-python output node; `target` is the file it is for, as the user knows it.

    Raises OutputError with the first thing ffmpeg complained about. The program never outlives the call.
    """
    node = output.global_args("-hide_banner", "-nostdin", "-v", "error")
    compiled = ffmpeg.compile(node, cmd=find_ffmpeg(), overwrite_output=True)
    arguments = [argument.translate(_UNDISGUISE) for argument in _spread(compiled)]
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _, complaints = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        lines = complaints.decode(errors="replace").strip().splitlines()
        # The first line is the cause; what follows only says that ffmpeg gives up.
        cause = lines[0].rpartition("] ")[2].rstrip(".") if lines else f"ffmpeg ended with code {process.returncode}"
        raise OutputError(f"{target} cannot be written: {cause}.")


def _spread(arguments: Sequence[str]) -> Iterator[str]:
    """Give an option as often as it has values."""
    for place, argument in enumerate(arguments):
        first, *others = argument.split(_SEVERAL)
        yield first
        for value in others:
            yield from (arguments[place - 1], value)


@dataclass(frozen=True)
class Program:
    """An ffmpeg program: where it is, its version, and the names of its encoders and muxers."""

    path: str
    version: str
    encoders: frozenset[str]
    muxers: frozenset[str]


def describe_ffmpeg() -> Program:
    """What the ffmpeg program can do. Raises OutputError where there is none, or where it does not run."""
    path = find_ffmpeg()
    version = _ask(path, "-version").split()
    return Program(path, " ".join(version[1:3]), _names(_ask(path, "-encoders")), _names(_ask(path, "-muxers")))


def _ask(program: str, question: str) -> str:
    try:
        answer = subprocess.run([program, "-hide_banner", question], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as exc:
        raise OutputError(f"The ffmpeg program {program} does not run: {exc}.") from exc
    return answer.stdout.decode(errors="replace")


def _names(table: str) -> frozenset[str]:
    """Second column of ffmpeg's tables; a muxer may have several names."""
    columns = (line.split() for line in table.splitlines())
    return frozenset(name for column in columns if len(column) > 1 for name in column[1].split(","))


def describe_pyav() -> tuple[str, str, frozenset[str]]:
    """PyAV's version, that of the FFmpeg in it, and the names of its codecs."""
    return av.__version__, str(av.ffmpeg_version_info), frozenset(av.codecs_available)
