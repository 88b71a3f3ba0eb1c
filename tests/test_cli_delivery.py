"""The options of `avsep separate` that say what an editor gets, from the command line to the files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from avsep_plugin.cli.main import run

MakeClip = Callable[..., Path]


@pytest.fixture
def separated(tmp_path: Path, make_clip: MakeClip, tiny_models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """separated(option, ...) -> (exit code, names of the files, the JSON row or the words on stderr) of a clip talk.mov of a second."""

    def call(*options: str) -> tuple[int, set[str], Any]:
        source, out = make_clip(tmp_path / "talk.mov"), tmp_path / "out"
        code = run(["separate", str(source), "-o", str(out), "-m", str(tiny_models["separate"]), "-d", "cpu", "--json", "-", *options])
        said = capsys.readouterr()
        names = {path.name for path in (out / "talk").iterdir()} if out.exists() else set()
        return code, names, json.loads(said.out)[0] if said.out else said.err

    return call


def media(names: set[str]) -> set[str]:
    return {name for name in names if name.endswith((".wav", ".mov", ".mkv"))}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--deliver", "stems"], {"on-screen.wav", "off-screen.wav"}),
        (["--deliver", "replace", "--container", "mkv"], {"talk.mkv"}),
        (["--deliver", "add-tracks,replace"], {"talk.mov"}),
        (["--deliver", "stems", "--deliver", "stems", "--audio-track", "all"], {"track1-on-screen.wav", "track1-off-screen.wav"}),
    ],
)
def test_what_is_delivered(separated: Callable[..., Any], options: list[str], names: set[str]) -> None:
    code, found, row = separated(*options)
    assert (code, media(found), row["warnings"]) == (0, names, [])
    assert {Path(path).name for path in row["outputs"].values()} == names


def test_a_part_with_handles_split_and_padded(separated: Callable[..., Any], tmp_path: Path) -> None:
    options = ["--start", "0.4", "--end", "00:00:00:15", "--handles", "0.1", "--channels", "split", "--deliver", "stems"]
    for more, seconds in (([], 0.4), (["--pad-to-picture", "--overwrite"], 1.0)):
        assert separated(*options, *more)[0] == 0
        with av.open(str(tmp_path / "out" / "talk" / "on-screen.wav")) as container:
            assert container.streams.audio[0].duration == round(seconds * 16000)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--deliver", "video"], "'video' is none of stems, replace, add-tracks"),
        (["--start", "soon"], "'soon' is neither a number of seconds nor a timecode"),
        (["--end", "-1"], "'-1' is neither"),
        (["--audio-track", "0"], "'0' is neither a track number"),
        (["--handles", "-1"], "-1"),
    ],
)
def test_options_that_are_wrong_for_every_clip(separated: Callable[..., Any], options: list[str], words: str) -> None:
    code, names, said = separated(*options)
    assert (code, names) == (2, set())
    assert words in said


def test_a_track_that_a_clip_has_not(separated: Callable[..., Any]) -> None:
    code, _, row = separated("--audio-track", "2")
    assert code == 1
    assert row["message"].endswith("talk.mov has no sound track 2; it has 1.")
