"""Configurations survive the way to a plain dictionary and back, and say what is wrong with a bad one."""

import dataclasses
import json
from fractions import Fraction
from typing import Any

import pytest

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, SeparatorConfig, StftConfig, WindowConfig
from avsep_plugin.errors import ConfigError
from avsep_plugin.models import published
from avsep_plugin.plain import from_dict, to_dict

SCALED = ModelConfig(
    name="small",
    task="align",
    sample_rate_hz=16000,
    input_rms=None,
    picture=PictureConfig(frame_rate=Fraction(25), stored_size=80, crop_size=64, fit="letterbox", channels=1),
    stft=StftConfig(512, 128, 512),
    fused=FusedConfig(audio_widths=(16, 24, 24, 32), scale_gamma=True),
    separator=SeparatorConfig(kind="recurrent", head="mask"),
    window=WindowConfig(hop_frames=50, context_frames=12, fixed=False),
)


@pytest.mark.parametrize("config", [SCALED, *(make() for make in published.CONFIGS.values())], ids=lambda config: config.name)
def test_there_and_back_through_json(config: ModelConfig) -> None:
    assert from_dict(ModelConfig, json.loads(json.dumps(to_dict(config)))) == config


def test_fractions_are_written_exactly() -> None:
    assert to_dict(PictureConfig(frame_rate=Fraction(30000, 1001)))["frame_rate"] == "30000/1001"


def test_what_is_left_out_keeps_its_default() -> None:
    assert from_dict(ModelConfig, {"stft": {"hop_samples": 100}}) == ModelConfig(stft=StftConfig(hop_samples=100))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sample_rate": 1}, "Unknown key 'sample_rate'; did you mean 'sample_rate_hz'"),
        ({"picture": {"crop": 3}}, "Unknown key 'picture.crop'; did you mean 'crop_size'"),
        ({"window": {"zzz": 3}}, "Unknown key 'window.zzz'; known keys: hop_frames, context_frames, fixed"),
        ({"stft": 3}, "stft.* must be a table, got int"),
        ({"task": "sing"}, "'task' must be .*align.*separate.*, got 'sing'"),
        ({"sample_rate_hz": "21000"}, "'sample_rate_hz' must be int, got '21000'"),
        ({"sample_rate_hz": True}, "'sample_rate_hz' must be int, got True"),
        ({"sample_rate_hz": 2.5}, "'sample_rate_hz' must be int, got 2.5"),
        ({"input_rms": "loud"}, "'input_rms' must be float, got 'loud'"),
        ({"window": {"fixed": 1}}, "'window.fixed' must be bool, got 1"),
        ({"picture": {"frame_rate": "fast"}}, "'picture.frame_rate' must be a fraction .*, got 'fast'"),
        ({"picture": {"frame_rate": "1/0"}}, "'picture.frame_rate' must be a fraction"),
        ({"fused": {"audio_widths": [1, 2, 3]}}, r"'fused.audio_widths' must be tuple\[int, int, int, int\], got \[1, 2, 3\]"),
        ({"fused": {"audio_widths": [1, 2, 3, "4"]}}, "'fused.audio_widths' must be int, got '4'"),
        ([], "ModelConfig must be a table, got list"),
    ],
)
def test_a_bad_value_is_named(values: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        from_dict(ModelConfig, values)


@pytest.mark.parametrize(("value", "rate"), [(25, Fraction(25)), ("2997/100", Fraction(2997, 100)), ("29.97", Fraction(2997, 100))])
def test_frame_rates_may_be_written_in_any_exact_way(value: Any, rate: Fraction) -> None:
    assert from_dict(PictureConfig, {"frame_rate": value}).frame_rate == rate


def test_a_level_may_be_a_whole_number_or_none() -> None:
    assert from_dict(ModelConfig, {"input_rms": 1}).input_rms == 1.0
    assert from_dict(ModelConfig, {"input_rms": None}).input_rms is None


@pytest.mark.parametrize("config", [ModelConfig(), PictureConfig(), StftConfig(), FusedConfig(), SeparatorConfig(), WindowConfig()])
def test_configs_are_frozen(config: Any) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, dataclasses.fields(config)[0].name, 1)


def test_window_samples_are_rounded_from_the_exact_rate() -> None:
    assert [ModelConfig().window_samples(frames) for frames in (1, 63, 125, 248)] == [701, 44144, 87588, 173774]


def test_a_whole_window_has_context_on_both_sides() -> None:
    assert WindowConfig(hop_frames=31, context_frames=16).frames == 63
