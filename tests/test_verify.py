"""A finished folder is checked again: what is whole passes, and every kind of damage is one line."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin import sidecar
from avsep_plugin.batch import run
from avsep_plugin.cli import main
from avsep_plugin.discover import find
from avsep_plugin.errors import NothingToDoError
from avsep_plugin.tasks import SeparateTask
from avsep_plugin.verify import Checked, verify

MakeClip = Callable[..., Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, make_clip: MakeClip, tiny_models: dict[str, Path]) -> Path:
    """A folder with a source and its finished outputs."""
    top = tmp_path_factory.mktemp("made")
    task = SeparateTask(str(tiny_models["separate"]), "cpu")
    assert [row.status for row in run(find([make_clip(top / "talk.mov")], top / "out"), task)] == ["done"]
    return top


@pytest.fixture
def talk(made: Path, tmp_path: Path) -> Path:
    """A copy of the clip's folder that a test may spoil; the source is a copy as well."""
    shutil.copy2(made / "talk.mov", tmp_path / "talk.mov")
    folder = Path(shutil.copytree(made / "out" / "talk", tmp_path / "out" / "talk"))
    path = folder / "separate.avsep.json"
    path.write_text(path.read_text().replace(str(made), str(tmp_path)))
    return folder


def check(talk: Path) -> Checked:
    (checked,) = verify(talk.parent)
    return checked


def replaced(talk: Path, kind: str) -> None:
    """Say in the sidecar that an output is what is there now."""
    path = talk / "separate.avsep.json"
    known = sidecar.read(path)
    assert known is not None
    outputs = known.outputs | {kind: sidecar.describe(talk, known.outputs[kind].name)}
    sidecar.write(dataclasses.replace(known, outputs=outputs), path)


def write_wav(path: Path, samples: np.ndarray, sample_rate_hz: int = 16000) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=sample_rate_hz, layout="stereo")
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), format="s16", layout="stereo")
        frame.sample_rate = sample_rate_hz
        container.mux([*stream.encode(frame), *stream.encode(None)])


def read_wav(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1).reshape(-1, 2).T


def test_what_was_salvaged_is_checked_against_what_can_be_decoded(
    tmp_path: Path, make_clip: MakeClip, tiny_models: dict[str, Path]
) -> None:
    clip = make_clip(tmp_path / "talk.mkv", 2.0)
    clip.write_bytes(clip.read_bytes()[:-20_000])
    task = SeparateTask(str(tiny_models["separate"]), "cpu", {"tolerate_damage": True})
    assert [row.status for row in run(find([clip], tmp_path / "out"), task)] == ["done"]
    checked = check(tmp_path / "out" / "talk")
    assert checked.problems == []
    assert [why.rpartition(": ")[2] for why in checked.skipped] == ["damage of it is tolerated."]


@pytest.mark.parametrize("settings", [{"track": "all"}, {"pad_to_picture": True}, {"end": "0.5"}, {"container": "mkv"}])
def test_whatever_was_delivered_is_checked(
    settings: dict[str, object], tmp_path: Path, make_clip: MakeClip, tiny_models: dict[str, Path]
) -> None:
    task = SeparateTask(str(tiny_models["separate"]), "cpu", settings)
    assert [row.status for row in run(find([make_clip(tmp_path / "talk.mov")], tmp_path / "out"), task)] == ["done"]
    assert check(tmp_path / "out" / "talk").problems == []
    for stem in (tmp_path / "out" / "talk").glob("*on-screen.wav"):
        content = bytearray(stem.read_bytes())
        content[-1] ^= 1
        stem.write_bytes(content)
    assert len(check(tmp_path / "out" / "talk").problems) == 1


def test_what_is_whole_has_no_problems(talk: Path) -> None:
    checked = check(talk)
    assert (checked.problems, checked.skipped) == ([], [])
    assert (checked.sidecar, checked.input) == (str(talk / "separate.avsep.json"), str(talk.parent.parent / "talk.mov"))


def test_an_output_that_is_gone(talk: Path) -> None:
    (talk / "on-screen.wav").unlink()
    assert check(talk).problems == [f"{talk / 'on-screen.wav'} is gone."]


