"""Readers of what avsep found out; files that make no sense give None and never an exception."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from avsep_plugin.confidence_file import Confidence, ConfidenceFormat, as_text
from avsep_plugin.report.evidence import Window, read_confidence, read_heat_map, read_sync
from avsep_plugin.sync_file import SyncFinding

SYNC = {"format": "avsep.sync/1", "offset_seconds": 0.12, "confidence": 0.8, "abstained": False,
        "curve": [{"offset_seconds": 0.1, "score": 2.0}, {"offset_seconds": -0.1, "score": 1.0}]}  # fmt: skip


@pytest.mark.parametrize("form", ["csv", "json"])
def test_confidence_is_read_as_it_is_written(tmp_path: Path, form: ConfidenceFormat) -> None:
    path = tmp_path / f"confidence.{form}"
    path.write_text(as_text([Confidence(2.0, 3.5, 1, -2.0, 0.119203, True), Confidence(0.0, 2.0, 0, 1.5, 0.817574, False)], form))
    assert read_confidence(path) == [Window(0.0, 2.0, 0.817574, 0, False), Window(2.0, 3.5, 0.119203, 1, True)]


@pytest.mark.parametrize(
    "text",
    ["", "start_seconds\n1\n", "start_seconds,end_seconds,probability\n0,1,high\n", "start_seconds,end_seconds,probability\n0,nan,1\n"],
)
def test_a_table_that_makes_no_sense(tmp_path: Path, text: str) -> None:
    (tmp_path / "confidence.csv").write_text(text)
    assert not read_confidence(tmp_path / "confidence.csv")


@pytest.mark.parametrize(
    "text", ["", "7", '["a"]', '[{"start_seconds": 0}]', "[" * 100_000, '[{"start_seconds": NaN, "end_seconds": 1, "probability": 1}]']
)
def test_a_list_that_makes_no_sense(tmp_path: Path, text: str) -> None:
    (tmp_path / "confidence.json").write_text(text)
    assert read_confidence(tmp_path / "confidence.json") is None


def heat_map(path: Path, **changed: object) -> Path:
    values = {"values": np.zeros((5, 2, 3), np.float32), "step_seconds": 0.5, "start_seconds": 1.0, "area": np.array([0, 0, 1, 1.0]),
              "logits": np.array([0.0, 50.0]), "windows": np.array([[1.0, 3.0], [3.0, 3.5]])}  # fmt: skip
    np.savez_compressed(path, **{key: np.asarray(value) for key, value in (values | changed).items()})
    return path


def test_the_windows_of_a_heat_map(tmp_path: Path) -> None:
    found = read_heat_map(heat_map(tmp_path / "heatmap.npz"))
    assert found is not None
    assert found.heat_map.values.shape == (5, 2, 3)
    assert found.windows == [Window(1.0, 3.0, 0.5), Window(3.0, 3.5, 1.0)]


@pytest.mark.parametrize(
    "changed", [{"values": np.zeros((5, 2))}, {"values": np.full((5, 2, 3), np.nan)}, {"step_seconds": 0.0}, {"start_seconds": np.inf},
                {"area": np.zeros(3)}, {"values": np.array([[["a"]]])}, {"logits": np.array([np.nan])},
                {"windows": np.array([[np.nan, 1.0]])}, {"windows": np.zeros(3)}]
)  # fmt: skip
def test_a_heat_map_that_makes_no_sense(tmp_path: Path, changed: dict[str, object]) -> None:
    assert read_heat_map(heat_map(tmp_path / "heatmap.npz", **changed)) is None


def test_a_heat_map_is_never_unpickled(tmp_path: Path) -> None:
    assert read_heat_map(heat_map(tmp_path / "heatmap.npz", values=np.array([[[{"a": 1}]]], object))) is None
    for content in (b"", b"no zip", io.BytesIO(b"PK\x03\x04").getvalue()):
        (tmp_path / "foreign.npz").write_bytes(content)
        assert read_heat_map(tmp_path / "foreign.npz") is None


def test_sync_is_read_in_the_order_of_the_offsets(tmp_path: Path) -> None:
    (tmp_path / "sync.json").write_text(json.dumps(SYNC))
    assert read_sync(tmp_path / "sync.json") == SyncFinding(0.12, 0.8, False, ((-0.1, 1.0), (0.1, 2.0)))
    (tmp_path / "sync.json").write_text(json.dumps(SYNC | {"abstained": True}))
    assert read_sync(tmp_path / "sync.json") == SyncFinding(None, 0.8, True, ((-0.1, 1.0), (0.1, 2.0)))


@pytest.mark.parametrize(
    "changed", [{"format": "other"}, {"offset_seconds": "x"}, {"curve": 3}, {"curve": [1]}, {"confidence": float("inf")}]
)
def test_sync_that_makes_no_sense(tmp_path: Path, changed: dict[str, object]) -> None:
    (tmp_path / "sync.json").write_text(json.dumps(SYNC | changed))
    assert read_sync(tmp_path / "sync.json") is None
