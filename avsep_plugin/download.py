"""Fetches one large file over HTTP: goes on where a broken transfer stopped, and the file appears whole or not at all.

    <target>.part         what has come so far
    <target>.part.json    which version of which file that is (address, ETag or date, size), so that two are never joined

A server that does not know ranges, or has another version by now, sends the file from its beginning.
"""

import http.client
import json
import logging
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from avsep_plugin.errors import DownloadError

log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Takes the bytes that are there and the bytes that there will be (None: the server does not say)."""

_BLOCK = 2**18
_TIMEOUT_SECONDS = 30
_TRIES_WITHOUT_PROGRESS = 4


@dataclass(frozen=True)
class _Version:
    """What a server says of a file."""

    url: str
    validator: str
    size: int | None


def download(urls: Sequence[str], target: Path, progress: Progress | None = None, *, pause_seconds: float = 1.0) -> Path:
    """Fetch a file from the first of some addresses that has it -> `target`.

    A transfer that breaks is tried again, from where it broke, as long as some of it comes. Raises DownloadError where no address gives
    the file, or the disk is too full for it; what has come stays for the next call.
    """
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for url in urls:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise DownloadError(f"{url} is no http or https address.")
        try:
            _persevere(url, target, progress, pause_seconds)
        except (OSError, http.client.HTTPException) as exc:
            reasons.append(f"{url}: {_reason(exc)}")
            log.warning("%s", reasons[-1])
            continue
        _part(target).replace(target)
        _note(target).unlink(missing_ok=True)
        return target
    raise DownloadError("Nothing could be fetched from " + "; ".join(reasons) + ". Run the command again to go on from here.")


def discard(target: Path) -> None:
    """Remove a downloaded file and what is left of an unfinished one."""
    for path in (target, _part(target), _note(target)):
        path.unlink(missing_ok=True)


def _persevere(url: str, target: Path, progress: Progress | None, pause_seconds: float) -> None:
    """Transfer until the file is whole; gives up when several tries in a row bring nothing."""
    idle = 0
    while True:
        before = _size(_part(target))
        try:
            _transfer(url, target, progress)
            return
        except urllib.error.HTTPError as exc:
            if exc.code < 500:
                raise
            failure: OSError | http.client.HTTPException = exc
        except (OSError, http.client.HTTPException) as exc:
            failure = exc
        idle = 0 if _size(_part(target)) > before else idle + 1
        if idle >= _TRIES_WITHOUT_PROGRESS:
            raise failure
        log.info("%s broke off after %d bytes (%s); going on", url, _size(_part(target)), _reason(failure))
        time.sleep(pause_seconds * 2**idle)


def _transfer(url: str, target: Path, progress: Progress | None) -> None:
    """One request for what is still missing."""
    have, known = _size(_part(target)), _read_note(target)
    headers = {"User-Agent": "avsep", "Accept-Encoding": "identity"}
    if have and known is not None and known.url == url and known.validator:
        if have == known.size:
            return
        headers |= {"Range": f"bytes={have}-", "If-Range": known.validator}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_SECONDS) as answer:
        start = _start(answer, have)
        length = answer.headers.get("Content-Length")
        size = start + int(length) if length is not None else None
        _check_space(target, start, size)
        validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        if not validator.startswith("W/"):
            _note(target).write_text(json.dumps(asdict(_Version(url, validator, size))))
        with _part(target).open("rb+" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            _copy(answer, file, start, size, progress)


def _start(answer: http.client.HTTPResponse, have: int) -> int:
    """The byte that an answer begins with."""
    if answer.status != http.client.PARTIAL_CONTENT:
        return 0
    unit, _, place = (answer.headers.get("Content-Range") or "").partition(" ")
    start = place.split("-", 1)[0]
    if unit != "bytes" or not start.isdigit() or int(start) != have:
        raise http.client.HTTPException("the server answered with another part than it was asked for")
    return have


def _copy(answer: http.client.HTTPResponse, file: BinaryIO, start: int, size: int | None, progress: Progress | None) -> None:
    have = start
    while block := answer.read(_BLOCK):
        file.write(block)
        have += len(block)
        if progress:
            progress(have, size)
    if size is not None and have != size:
        raise http.client.IncompleteRead(b"", size - have)


def _check_space(target: Path, start: int, size: int | None) -> None:
    free = shutil.disk_usage(target.parent).free
    if size is not None and size - start > free:
        raise DownloadError(f"{target.name} takes {(size - start) / 1e9:.1f} GB more, and {free / 1e9:.1f} GB are free in {target.parent}.")


def _read_note(target: Path) -> _Version | None:
    try:
        return _Version(**json.loads(_note(target).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _reason(exc: Exception) -> str:
    if isinstance(exc, urllib.error.HTTPError):
        return f"the server says {exc.code} {exc.reason}"
    if isinstance(exc, http.client.IncompleteRead):
        return "the transfer broke off"
    return str(exc) or type(exc).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _note(target: Path) -> Path:
    return target.with_name(f"{target.name}.part.json")
