"""How large the face of a clip is."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avsep_plugin.scenes.export import write_clip
from avsep_plugin.training import faces

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds whose pictures are one grey level brighter each."""
    frames = np.broadcast_to((60 + np.arange(50)).astype(np.uint8)[:, None, None, None], (50, 48, 64, 3))
    write_clip(tmp_path / "clip.mov", np.ascontiguousarray(frames), Fraction(25), np.zeros((1, 32000), np.float32), 16000)
    return tmp_path / "clip.mov"


def found(monkeypatch: pytest.MonkeyPatch, heights: Iterator[float]) -> list[float]:
    """The detector gives these one after the other; what it was shown, as numbers of pictures."""
    shown: list[float] = []

    def largest(_detector: object, picture: np.ndarray) -> float:
        shown.append(float(picture.mean()) - 60)
        return next(heights)

    monkeypatch.setattr(faces, "_largest", largest)
    return shown


def test_pictures_are_spread_over_the_part_and_the_median_counts(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = found(monkeypatch, iter([0.3, 0.2, 0.0, 0.9, 0.25]))
    assert faces.face_height(clip, 1.0, 1.0) == pytest.approx(0.275)
    assert shown == pytest.approx([27.5, 32.5, 37.5, 42.5, 47.5], abs=1.5)


def test_a_face_in_few_of_the_pictures_is_none(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, iter([0.3, 0.0, 0.0, 0.9, 0.0]))
    assert faces.face_height(clip, 0.0, 2.0) is None


def test_a_part_behind_the_end_has_no_face(clip: Path) -> None:
    assert faces.face_height(clip, 60.0, 2.0) is None


def test_a_grey_picture_has_no_face(clip: Path) -> None:
    assert faces.face_height(clip, 0.0, 2.0) is None
