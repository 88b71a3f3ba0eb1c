"""Presets are strict: what is not known is an error that helps."""

from pathlib import Path

import pytest

from avsep_plugin import preset
from avsep_plugin.errors import ConfigError
from avsep_plugin.preset import Preset


def test_every_named_preset_reads_and_describes_itself() -> None:
    presets = preset.named()
    assert "interview" in presets
    assert all(entry.description for entry in presets.values())


def test_names_are_in_alphabetical_order() -> None:
    assert list(preset.named()) == sorted(preset.named())


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml.*'hihgs'.*did you mean 'highs'"):
        preset.parse('hihgs = "cut"', "mine.toml")


def test_a_wrong_value_names_the_key_and_the_value() -> None:
    with pytest.raises(ConfigError, match=r"bit_depth.*17"):
        preset.parse('bit_depth = "17"', "mine.toml")


def test_what_is_left_out_keeps_its_default() -> None:
    assert preset.parse('highs = "cut"', "mine.toml") == Preset(highs="cut")


def test_text_that_is_not_toml_says_where() -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml is not TOML.*line 1"):
        preset.parse("highs: cut", "mine.toml")


def test_flac_holds_no_floats() -> None:
    with pytest.raises(ConfigError, match="FLAC"):
        preset.parse('format = "flac"\nbit_depth = "32f"', "mine.toml")


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="interview"):
        preset.load("intreview")


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('format = "flac"', encoding="utf-8")
    assert preset.load(str(path)).format == "flac"


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml cannot be read"):
        preset.load(str(tmp_path / "nothing.toml"))


def test_a_file_that_is_not_text_is_said(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        preset.load(str(path))
