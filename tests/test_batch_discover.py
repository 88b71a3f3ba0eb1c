"""Which files are clips and where their outputs go. The files here are empty: discovery looks at names only."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from avsep_plugin.discover import Findings, find, shard
from avsep_plugin.errors import ConfigError
from avsep_plugin.naming import Template


def _touch(top: Path, *names: str) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()


def _folders(findings: Findings, output_dir: Path) -> dict[str, str]:
    return {job.source.name: job.out_dir.relative_to(output_dir).as_posix() for job in findings.jobs}


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_walk_keeps_the_subfolders(clips: Path, out: Path) -> None:
    _touch(clips, "a.mp4", "day1/b.mov", "day1/scene2/c.mkv")
    assert _folders(find([clips], out), out) == {"a.mp4": "a", "b.mov": "day1/b", "c.mkv": "day1/scene2/c"}


def test_a_walk_counts_what_is_no_media(clips: Path, out: Path) -> None:
    _touch(clips, "a.mp4", "notes.txt", "sub/still.jpg")
    findings = find([clips], out)
    assert (len(findings.jobs), findings.ignored) == (1, 2)


def test_a_walk_leaves_out_what_is_hidden(clips: Path, out: Path) -> None:
    _touch(clips, "a.mp4", ".b.mp4", ".trash/c.mp4")
    findings = find([clips], out)
    assert (_folders(findings, out), findings.ignored) == ({"a.mp4": "a"}, 0)


def test_a_walk_leaves_out_the_output_folder(clips: Path) -> None:
    _touch(clips, "a.mp4", "out/a/a.mp4")
    findings = find([clips], clips / "out")
    assert [job.source for job in findings.jobs] == [clips / "a.mp4"]


def test_the_output_folder_itself_is_no_input(clips: Path) -> None:
    _touch(clips, "a.mp4")
    findings = find([clips], clips)
    assert not findings.jobs
    assert "also the output folder" in findings.problems[0].message


def test_suffixes_may_be_in_capitals(clips: Path, out: Path) -> None:
    _touch(clips, "C0001.MP4")
    assert _folders(find([clips], out), out) == {"C0001.MP4": "C0001"}


def test_a_walk_is_in_alphabetical_order(clips: Path, out: Path) -> None:
    _touch(clips, "b.mp4", "a.mp4", "c.mp4")
    assert [job.source.name for job in find([clips], out).jobs] == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_named_file_may_be_called_anything(clips: Path, out: Path) -> None:
    _touch(clips, "footage.bin")
    findings = find([clips / "footage.bin"], out)
    assert _folders(findings, out) == {"footage.bin": "footage"}
    assert findings.jobs[0].named


def test_a_clip_that_is_found_twice_is_one_job(clips: Path, out: Path) -> None:
    _touch(clips, "a.mp4", "b.mp4")
    jobs = find([clips, clips / "a.mp4", clips / ".." / "clips"], out).jobs
    assert [(job.source.name, job.named) for job in jobs] == [("a.mp4", True), ("b.mp4", False)]


def test_clips_with_one_stem_take_their_full_names(clips: Path, out: Path) -> None:
    _touch(clips, "a.mp4", "a.mov", "b.mp4")
    assert _folders(find([clips], out), out) == {"a.mp4": "a.mp4", "a.mov": "a.mov", "b.mp4": "b"}


def test_stems_that_differ_in_case_only_collide(clips: Path, out: Path) -> None:
    _touch(clips, "a.mp4", "A.mov")
    assert _folders(find([clips], out), out) == {"a.mp4": "a.mp4", "A.mov": "A.mov"}


def test_a_sound_file_beside_a_clip_gives_way(clips: Path, out: Path) -> None:
    _touch(clips, "a.mov", "a.wav")
    assert _folders(find([clips], out), out) == {"a.mov": "a", "a.wav": "a.wav"}


def test_one_stem_in_two_subfolders_does_not_collide(clips: Path, out: Path) -> None:
    _touch(clips, "day1/a.mp4", "day2/a.mp4")
    assert {job.out_dir.relative_to(out).as_posix() for job in find([clips], out).jobs} == {"day1/a", "day2/a"}


@pytest.mark.parametrize("backwards", [False, True])
def test_equal_names_from_two_folders_take_the_folders_names(clips: Path, out: Path, backwards: bool) -> None:
    _touch(clips, "day1/a.mp4", "day2/a.mp4")
    inputs = [clips / "day1", clips / "day2"]
    jobs = find(inputs[::-1] if backwards else inputs, out).jobs
    assert {job.source.parent.name: job.out_dir.relative_to(out).as_posix() for job in jobs} == {"day1": "day1/a.mp4", "day2": "day2/a.mp4"}


def test_a_collision_that_no_name_can_solve_is_a_problem(clips: Path, out: Path) -> None:
    _touch(clips, "x/day/a.mp4", "y/day/a.mp4", "b.mp4")
    findings = find([clips / "x" / "day", clips / "y" / "day", clips / "b.mp4"], out)
    assert [job.source.name for job in findings.jobs] == ["b.mp4"]
    assert len(findings.problems) == 2


def test_a_full_name_that_is_another_clips_stem_is_solved(clips: Path, out: Path) -> None:
    _touch(clips, "a.mp4", "a.mov", "a.mp4.mkv")
    jobs = find([clips], out).jobs
    assert len({job.out_dir for job in jobs}) == 3


def test_a_missing_input_is_a_problem_and_the_rest_goes_on(clips: Path, out: Path) -> None:
    _touch(clips, "a.mp4")
    findings = find([clips / "nothing.mp4", clips / "a.mp4"], out)
    assert len(findings.jobs) == 1
    assert findings.problems[0].message == f"{clips / 'nothing.mp4'}: no such file or folder."


def test_a_folder_without_media_is_a_problem(clips: Path, out: Path) -> None:
    _touch(clips, "notes.txt")
    findings = find([clips], out)
    assert not findings.jobs
    assert findings.problems[0].message == f"{clips}: no media in this folder (1 other file)."


def test_a_pipe_is_not_opened(clips: Path, out: Path) -> None:
    os.mkfifo(clips / "pipe.mp4")
    assert "neither a file nor a folder" in find([clips / "pipe.mp4"], out).problems[0].message


def test_camera_cards_and_mac_drives_do_not_fail_a_walk(clips: Path, out: Path) -> None:
    _touch(clips, "DCIM/100/C0001.MP4", "DCIM/100/._C0001.MP4", "DCIM/100/C0001.THM", "DCIM/100/C0001M01.XML", "DCIM/100/DSC1.JPG")
    _touch(clips, "PRIVATE/AVCHD/BDMV/STREAM/00000.MTS", "PRIVATE/AVCHD/BDMV/CLIPINF/00000.CPI", "PRIVATE/AVCHD/BDMV/INDEX.BDM")
    _touch(clips, "XDROOT/Clip/C0002.MXF", "XDROOT/Clip/C0002M01.XML", "XDROOT/MEDIAPRO.XML", "XDROOT/General/Sony/a.BIM")
    _touch(clips, ".DS_Store", ".Trashes/old.mp4", "$RECYCLE.BIN/gone.mp4", "System Volume Information/index.mp4", "DCIM/100/timer.gif")
    findings = find([clips], out)
    assert sorted(job.source.name for job in findings.jobs) == ["00000.MTS", "C0001.MP4", "C0002.MXF"]
    assert (findings.problems, findings.ignored) == ([], 9)


def test_a_name_of_dots_does_not_lead_out_of_the_output_folder(clips: Path, out: Path) -> None:
    _touch(clips, "...mp4", "..mp4")
    assert {job.out_dir for job in find([clips / "...mp4", clips / "..mp4"], out).jobs} == {out / "...mp4", out / "..mp4"}


def test_stems_that_differ_in_how_accents_are_written_collide(clips: Path, out: Path) -> None:
    _touch(clips, unicodedata.normalize("NFC", "café.mp4"), unicodedata.normalize("NFD", "café.mov"))
    assert {job.out_dir.suffix for job in find([clips], out).jobs} == {".mp4", ".mov"}


def _by(text: str) -> Callable[[Path], Path]:
    return lambda source: Template(text).folder(source, "multisensory/full", "0")


def test_a_template_names_the_folders_and_keeps_the_tree(clips: Path, out: Path) -> None:
    _touch(clips, "day1/a.mp4", "day1/a.mov")
    jobs = find([clips], out, _by("{model}/{stem}_{ext}_{track}")).jobs
    assert [job.out_dir.relative_to(out).as_posix() for job in jobs] == [
        "day1/multisensory_full/a_mov_0", "day1/multisensory_full/a_mp4_0",
    ]  # fmt: skip


@pytest.mark.parametrize("names", [("a.mp4", "a.mov"), ("a.mp4", "A.mov")])
def test_names_by_a_template_that_collide_are_refused(names: tuple[str, str], clips: Path, out: Path) -> None:
    _touch(clips, *names)
    with pytest.raises(ConfigError, match="would both get the folder"):
        find([clips], out, _by("{stem}"))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards_add_up_to_the_whole(count: int, clips: Path, out: Path) -> None:
    _touch(clips, *(f"day{i % 3}/clip{i}.mp4" for i in range(40)))
    whole = find([clips, clips / "missing.mp4"], out)
    parts = [shard(whole, number + 1, count) for number in range(count)]
    assert sorted((job for part in parts for job in part.jobs), key=lambda job: job.source) == sorted(
        whole.jobs, key=lambda job: job.source
    )
    assert [problem for part in parts for problem in part.problems] == whole.problems


def test_a_shard_does_not_depend_on_order_or_place(clips: Path, tmp_path: Path, out: Path) -> None:
    _touch(clips, *(f"day{i % 3}/clip{i}.mp4" for i in range(40)))
    before = {job.source.name for job in shard(find([clips], out), 2, 3).jobs}
    moved = clips.rename(tmp_path / "elsewhere")
    assert {job.source.name for job in shard(find([moved], out), 2, 3).jobs} == before
