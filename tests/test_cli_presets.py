"""`avsep presets list|show|check`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from avsep_plugin import preset
from avsep_plugin.cli.main import run
from avsep_plugin.preset import Preset


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_presets_are_listed_with_what_they_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["presets", "list"]) == 0
    out = capsys.readouterr().out
    assert "interview: " in out
    assert "bit depth: 24" in out
    assert "finish: HighpassFilter, NoiseGate, BrickwallLimiter" in out


def test_presets_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["presets", "list", "--json", "-"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert entries.keys() == {"interview", "documentary", "vlog", "two-shot"}
    assert entries["interview"]["finish"][0] == {"plugin": "HighpassFilter", "parameters": {"cutoff_frequency_hz": 80}}
    assert (entries["interview"]["file"], entries["interview"]["hides_another"]) == (None, False)


def test_the_listing_says_which_are_the_users_own(preset_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(preset_folder / "mine.toml", 'description = "My own"')
    write(preset_folder / "vlog.toml", 'description = "My vlog"')
    assert run(["presets", "list"]) == 0
    out = capsys.readouterr().out
    assert "mine: My own" in out
    assert f"from: {preset_folder / 'mine.toml'}\n" in out
    assert "vlog: My vlog" in out
    assert f"from: {preset_folder / 'vlog.toml'} (instead of the one that comes with avsep)" in out


def test_a_bad_preset_of_the_users_is_listed_as_such(preset_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(preset_folder / "mine.toml", "amuont = 1")
    assert run(["presets", "list"]) == 0
    out = capsys.readouterr().out
    assert "mine: unusable: " in out
    assert "did you mean 'amount'" in out
    assert "interview: " in out


@pytest.mark.parametrize("name", ["interview", "documentary", "vlog", "two-shot"])
def test_what_is_shown_is_the_preset(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["presets", "show", name]) == 0
    shown = capsys.readouterr().out
    assert preset.parse(shown, "shown") == preset.load(name)
    mine = write(tmp_path / "mine.toml", shown)
    assert run(["presets", "show", str(mine)]) == 0
    assert capsys.readouterr().out == shown


def test_any_text_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    description = 'Ton "on" \\ naïve \U0001f3a5 \x7f\t\n'
    mine = write(tmp_path / "mine.toml", f"description = {json.dumps(description, ensure_ascii=False)}".replace("\x7f", "\\u007f"))
    assert run(["presets", "show", str(mine)]) == 0
    assert preset.parse(capsys.readouterr().out, "shown") == Preset(description=description)


def test_showing_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["presets", "show", "intreview"]) == 1
    assert "known presets: documentary, interview" in capsys.readouterr().err


def test_good_presets_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good.toml", "amount = 0.5\n[[finish]]\nplugin = 'Gain'")
    assert run(["presets", "check", str(good)]) == 0
    assert capsys.readouterr().err == f"{good}: good\n"


def test_each_bad_preset_is_one_line_and_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "good.toml", "amount = 0.5")
    write(tmp_path / "key.toml", "amuont = 0.5")
    write(tmp_path / "words.toml", "amount: 0.5")
    write(tmp_path / "gate.toml", "[[finish]]\nplugin = 'NoiseGate'\nratio = 0")
    write(tmp_path / "._gate.toml", "\0")
    assert run(["presets", "check", str(tmp_path), str(tmp_path / "nothing.toml")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", f"{tmp_path / 'good.toml'}", "error", "error", "error"]
    assert [name in line for name, line in zip(("gate", "good", "key", "words", "nothing"), lines, strict=True)] == [True] * 5


def test_the_finishing_chain_is_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from avsep_plugin import finishing

    monkeypatch.setattr(finishing, "_HIGHEST_CUTOFF", 0.001)
    bad = write(tmp_path / "bad.toml", "[[finish]]\nplugin = 'HighpassFilter'\ncutoff_frequency_hz = 80")
    assert run(["presets", "check", str(bad)]) == 1
    assert f"Preset {bad}: HighpassFilter at 80 Hz cannot be done" in capsys.readouterr().err


def test_a_folder_without_presets_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["presets", "check", str(tmp_path)]) == 1
    assert "There is no .toml file in" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", [["--help"], ["presets", "list"], ["presets", "show", "vlog"], ["presets", "check", "PLAIN"]], ids=" ".join
)
def test_neither_pytorch_nor_pedalboard_is_loaded_for_it(line: list[str], tmp_path: Path) -> None:
    """A check loads pedalboard for a preset that has a finishing chain."""
    plain = write(tmp_path / "plain.toml", "amount = 1")
    words = [str(plain) if word == "PLAIN" else word for word in line]
    code = (
        "import sys; from avsep_plugin.cli.main import run; code = run(sys.argv[1:]); "
        "assert not {'torch', 'pedalboard', 'numpy'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=os.environ, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
