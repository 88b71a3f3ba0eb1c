"""`avsep separate`: how much, what the model may see, when it abstains."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from avsep_plugin.cli.main import run
from avsep_plugin.files import SeparateFileOptions
from avsep_plugin.models import store
from avsep_plugin.tasks import SeparateTask

MakeClip = Callable[..., Path]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SeparateFileOptions]:
    """given("--amount", "0.5") -> the options with which clips would be separated; nothing is separated."""

    def call(*args: str) -> SeparateFileOptions:
        taken: list[SeparateTask] = []
        monkeypatch.setattr("avsep_plugin.cli.separate.run_clips", lambda _talk, _request, task, *_: taken.append(task))
        assert run(["separate", str(tmp_path / "talk.mov"), "-o", str(tmp_path / "out"), *args]) == 0
        return taken[0].options()

    return call


def test_nothing_asked_is_all_of_it_and_no_abstaining(given: Callable[..., SeparateFileOptions]) -> None:
    assert given() == SeparateFileOptions()


def test_amount_and_decibels_are_two_words_for_one_thing(given: Callable[..., SeparateFileOptions]) -> None:
    assert given("--amount", "0.25").amount == 0.25
    assert given("--attenuate", "20").amount == pytest.approx(0.9)
    assert given("--attenuate", "0").amount == 0


def test_the_other_options_arrive(given: Callable[..., SeparateFileOptions]) -> None:
    options = given("--region", "50%,0,50%,1", "--no-shots", "--abstain-below", "0.3", "--confidence", "json")
    assert (options.region, options.shots, options.abstain_below, options.confidence) == ("50%,0,50%,1", False, 0.3, "json")


def test_a_preset_sets_them_and_options_win(given: Callable[..., SeparateFileOptions], tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('amount = 0.5\nregion = "left"\nabstain_below = 0.2\n')
    options = given("--preset", str(tmp_path / "mine.toml"), "--attenuate", "6.0206", "--abstain-below", "0")
    assert (options.amount, options.region, options.abstain_below) == (pytest.approx(0.5, abs=1e-4), "left", 0.0)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--amount", "0.5", "--attenuate", "6"], "give one of them"),
        (["--amount", "1.5"], "--amount"),
        (["--region", "middle"], "give left, right, x,y,w,h"),
        (["--region", "missing.png"], "no such file"),
        (["--abstain-below", "2"], "--abstain-below"),
    ],
)
def test_what_makes_no_sense_is_said_before_any_clip(
    args: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["separate", str(tmp_path), "-o", str(tmp_path / "out"), *args]) == 2
    assert said in capsys.readouterr().err


def test_confidence_comes_from_a_real_aligner(tmp_path: Path, make_clip: MakeClip, tiny_models: dict[str, Path]) -> None:
    clip, report = make_clip(tmp_path / "talk.mov", seconds=2.0), tmp_path / "report.json"
    line = ["separate", str(clip), "-o", str(tmp_path / "out"), "-m", str(tiny_models["separate"]), "-d", "cpu", "--json", str(report)]
    assert run([*line, "--aligner", str(tiny_models["align"]), "--confidence", "csv", "--abstain-below", "1"]) == 0
    (row,) = json.loads(report.read_text())
    windows = list(csv.DictReader(Path(row["outputs"]["confidence"]).read_text().splitlines()))
    assert {window["abstained"] for window in windows} == {"true"}
    assert "The clip is left untouched" in row["warnings"][0]


def test_every_separator_has_an_aligner_beside_it(tmp_path: Path, model_folder: Path) -> None:
    assert store.aligner_beside("mini") == store.aligner_beside("mini-audio") == store.aligner_beside("multisensory/full") == "mini"
    (model_folder / "multisensory").mkdir(parents=True)
    (model_folder / "multisensory" / "cam.safetensors").touch()
    assert store.aligner_beside("multisensory/full") == "multisensory/cam"
    assert store.aligner_beside("mini") == "mini"
    (tmp_path / "align.safetensors").touch()
    assert store.aligner_beside(str(tmp_path)) == str(tmp_path)


def test_damage_is_tolerated_where_the_user_says_so(given: Callable[..., SeparateFileOptions]) -> None:
    assert given("--tolerate-damage").tolerate_damage
