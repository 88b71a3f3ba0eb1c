"""`avsep localize`: what the options become, and one run from end to end with a tiny model."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from avsep_plugin.batch import Orders, run
from avsep_plugin.cli import localize as module
from avsep_plugin.cli.main import run as avsep
from avsep_plugin.discover import find
from avsep_plugin.localize_options import DataKind, LocalizeFileOptions, Style
from avsep_plugin.media.layers import LayerKind
from avsep_plugin.tasks import LocalizeTask
from avsep_plugin.verify import verify

MakeClip = Callable[..., Path]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., LocalizeFileOptions]:
    """settings(*options) -> the options of the task that would be done."""
    tasks: list[Any] = []
    monkeypatch.setattr(module, "run_clips", lambda _talk, _request, task, *_: tasks.append(task))

    def call(*options: str) -> LocalizeFileOptions:
        assert avsep(["localize", "a.mp4", "-o", str(tmp_path), *options]) == 0
        return tasks[-1].options()  # type: ignore[no-any-return]

    return call


def test_names_are_those_of_the_library() -> None:
    assert (module.STYLES[:-1], module.LAYERS, module.DATA[:-1]) == (get_args(Style), get_args(LayerKind), get_args(DataKind))


def test_defaults_are_those_of_the_library(settings: Callable[..., LocalizeFileOptions]) -> None:
    assert settings() == LocalizeFileOptions()


def test_every_option_arrives(settings: Callable[..., LocalizeFileOptions], make_clip: MakeClip, tmp_path: Path) -> None:
    other = make_clip(tmp_path / "other.wav", picture=False)
    words = (
        f"--style contours,heat --style original --layer png --layer vp9 --data json --threshold 0.2 --opacity 0.9 --no-legend "
        f"--abstain-below 0.7 --with-audio {other} --audio-track 2 --region left --no-shots --tolerate-damage"
    )
    assert settings(*words.split()) == LocalizeFileOptions(
        ("contours", "heat", "original"), ("png", "vp9"), ("json",), 0.2, 0.9, False, 0.7, str(other), 1, "left", False, True
    )


def test_none_leaves_a_sort_out(settings: Callable[..., LocalizeFileOptions]) -> None:
    chosen = settings("--style", "none", "--layer", "prores4444", "--data", "none")
    assert (chosen.styles, chosen.layers, chosen.data) == ((), ("prores4444",), ())


@pytest.mark.parametrize(
    "wrong",
    ["--style jet", "--style none,heat", "--layer mov", "--data csv", "--threshold 1", "--opacity 0", "--with-audio gone.wav",
     "--audio-track 0", "--region middle", "--style none --data none"],
)  # fmt: skip
def test_a_wrong_option_is_2(wrong: str, tmp_path: Path) -> None:
    assert avsep(["localize", "a.mp4", "-o", str(tmp_path), *wrong.split()]) == 2


def test_help_says_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    avsep(["localize", "--help"])
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "[default: heat]" in text
    assert "[default: npz]" in text


def _task(tiny_models: dict[str, Path], **settings: Any) -> LocalizeTask:
    return LocalizeTask(str(tiny_models["align"]), "cpu", settings)


def test_another_sound_of_that_name_is_another_result(tmp_path: Path, tiny_models: dict[str, Path], make_clip: MakeClip) -> None:
    other = make_clip(tmp_path / "other.wav", picture=False)
    before, plain = _task(tiny_models, with_audio=str(other)).identified().model_sha256, _task(tiny_models).identified().model_sha256
    make_clip(other, 2.0, picture=False)
    after = _task(tiny_models, with_audio=str(other)).identified().model_sha256
    assert len({before, after, plain}) == 3
    assert before.startswith(plain)


def test_a_folder_of_pictures_in_a_batch(tmp_path: Path, tiny_models: dict[str, Path], make_clip: MakeClip) -> None:
    """Made, skipped, found changed, refused, made again."""
    source, out = make_clip(tmp_path / "talk.mov"), tmp_path / "out"

    def status(overwrite: bool = False, **settings: Any) -> tuple[str, str]:
        task = _task(tiny_models, styles=[], layers=["png"], data=[], **settings)
        (row,) = run(find([source], out), task, Orders(overwrite))
        return row.status, row.reason or row.message

    folder = out / "talk" / "layer-png"
    assert status() == ("done", "it is new")
    assert len(list(folder.glob("*.png"))) == 25
    assert status()[0] == "skipped"
    assert [checked.problems for checked in verify(out)] == [[]]
    assert status(threshold=0.3) == ("done", "it was made with other options (threshold)")
    assert sorted(path.name for path in (out / "talk").iterdir()) == ["layer-png", "localize.avsep.json"]
    (folder / "layer.00000007.png").write_bytes(b"painted by hand")
    assert "has" in next(iter(verify(out))).problems[0]
    assert status()[0] == "error"
    assert status(overwrite=True)[0] == "done"
    assert len(list(folder.glob("*.png"))) == 25


@pytest.mark.slow
def test_from_the_command_line(
    tmp_path: Path, tiny_models: dict[str, Path], make_clip: MakeClip, capsys: pytest.CaptureFixture[str]
) -> None:
    make_clip(tmp_path / "clips" / "talk.mov")
    words = ["--style", "side-by-side", "--layer", "prores4444,png", "--data", "json", "--json", "-", "-d", "cpu", "-q"]
    line = ["localize", str(tmp_path / "clips"), "-o", str(tmp_path / "out"), "-m", str(tiny_models["align"]), *words]
    assert avsep(line) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert set(row["outputs"]) == {"overlay-side-by-side", "layer-prores4444", "layer-png", "heatmap-json"}
    assert all(Path(path).exists() for path in row["outputs"].values())
