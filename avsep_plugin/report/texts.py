"""How values are written on the page: addresses, names, times, levels."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def link(path: Path, page: Path) -> str:
    """The address of a file as seen from a page: relative, every byte that is not a plain letter as %XX."""
    try:
        relative = os.path.relpath(path.absolute(), page.absolute().parent)
    except ValueError:  # another drive of Windows
        return path.absolute().as_uri()
    return "/".join(quote(os.fsencode(part), safe="") for part in Path(relative).parts)


def printable(text: str) -> str:
    """Bytes of a file name that are no UTF-8, which Python keeps as lone surrogates, are shown as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def lufs(value: float | None) -> str:
    """A loudness with a true minus sign; a dash where there is none."""
    return "–" if value is None else f"{value:.1f}".replace("-", "−")


def outline_text(outline: Sequence[float] | np.ndarray[Any, Any]) -> str:
    """Each value as one digit of base 36, in steps of 1.5 dB under full scale: 0 stands for -52.5 dB and everything below."""
    level = 20 * np.log10(np.maximum(np.asarray(outline, float), 1e-9))
    return "".join(_DIGITS[step] for step in np.clip(np.rint(35 + level / 1.5), 0, 35).astype(int).tolist())


def jpeg_address(jpeg: bytes) -> str:
    """A JPEG inside the page."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