@pytest.mark.parametrize("name", ["on-screen.wav", "off-screen.wav", "talk.mov"])
def test_one_wrong_byte(talk: Path, name: str) -> None:
    content = bytearray((talk / name).read_bytes())
    content[len(content) // 2] ^= 1
    (talk / name).write_bytes(content)
    assert check(talk).problems == [f"{talk / name} was changed: its checksum is not that of the file that was written."]


def test_an_output_that_was_cut_short(talk: Path) -> None:
    content = (talk / "talk.mov").read_bytes()
    (talk / "talk.mov").write_bytes(content[:-1])
    assert check(talk).problems == [f"{talk / 'talk.mov'} has {len(content) - 1} bytes; it was written with {len(content)}."]


def test_stems_have_to_add_up_to_the_last_step(talk: Path) -> None:
    samples = read_wav(talk / "on-screen.wav")
    samples[1, 12345] += 1
    write_wav(talk / "on-screen.wav", samples)
    replaced(talk, "on")
    (problem,) = check(talk).problems
    assert "do not add up to the source" in problem
    assert problem.endswith("at sample 12345.")


@pytest.mark.parametrize("settings", [{}, {"bit_depth": "16"}, {"bit_depth": "32f"}, {"file_format": "flac"}])
def test_stems_of_a_lossy_source_are_right_at_every_depth(
    settings: dict[str, str], tmp_path: Path, make_clip: MakeClip, tiny_models: dict[str, Path]
) -> None:
    task = SeparateTask(str(tiny_models["separate"]), "cpu", settings)
    list(run(find([make_clip(tmp_path / "talk.mp4")], tmp_path / "out"), task))
    checked = check(tmp_path / "out" / "talk")
    assert (checked.problems, checked.skipped) == ([], [])


def test_stems_have_to_be_equally_long(talk: Path) -> None:
    write_wav(talk / "on-screen.wav", read_wav(talk / "on-screen.wav")[:, :-1])
    replaced(talk, "on")
    (problem,) = check(talk).problems
    assert "are not equally long: they end after 15999, 16000, 16000 samples." in problem


def test_stems_have_to_be_at_one_rate(talk: Path) -> None:
    write_wav(talk / "on-screen.wav", read_wav(talk / "on-screen.wav"), 8000)
    replaced(talk, "on")
    (problem,) = check(talk).problems
    assert "are not alike: 8000 Hz, 2 channels, 16000 Hz, 2 channels." in problem


def test_the_picture_has_to_be_that_of_the_source(talk: Path, make_clip: MakeClip) -> None:
    make_clip(talk / "talk.mov", 0.9)
    replaced(talk, "video")
    (problem,) = check(talk).problems
    assert "its picture (22 packets) is not that of the source (25 packets), packet by packet" in problem


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_without_its_source_the_rest_is_checked(talk: Path, change: str) -> None:
    source = talk.parent.parent / "talk.mov"
    source.unlink() if change == "gone" else source.write_bytes(b"another")
    checked = check(talk)
    assert (checked.problems, len(checked.skipped)) == ([], 2)
    write_wav(talk / "on-screen.wav", read_wav(talk / "on-screen.wav")[:, :-1])
    replaced(talk, "on")
    assert len(check(talk).problems) == 1


def test_work_that_was_broken_off(talk: Path) -> None:
    (talk / "separate.avsep.json").rename(talk / ".separate.avsep.json")
    assert check(talk).problems == [f"{talk}: avsep was broken off while it wrote here; run it again."]


def test_a_sidecar_that_is_damaged(talk: Path) -> None:
    (talk / "separate.avsep.json").write_text("{}")
    (problem,) = check(talk).problems
    assert "is no whole sidecar of avsep" in problem


def test_a_folder_without_finished_work(tmp_path: Path) -> None:
    with pytest.raises(NothingToDoError):
        list(verify(tmp_path))


def test_the_command_says_one_line_for_each_problem(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["verify", str(talk.parent)]) == 0
    (talk / "on-screen.wav").unlink()
    (talk / "off-screen.wav").unlink()
    capsys.readouterr()
    assert main.run(["verify", str(talk.parent), "--json", "-"]) == 1
    said = capsys.readouterr()
    problems = [f"{talk / 'on-screen.wav'} is gone.", f"{talk / 'off-screen.wav'} is gone."]
    assert said.err == "".join(f"error: {problem}\n" for problem in problems)
    assert [one["problems"] for one in json.loads(said.out)] == [problems]
