"""What a processed folder holds, whatever else lies in it."""

import dataclasses
import json
from pathlib import Path

import pytest

from avsep_plugin import sidecar
from avsep_plugin.errors import NothingToDoError
from avsep_plugin.report.collect import Made, collect, is_inside

CLIP = sidecar.Input("/footage/talk.mov", 5, 1, "0" * 64, "1" * 64)


def record(folder: Path, task: str = "separate", clip: sidecar.Input = CLIP, hidden: bool = False, **names: str) -> sidecar.Sidecar:
    """Write a sidecar, and files of three bytes for its outputs that stay inside."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names.values():
        if is_inside(name):
            (folder / name).write_bytes(b"abc")
    outputs = {kind: sidecar.Written(name, 3, "2" * 64) for kind, name in names.items()}
    made = sidecar.Sidecar(task, "avsep 0", clip, sidecar.Model("mini", "3" * 64), outputs)
    sidecar.write(made, (sidecar.pending_path_of if hidden else sidecar.path_of)(folder, task))
    return made


def test_the_tasks_of_a_clip_are_one_entry_wherever_they_lie(tmp_path: Path) -> None:
    record(tmp_path / "stems" / "talk", on="on-screen.wav")
    record(tmp_path / "maps" / "talk", "localize", heatmap="heatmap.npz")
    record(tmp_path / "stems" / "walk", clip=dataclasses.replace(CLIP, path="/footage/walk.mov"))
    entries = collect(tmp_path).entries
    assert [(sorted(entry.made), entry.input.path) for entry in entries] == [
        (["localize", "separate"], "/footage/talk.mov"), (["separate"], "/footage/walk.mov"),
    ]  # fmt: skip


def test_an_output_may_be_a_folder(tmp_path: Path) -> None:
    layer = tmp_path / "talk" / "layer-png"
    layer.mkdir(parents=True)
    (layer / "1.png").write_bytes(b"abc")
    outputs = {"layer-png": sidecar.describe(layer.parent, layer.name)}
    sidecar.write(
        sidecar.Sidecar("localize", "avsep 0", CLIP, sidecar.Model("mini", "3" * 64), outputs), sidecar.path_of(layer.parent, "localize")
    )
    made = collect(tmp_path).entries[0].made["localize"]
    assert (made.files, made.missing, made.changed) == ({"layer-png": layer}, [], [])
    (layer / "2.png").write_bytes(b"a")
    assert (made.missing, made.changed) == ([], ["layer-png"])


def test_two_separations_of_a_clip_are_two_entries_each_with_what_lies_beside_it(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        record(tmp_path / folder)
        record(tmp_path / folder, "localize")
    entries = collect(tmp_path).entries
    assert [{made.folder.name for made in entry.made.values()} for entry in entries] == [{"a"}, {"b"}]


def test_a_foreign_sidecar_is_one_note(tmp_path: Path) -> None:
    record(tmp_path / "talk")
    for name, text in (("a", "{}"), ("b", "no json"), ("c", "[]"), ("d", '{"schema": 99}')):
        (tmp_path / f"{name}.avsep.json").write_text(text)
    found = collect(tmp_path)
    assert (len(found.entries), len(found.notes)) == (1, 4)
    assert all("\n" not in note for note in found.notes)


def test_a_folder_in_which_nothing_was_processed(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("[]")
    with pytest.raises(NothingToDoError, match="nothing in this folder was processed"):
        collect(tmp_path)


def test_a_folder_with_nothing_but_damage_says_which(tmp_path: Path) -> None:
    (tmp_path / "separate.avsep.json").write_text("{}")
    with pytest.raises(NothingToDoError, match=r"separate\.avsep\.json is no whole sidecar"):
        collect(tmp_path)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../b", "C:\\Windows\\x", "\\\\host\\share\\x", "..\\x", "", "a\0b", "C:x"]
)
def test_a_name_that_leads_out_of_its_folder_is_left_out(tmp_path: Path, name: str) -> None:
    assert not is_inside(name)
    made = Made(tmp_path, record(tmp_path, on=name))
    assert (made.path("on"), made.missing) == (None, [name])


@pytest.mark.parametrize("name", ["on-screen.wav", "below/on.wav", "..wav", 'a "b" <c>.wav'])
def test_a_name_that_stays_in_its_folder(name: str) -> None:
    assert is_inside(name)


def test_outputs_that_are_gone_or_changed(tmp_path: Path) -> None:
    made = Made(tmp_path, record(tmp_path, on="on.wav", off="off.wav", video="talk.mov"))
    (tmp_path / "on.wav").unlink()
    (tmp_path / "off.wav").write_bytes(b"longer")
    assert (made.missing, made.changed, sorted(made.files)) == (["on.wav"], ["off.wav"], ["off", "video"])


def test_what_was_broken_off_is_noted(tmp_path: Path) -> None:
    record(tmp_path / "a")
    record(tmp_path / "a", "localize", hidden=True)
    record(tmp_path / "b", clip=dataclasses.replace(CLIP, path="/footage/b.mov"), hidden=True)
    assert [(entry.folder.name, len(entry.broken_off)) for entry in collect(tmp_path).entries] == [("a", 1), ("b", 1)]


def rows(path: Path, *values: object) -> None:
    path.write_text(json.dumps(values))


def test_failed_rows_of_batches_are_shown_once(tmp_path: Path) -> None:
    failed = {"input": "/footage/bad.mov", "status": "error", "message": "It is damaged."}
    rows(tmp_path / "a.json", failed, {"input": "/footage/x.mov", "status": "done"}, 7, {"status": "error"})
    rows(tmp_path / "b.json", failed)
    (tmp_path / "c.json").write_text("not json")
    rows(tmp_path.parent / f"{tmp_path.name}.json", failed | {"input": "/elsewhere.mov"})
    found = collect(tmp_path, [tmp_path.parent / f"{tmp_path.name}.json"])
    assert [(failure.input, failure.message) for failure in found.failures] == [
        ("/footage/bad.mov", "It is damaged."), ("/elsewhere.mov", "It is damaged."),
    ]  # fmt: skip


def test_what_failed_once_and_was_done_later_has_not_failed(tmp_path: Path) -> None:
    record(tmp_path / "talk")
    rows(tmp_path / "old.json", {"input": CLIP.path, "status": "error", "message": "The disk was full."})
    assert collect(tmp_path).failures == []
