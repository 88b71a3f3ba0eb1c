"""`avsep separate` and `avsep localize` from the command line, with tiny models: files, reports, exit codes."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avsep_plugin.cli.main import run

MakeClip = Callable[..., Path]
Avsep = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def avsep(out: Path, tiny_models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> Avsep:
    """avsep("separate", input, ...) -> (exit code, JSON rows, stderr)."""

    def call(command: str, *args: str | Path) -> tuple[int, list[dict[str, Any]], str]:
        task = "align" if command == "localize" else "separate"
        code = run([command, *map(str, args), "-o", str(out), "-m", str(tiny_models[task]), "-d", "cpu", "--json", "-"])
        said = capsys.readouterr()
        return code, json.loads(said.out), said.err

    return call


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _samples(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1).reshape(-1)


def test_a_clip_gets_its_three_files(tmp_path: Path, out: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    code, (row,), _ = avsep("separate", make_clip(tmp_path / "talk.mov"))
    assert (code, row["status"], row["message"]) == (0, "done", "")
    assert _files(out) == {"talk/on-screen.wav", "talk/off-screen.wav", "talk/talk.mov"}
    assert {kind: Path(path).name for kind, path in row["outputs"].items()} == {
        "on": "on-screen.wav", "off": "off-screen.wav", "video": "talk.mov",
    }  # fmt: skip


def test_the_stems_add_up_to_the_source(tmp_path: Path, out: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    source = make_clip(tmp_path / "talk.mov")
    avsep("separate", source)
    on, off = (_samples(out / "talk" / f"{stem}-screen.wav").astype(int) for stem in ("on", "off"))
    assert np.array_equal(on + off, _samples(source))


def test_format_and_bit_depth_are_obeyed(tmp_path: Path, out: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    avsep("separate", make_clip(tmp_path / "talk.mov"), "--format", "flac", "--bit-depth", "24")
    with av.open(str(out / "talk" / "on-screen.flac")) as container:
        assert container.streams.audio[0].format.name == "s32"


def test_a_preset_is_obeyed_and_options_win(tmp_path: Path, out: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    avsep("separate", make_clip(tmp_path / "talk.mov"), "--preset", "interview", "--format", "flac")
    assert {"talk/on-screen.flac", "talk/off-screen.flac"} <= _files(out)


def test_localize_writes_overlay_and_heat_map(tmp_path: Path, out: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    code, (row,), _ = avsep("localize", make_clip(tmp_path / "talk.mov"))
    assert code == 0
    assert _files(out) == {"talk/overlay.mp4", "talk/heatmap.npz"}
    assert set(row["outputs"]) == {"overlay", "heatmap"}


def test_the_second_run_skips_and_overwrite_does_not(tmp_path: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    source = make_clip(tmp_path / "talk.mov")
    assert [avsep("separate", source, *more)[1][0]["status"] for more in ((), (), ("--overwrite",))] == ["done", "skipped", "done"]


def test_a_dry_run_writes_nothing(tmp_path: Path, out: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    code, (row,), _ = avsep("separate", make_clip(tmp_path / "talk.mov"), "--dry-run")
    assert (code, row["status"], out.exists()) == (0, "skipped", False)


def test_a_folder_with_all_kinds_of_files(tmp_path: Path, out: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    clips = tmp_path / "clips"
    make_clip(clips / "day1" / "talk.mov")
    make_clip(clips / "sound.wav", picture=False)
    make_clip(clips / "silent.mov", sound=False)
    (clips / "broken.mov").write_bytes(b"not a movie")
    (clips / "notes.txt").write_text("no media")
    code, rows, said = avsep("separate", clips)
    status = {Path(row["input"]).name: row["status"] for row in rows}
    assert code == 1
    assert status == {"talk.mov": "done", "sound.wav": "skipped", "silent.mov": "error", "broken.mov": "error"}
    assert {path.name for path in out.rglob("*") if path.is_dir()} == {"day1", "talk"}
    assert said.splitlines()[-1] == "1 done, 1 skipped, 2 failed, 1 no media"


def _silent(folder: Path, make_clip: MakeClip) -> Path:
    return make_clip(folder / "silent.mov", sound=False)


def _sound_only(folder: Path, make_clip: MakeClip) -> Path:
    return make_clip(folder / "sound.wav", picture=False)


def _few_samples(folder: Path, _: MakeClip) -> Path:
    path = folder / "few.avi"
    with av.open(str(path), "w") as container:
        video, audio = container.add_stream("mpeg4", rate=25), container.add_stream("pcm_s16le", rate=16000, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for _index in range(5):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
        block = av.AudioFrame.from_ndarray(np.zeros((1, 5), np.int16), format="s16", layout="mono")
        block.sample_rate = 16000
        container.mux([*audio.encode(block), *audio.encode(None)])
    return path


def _missing(folder: Path, _: MakeClip) -> Path:
    return folder / "missing.mov"


def _empty(folder: Path, _: MakeClip) -> Path:
    path = folder / "empty.mov"
    path.touch()
    return path


def _foreign(folder: Path, _: MakeClip) -> Path:
    path = folder / "text.mov"
    path.write_text("This is no movie. " * 100)
    return path


def _cut_off(folder: Path, make_clip: MakeClip) -> Path:
    whole = make_clip(folder / "cut.mov")
    whole.write_bytes(whole.read_bytes()[:4000])
    return whole


def _folder_without_media(folder: Path, _: MakeClip) -> Path:
    (folder / "papers").mkdir()
    (folder / "papers" / "notes.txt").write_text("no media")
    return folder / "papers"


BAD = [_silent, _sound_only, _few_samples, _missing, _empty, _foreign, _cut_off, _folder_without_media]


@pytest.mark.parametrize("bad", BAD, ids=lambda make: make.__name__.strip("_"))
@pytest.mark.parametrize("command", ["separate", "localize"])
def test_a_bad_input_is_one_line_and_1_and_leaves_nothing(
    command: str, bad: Callable[[Path, MakeClip], Path], tmp_path: Path, out: Path, make_clip: MakeClip, avsep: Avsep
) -> None:
    source = bad(tmp_path, make_clip)
    code, (row,), said = avsep(command, source)
    assert (code, row["status"], row["outputs"]) == (1, "error", {})
    assert said.count("\n") == 1
    assert said.startswith(f"error: {source}")
    assert not out.exists()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are always Unicode there")
@pytest.mark.parametrize("command", ["separate", "localize"])
def test_a_name_that_is_no_utf8_is_handled(command: str, tmp_path: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    source = make_clip(tmp_path / "talk.mov").rename(tmp_path / os.fsdecode(b"caf\xe9.mov"))
    code, (row,), said = avsep(command, source)
    assert (code, row["status"]) == (0, "done"), said
    assert all(Path(path).is_file() for path in row["outputs"].values())


def test_one_bad_input_does_not_stop_the_others(tmp_path: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    code, rows, _ = avsep("separate", tmp_path / "missing.mov", make_clip(tmp_path / "talk.mov"))
    assert (code, [row["status"] for row in rows]) == (1, ["error", "done"])


def test_an_unknown_model_is_one_line(tmp_path: Path, out: Path, make_clip: MakeClip, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["separate", str(make_clip(tmp_path / "talk.mov")), "-o", str(out), "-m", "maxi"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "maxi" in said
    assert not out.exists()


def test_an_output_folder_that_is_a_file_is_one_line(tmp_path: Path, make_clip: MakeClip, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert run(["separate", str(make_clip(tmp_path / "talk.mov")), "-o", str(tmp_path / "file" / "out")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_quiet_says_failures_only(tmp_path: Path, make_clip: MakeClip, avsep: Avsep) -> None:
    _, _, said = avsep("separate", make_clip(tmp_path / "talk.mov"), tmp_path / "missing.mov", "--quiet")
    assert said == f"error: {tmp_path / 'missing.mov'}: no such file or folder.\n"


def test_the_report_is_complete_after_ctrl_c(
    tmp_path: Path, out: Path, make_clip: MakeClip, tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from avsep_plugin import files

    separate_file = files.separate_file

    def stopped_at_the_second(source: Path, *args: Any) -> files.FileResult:
        if source.stem == "b":
            raise KeyboardInterrupt
        return separate_file(source, *args)

    monkeypatch.setattr(files, "separate_file", stopped_at_the_second)
    clips = [str(make_clip(tmp_path / name)) for name in ("a.mov", "b.mov")]
    report = tmp_path / "report.json"
    assert run(["separate", *clips, "-o", str(out), "-m", str(tiny_models["separate"]), "--json", str(report)]) == 130
    assert [row["status"] for row in json.loads(report.read_text())] == ["done"]
    assert {path.name for path in out.iterdir()} == {"a"}
