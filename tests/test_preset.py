"""Presets are strict: what is not known is an error that helps."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

from avsep_plugin import preset
from avsep_plugin.errors import ConfigError
from avsep_plugin.finish_steps import FinishStep
from avsep_plugin.plain import from_dict
from avsep_plugin.preset import Preset


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def test_these_come_along_and_describe_themselves() -> None:
    presets = {name: found.read() for name, found in preset.known().items()}
    assert list(presets) == ["documentary", "interview", "two-shot", "vlog"]
    assert all(entry.description and entry.finish for entry in presets.values())


def test_each_says_all_that_makes_it() -> None:
    """A default that changes one day does not change them."""
    for found in preset.known().values():
        said = tomllib.loads(found.file.read_text(encoding="utf-8"))
        assert {"description", "amount", "highs", "reconstruction", "deliver", "format", "bit_depth", "finish"} <= said.keys()


def test_the_two_shot_looks_at_the_left() -> None:
    assert preset.load("two-shot").region == "left"
    assert preset.load("interview").region == ""


def test_names_are_in_alphabetical_order(preset_folder: Path) -> None:
    write(preset_folder, zebra="", aardvark="")
    assert list(preset.known()) == sorted(preset.known())
    assert len(preset.known()) == 6


def test_a_preset_of_the_users_is_known_by_its_name(preset_folder: Path) -> None:
    write(preset_folder, mine='highs = "cut"')
    assert preset.load("mine").highs == "cut"
    assert (preset.known()["mine"].is_users, preset.known()["mine"].hides) == (True, False)
    assert (preset.known()["vlog"].is_users, preset.known()["vlog"].hides) == (False, False)


def test_the_users_preset_is_taken_instead_of_one_with_the_same_name(preset_folder: Path) -> None:
    write(preset_folder, interview="amount = 0.5")
    assert preset.load("interview").amount == 0.5
    assert (preset.known()["interview"].is_users, preset.known()["interview"].hides) == (True, True)


def test_a_bad_preset_is_in_the_way_of_nothing_but_itself(preset_folder: Path) -> None:
    write(preset_folder, bad="amuont = 1")
    assert preset.load("vlog").amount == 0.9
    with pytest.raises(ConfigError, match=r"bad\.toml.*did you mean 'amount'"):
        preset.load("bad")


def test_files_that_a_mac_leaves_behind_are_no_presets(preset_folder: Path) -> None:
    write(preset_folder, **{"._mine": "", "mine": ""})
    assert "mine" in preset.known()
    assert "._mine" not in preset.known()


def test_without_a_named_folder_it_is_in_the_users_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AVSEP_PRESET_DIR")
    monkeypatch.setattr(preset.platformdirs, "user_config_path", lambda name: tmp_path / name)
    assert preset.folder() == tmp_path / "avsep" / "presets"


FINISH = """
[[finish]]
plugin = "HighpassFilter"
cutoff_frequency_hz = 80

[[finish]]
plugin = "BrickwallLimiter"
true_peak = true
"""


def test_a_finishing_chain_is_read_in_its_order() -> None:
    steps = (FinishStep("HighpassFilter", {"cutoff_frequency_hz": 80}), FinishStep("BrickwallLimiter", {"true_peak": True}))
    assert preset.parse(FINISH, "mine.toml").finish == steps


def test_a_preset_is_the_same_after_a_detour_through_a_dictionary() -> None:
    """The command line does so, to let options win."""
    before = preset.parse('amount = 1\nregion = "0,0,0.5,1"\ndeliver = ["add-tracks"]\n' + FINISH, "mine.toml")
    assert from_dict(Preset, dataclasses.asdict(before)) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amount = 1.5", "'amount' must be between 0 and 1, got 1.5"),
        ("amount = -0.1", "'amount' must be between 0 and 1"),
        ("amount = nan", "'amount' must be between 0 and 1"),
        ('amount = "all"', "'amount' must be float"),
        ("abstain_below = 2", "'abstain_below' must be between 0 and 1"),
        ('region = "middle"', "'region' must be left, right"),
        ('region = "0,0,1"', "'region' must be left, right"),
        ('region = "0,0,1,one"', "'region' must be left, right"),
        ('deliver = "stems"', "'deliver' must be"),
        ("deliver = []", "at least one of replace"),
        ('deliver = ["stems", "stems"]', "each once"),
        ('deliver = ["stem"]', "'deliver' must be"),
        ("finish = 5", "'finish' must be"),
        ("finish = [5]", "'finish' must be|finish. must be"),
        ("[finish]\nplugin = 'Gain'", "'finish' must be"),
        ("[[finish]]\ngain_db = 3", "names its plugin"),
        ("[[finish]]\nplugin = 5", "'finish.plugin' must be str"),
        ("[[finish]]\nplugin = 'NoiseGat'", "did you mean 'NoiseGate'"),
        ("[[finish]]\nplugin = 'NoiseGate'\nration = 2", "did you mean 'ratio'"),
        ("[[finish]]\nplugin = 'NoiseGate'\nratio = 200", "from 1 to 20, got 200"),
        ("[[finish]]\nplugin = 'NoiseGate'\nparameters = {ratio = 2}", "Unknown key 'finish.NoiseGate.parameters'"),
        ("[[finsh]]\nplugin = 'NoiseGate'", "did you mean 'finish'"),
    ],
)
def test_a_value_that_cannot_be_is_said_with_its_file_and_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^Preset mine\.toml: .*({message})"):
        preset.parse(text, "mine.toml")


@pytest.mark.parametrize(
    "region", ["", "left", "right", "0,0,0.5,1", ".1, .2, .3, .4", "50%,0%,50%,100%", "mask.png", "masks/left half.tif"]
)
def test_regions_that_are_spelt_well(region: str) -> None:
    assert Preset(region=region).region == region


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
