"""Confidence and abstention: per shot, never per window."""

import csv
import io
import json
import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from avsep_plugin.clip import Evidence
from avsep_plugin.confidence import evidence, rows, untouched
from avsep_plugin.confidence_file import Confidence, as_text
from avsep_plugin.config import CalibrationConfig, ModelConfig, PictureConfig, StftConfig, WindowConfig
from avsep_plugin.dsp.shots import ONE_SHOT
from avsep_plugin.models.fused import Alignment
from avsep_plugin.survey import Passes, Survey


class BrightnessAligner(nn.Module):
    """The logit is the mean brightness of the pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.config = ModelConfig(
            task="align",
            sample_rate_hz=8000,
            stft=StftConfig(512, 128, 512),
            picture=PictureConfig(frame_rate=Fraction(25), stored_size=4, crop_size=4),
            window=WindowConfig(12, 4, fixed=False),
        )
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, frames: Tensor, audio: Tensor) -> Alignment:
        assert audio.shape[:2] == (1, 2)
        cam = frames.float().mean(dim=(2, 3, 4))[..., None, None]
        return Alignment(cam.mean(dim=(1, 2, 3)), cam)


def window(shot: int, logit: float) -> Evidence:
    return Evidence(Fraction(shot), Fraction(shot + 1), shot, logit)


def logit_of(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_a_shot_is_left_alone_only_if_no_window_of_it_reaches_the_probability() -> None:
    found = [window(shot, logit_of(p)) for shot, p in ((0, 0.1), (0, 0.19), (1, 0.1), (1, 0.21), (1, 0.1), (2, 0.9))]
    assert untouched(found, CalibrationConfig(), 0.2, 3) == {0}
    assert untouched(found, CalibrationConfig(), 0.95, 3) == {0, 1, 2}
    assert untouched(found, CalibrationConfig(), 0.0, 3) == set()


def test_a_shot_in_which_nothing_is_heard_counts_as_left_alone() -> None:
    assert untouched([window(0, -5.0)], CalibrationConfig(), 0.5, 2) == {0, 1}


def test_the_calibration_moves_the_threshold() -> None:
    found = [window(0, 1.0)]
    assert untouched(found, CalibrationConfig(slope=1.0), 0.6, 1) == set()
    assert untouched(found, CalibrationConfig(slope=1.0, offset=-1.0), 0.6, 1) == {0}


@pytest.mark.parametrize("logit", [-1e6, -3.0, 0.0, 0.5, 1e6])
def test_probability_is_the_logistic_function(logit: float) -> None:
    expected = 1 / (1 + math.exp(-(2 * logit + 0.5))) if abs(logit) < 100 else float(logit > 0)
    assert CalibrationConfig(2.0, 0.5).probability(logit) == pytest.approx(expected, abs=1e-12)


def test_evidence_is_given_per_window_of_each_shot() -> None:
    model: Any = BrightnessAligner()

    def pictures(start: int, count: int) -> Tensor:
        numbers = torch.arange(start, start + count)
        return torch.where(numbers < 20, 10, 200).to(torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 4, 4, 3)

    found = list(evidence(model, [torch.ones(1, 16000 + 5)], 10000, pictures, (Fraction(20, 25),)))
    assert [(one.start_seconds * 25, one.shot, one.logit) for one in found] == [(0, 0, 10), (12, 0, 10), (20, 1, 200), (32, 1, 200)]
    assert [one.end_seconds for one in found] == [Fraction(12, 25), Fraction(20, 25), Fraction(32, 25), Fraction(16005, 10000)]


def test_rows_are_on_the_files_clock() -> None:
    (row,) = rows([window(3, 0.0)], CalibrationConfig(), frozenset({3}), Fraction(10))
    assert row == Confidence(13.0, 14.0, 3, 0.0, 0.5, True)


def test_the_table_and_the_list_say_the_same() -> None:
    windows = [Confidence(0.0, 2.0, 0, 1.5, 0.817574, False), Confidence(2.0, 3.5, 1, -2.0, 0.119203, True)]
    listed = json.loads(as_text(windows, "json"))
    table = list(csv.DictReader(io.StringIO(as_text(windows, "csv"))))
    assert [list(row) for row in table] == [list(row) for row in listed]
    assert [{key: json.loads(value) for key, value in row.items()} for row in table] == listed
    assert [Confidence(**row) for row in listed] == windows


@pytest.mark.parametrize(
    ("abstained", "said"),
    [
        ({0: False, 1: False}, []),
        ({0: False, 1: True}, ["1 of 2 shots are left untouched: nothing there reaches the probability 0.4"]),
        ({0: True}, ["The clip is left untouched: nothing there reaches the probability 0.4"]),
    ],
)
def test_what_is_left_alone_is_said(abstained: dict[int, bool], said: list[str]) -> None:
    windows = [Confidence(0.0, 1.0, shot, 0.0, 0.5, left) for shot, left in abstained.items() for _ in range(2)]
    notes = Survey(ONE_SHOT, windows).notes(0.4)
    assert [note[: len(text)] for note, text in zip(notes, said, strict=True)] == said


def test_passes_share_the_seconds_and_never_go_back() -> None:
    told: list[float] = []
    passes = Passes(told.append, 2, Fraction(10))
    first = passes.begin()
    for seconds in (-1.0, 4.0, 12.0):
        first(seconds)
    second = passes.begin()
    for seconds in (0.0, 10.0):
        second(seconds)
    assert told == [0.0, 2.0, 5.0, 5.0, 10.0]


def test_without_a_length_only_the_last_pass_is_told() -> None:
    told: list[float] = []
    passes = Passes(told.append, 2, None)
    passes.begin()(3.0)
    passes.begin()(3.0)
    assert told == [3.0]
