"""How large the face of a clip is, by OpenCV's detector of frontal faces (Viola and Jones 2001; Lienhart and Maydt 2002): good enough to
sort clips into small, medium and large faces. Comes with the extra `evaluate`."""

import importlib.util
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from avsep_plugin.clip import UInt8
from avsep_plugin.media.picture import PictureReader

_LOOKED_AT = 5
_ROWS = 360
"""Pictures are looked at in this height; smaller faces than _LEAST of it are not looked for."""
_LEAST = 0.07
_NEIGHBOURS = 6
"""So many overlapping finds make a face; with fewer, curtains and shirts have faces too."""


def library_is_here() -> bool:
    """Whether faces can be looked for."""
    return importlib.util.find_spec("cv2") is not None


def face_height(path: Path, start_seconds: float, duration_seconds: float) -> float | None:
    """Median height of the largest face, in heights of the picture, in a part of a clip counted from its first picture.

    None where most of the pictures have no face that is seen from the front. Raises as readers do.
    """
    import cv2
    import cv2.data

    detector = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"))
    found = [_largest(detector, picture) for picture in _pictures(path, start_seconds, duration_seconds)]
    heights = [height for height in found if height]
    return median(heights) if 2 * len(heights) > len(found) else None


def _pictures(path: Path, start_seconds: float, duration_seconds: float) -> Iterator[UInt8]:
    """Some pictures of the part, evenly spread."""
    wanted = [Fraction(start_seconds + duration_seconds * (number + 0.5) / _LOOKED_AT) for number in range(_LOOKED_AT)]
    with PictureReader(path) as reader:
        first: Fraction | None = None
        for seconds, picture in reader:
            first = seconds if first is None else first
            if seconds - first >= wanted[0]:
                yield picture
                wanted = [time for time in wanted if time > seconds - first]
                if not wanted:
                    return


def _largest(detector: Any, picture: UInt8) -> float:
    """Height of the largest face in heights of the picture, 0 for none."""
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (max(1, round(grey.shape[1] * _ROWS / grey.shape[0])), _ROWS), interpolation=cv2.INTER_AREA)
    least = round(_LEAST * _ROWS)
    faces = detector.detectMultiScale(grey, 1.1, _NEIGHBOURS, minSize=(least, least))
    return max((float(height) / _ROWS for _, _, _, height in faces), default=0.0)
