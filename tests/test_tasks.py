"""The tasks that the command line hands to its workers, here in this process, with tiny models."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from avsep_plugin.batch import Orders, Row, Task, run
from avsep_plugin.discover import find
from avsep_plugin.errors import ModelError
from avsep_plugin.preset import Preset
from avsep_plugin.tasks import LocalizeTask, SeparateTask, SyncTask

MakeClip = Callable[..., Path]
Do = Callable[..., Row]


@pytest.fixture
def do(tmp_path: Path, tiny_models: dict[str, Path]) -> Do:
    """do(source, ...) -> the row of the only input."""

    def call(source: Path, command: str = "separate", *, overwrite: bool = False, dry_run: bool = False, **settings: str) -> Row:
        if command == "separate":
            task: Task = SeparateTask(str(tiny_models["separate"]), "cpu", settings)
        elif command == "sync":
            task = SyncTask(str(tiny_models["align"]), "cpu", settings)
        else:
            task = LocalizeTask(str(tiny_models["align"]), "cpu")
        (row,) = run(find([source], tmp_path / "out"), task, Orders(overwrite, dry_run))
        return row

    return call


def _samples(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1).reshape(-1)


def test_the_stems_add_up_to_the_source(tmp_path: Path, make_clip: MakeClip, do: Do) -> None:
    source = make_clip(tmp_path / "talk.mov")
    assert do(source).status == "done"
    on, off = (_samples(tmp_path / "out" / "talk" / f"{stem}-screen.wav").astype(int) for stem in ("on", "off"))
    assert np.array_equal(on + off, _samples(source))


def test_settings_are_obeyed(tmp_path: Path, make_clip: MakeClip, do: Do) -> None:
    do(make_clip(tmp_path / "talk.mov"), file_format="flac", bit_depth="24")
    with av.open(str(tmp_path / "out" / "talk" / "on-screen.flac")) as container:
        assert container.streams.audio[0].format.name == "s32"


def test_the_settings_of_the_command_line_are_known() -> None:
    from avsep_plugin.cli.separate import _settings

    assert SeparateTask("mini", settings=_settings(Preset(highs="keep"))).options().highs == "keep"


def test_the_second_run_skips_and_overwrite_does_not(tmp_path: Path, make_clip: MakeClip, do: Do) -> None:
    source = make_clip(tmp_path / "talk.mov")
    assert [do(source).status, do(source).status, do(source, overwrite=True).status] == ["done", "skipped", "done"]


def test_sync_is_skipped_once_it_is_done_and_made_again_with_other_options(tmp_path: Path, make_clip: MakeClip, do: Do) -> None:
    source = make_clip(tmp_path / "talk.mov")
    settings = {"max_offset_seconds": "0.2"}
    assert [do(source, "sync", **given).status for given in (settings, settings, {"max_offset_seconds": "0.3"})] == [
        "done",
        "skipped",
        "done",
    ]
    assert {path.name for path in (tmp_path / "out" / "talk").iterdir()} == {"sync.json", "sync.avsep.json"}


def test_both_tasks_share_a_folder(tmp_path: Path, make_clip: MakeClip, do: Do) -> None:
    source = make_clip(tmp_path / "talk.mov")
    assert [do(source, command).status for command in ("separate", "localize", "separate", "localize")] == ["done", "done"] + [
        "skipped"
    ] * 2
    assert {path.name for path in (tmp_path / "out" / "talk").iterdir()} == {
        "on-screen.wav", "off-screen.wav", "talk.mov", "separate.avsep.json", "overlay.mp4", "heatmap.npz", "localize.avsep.json",
    }  # fmt: skip


def test_a_dry_run_writes_nothing(tmp_path: Path, make_clip: MakeClip, do: Do) -> None:
    assert do(make_clip(tmp_path / "talk.mov"), dry_run=True).status == "skipped"
    assert not (tmp_path / "out").exists()


def test_whoever_hands_out_tasks_needs_no_pytorch() -> None:
    made = "SeparateTask('mini', 'auto', {'highs': 'keep'}).identified(), LocalizeTask('mini').identified()"
    imports = "import sys, avsep_plugin.workers, avsep_plugin.cli.main; from avsep_plugin.tasks import *"
    line = f"{imports}; {made}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", line], check=False).returncode == 0


def test_what_would_be_separated_is_said_without_pytorch(tmp_path: Path, make_clip: MakeClip) -> None:
    """Everything that a worker does of a dry run; the process outside loads none anyway."""
    settings = {"deliver": ["stems"], "track": "all", "abstain_below": 0.2, "confidence": "csv"}
    job = f"find([Path({str(make_clip(tmp_path / 'talk.mov'))!r})], Path({str(tmp_path / 'out')!r}))"
    lines = (
        "import sys; from pathlib import Path; from avsep_plugin.batch import Orders, run; from avsep_plugin.discover import find",
        "from avsep_plugin.tasks import SeparateTask; import avsep_plugin.worker",
        f"(row,) = run({job}, SeparateTask('mini', 'cpu', {settings}), Orders(dry_run=True))",
        "assert 'it is new' in row.message, row.message",
        "assert set(row.outputs) == {'track1-on', 'track1-off', 'track1-confidence'}, row.outputs",
        "sys.exit('torch' in sys.modules)",
    )
    assert subprocess.run([sys.executable, "-c", "; ".join(lines)], check=False).returncode == 0


@pytest.mark.parametrize("task", [SeparateTask("mini", settings={"highs": "keep"}), LocalizeTask("mini")], ids=lambda task: task.name)
def test_a_task_travels_to_another_process(task: Task) -> None:
    assert pickle.loads(pickle.dumps(task)) == task


@pytest.mark.parametrize("task", [SeparateTask("maxi"), LocalizeTask("mini-audio")], ids=lambda task: task.name)
def test_a_model_that_is_not_there_is_found_out_before_any_clip(task: Task) -> None:
    with pytest.raises(ModelError):
        task.identified()


def test_a_task_knows_its_weights(tiny_models: dict[str, Path]) -> None:
    one, other = (SeparateTask(str(tiny_models[task])).identified().model_sha256 for task in ("separate", "align"))
    assert (len(one), one == other) == (64, False)


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


def _dangling(folder: Path, _: MakeClip) -> Path:
    (folder / "link").mkdir()
    (folder / "link" / "gone.mov").symlink_to(folder / "nothing.mov")
    return folder / "link"


def _folder_without_media(folder: Path, _: MakeClip) -> Path:
    (folder / "papers").mkdir()
    (folder / "papers" / "notes.txt").write_text("no media")
    return folder / "papers"


BAD = [_silent, _sound_only, _few_samples, _missing, _empty, _foreign, _cut_off, _dangling, _folder_without_media]


@pytest.mark.parametrize("bad", BAD, ids=lambda make: make.__name__.strip("_"))
@pytest.mark.parametrize("command", ["separate", "localize", "sync"])
def test_a_bad_input_is_one_line_and_leaves_nothing(
    command: str, bad: Callable[[Path, MakeClip], Path], tmp_path: Path, make_clip: MakeClip, do: Do
) -> None:
    source = bad(tmp_path, make_clip)
    row = do(source, command)
    assert (row.status, row.outputs, "\n" in row.message) == ("error", {}, False)
    assert row.message.startswith(str(source))
    assert "unexpected" not in row.message
    assert not (tmp_path / "out").exists()
