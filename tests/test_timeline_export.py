"""From finished folders to timelines in files: the clip's own timecode, what is whole or not there, what is said."""

import dataclasses
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import pytest

from avsep_plugin import sidecar
from avsep_plugin.cli import main
from avsep_plugin.confidence_file import Confidence, as_text
from avsep_plugin.errors import MediaError, NothingToDoError, SidecarError
from avsep_plugin.sidecar import Model, Sidecar
from avsep_plugin.timeline.clips import Finished, MarkedClip, MarkOptions, find, marked

FILM, NTSC, DOUBLE = Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)
CUT = 37
WINDOWS = [Confidence(0.0, 1.0, 0, 2.0, 0.9, False), Confidence(1.0, 2.0, 0, -2.0, 0.1, False)]


def footage(
    path: Path, rate: Fraction = NTSC, timecode: str | None = "01:00:00;00", pictures: int = 90, skipped: tuple[int, ...] = ()
) -> Path:
    """Dark pictures, and bright ones from number `CUT` on; those that are skipped leave a hole in time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if timecode:
            stream.metadata["timecode"] = timecode
        for number in (n for n in range(pictures) if n not in skipped):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 230 if number >= CUT else 20, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def finish(source: Path, folder: Path, windows: list[Confidence] | None = None, form: str = "csv") -> Path:
    """A folder as `separate` leaves it, without the sounds."""
    folder.mkdir(parents=True)
    outputs = {}
    if windows is not None:
        name = f"confidence.{form}"
        (folder / name).write_text(as_text(windows, "csv" if form == "csv" else "json"))
        outputs["confidence"] = sidecar.describe(folder, name)
    known = Sidecar("separate", "avsep", sidecar.look_at(source), Model("mini", "0"), outputs)
    sidecar.write(known, sidecar.path_of(folder, "separate"))
    return folder


def write_sync(folder: Path, **changed: object) -> None:
    found = {"format": "avsep.sync/1", "offset_seconds": 0.12, "confidence": 0.75, "abstained": False, "curve": []}
    (folder / "sync.json").write_text(json.dumps(found | changed))


def look(folder: Path, options: MarkOptions | None = None) -> MarkedClip:
    (one,) = find(folder)
    return marked(one, options or MarkOptions())


def places(clip: MarkedClip) -> list[tuple[str, int, int]]:
    return [(mark.kind, mark.start, mark.length) for mark in clip.marks]


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    folder = finish(footage(tmp_path / "talk.mov"), tmp_path / "stems" / "talk", WINDOWS)
    write_sync(folder)
    return folder


@pytest.mark.parametrize(
    ("rate", "timecode", "start", "drop"),
    [
        (FILM, "01:00:00:00", 86400, False),
        (Fraction(25), "10:00:00:00", 900000, False),
        (NTSC, "00:09:59;28", 17980, True),
        (NTSC, "01:00:00;00", 107892, True),
        (NTSC, "01:00:00:00", 108000, False),
        (DOUBLE, "01:00:00;00", 215784, True),
        (Fraction(25), None, 0, False),
    ],
)
def test_a_clip_lies_at_its_timecode(tmp_path: Path, rate: Fraction, timecode: str | None, start: int, drop: bool) -> None:
    source = footage(tmp_path / "a.mov", rate, timecode)
    clip = look(finish(source, tmp_path / "stems" / "a"), MarkOptions(cuts=False))
    assert (clip.start, clip.length, clip.counting.rate, clip.counting.drop) == (start, 90, rate, drop)
    assert clip.media == source.absolute()


def test_everything_that_was_found_is_marked_to_the_picture(talk: Path) -> None:
    assert places(look(talk)) == [("on", 0, 30), ("sync", 0, 1), ("off", 30, 30), ("cut", CUT, 1)]


def test_either_form_of_the_confidence_gives_the_same_marks(tmp_path: Path) -> None:
    source = footage(tmp_path / "a.mov")
    table, listed = (look(finish(source, tmp_path / form / "a", WINDOWS, form), MarkOptions(cuts=False)) for form in ("csv", "json"))
    assert table.marks == listed.marks != ()


def test_without_a_confidence_the_user_is_told_how_to_get_one(tmp_path: Path) -> None:
    clip = look(finish(footage(tmp_path / "a.mov"), tmp_path / "stems" / "a"))
    assert places(clip) == [("cut", CUT, 1)]
    assert any("--confidence" in note for note in clip.notes)


def test_a_variable_rate_is_counted_by_the_clock_and_said(tmp_path: Path) -> None:
    source = footage(tmp_path / "a.mkv", Fraction(30), None, 90, (5, 6, 7, 8, 9, 60, 61, 62))
    clip = look(finish(source, tmp_path / "stems" / "a", WINDOWS))
    assert abs(clip.length / clip.counting.rate - 3) < Fraction(1, 20)
    cut = next(mark for mark in clip.marks if mark.kind == "cut")
    assert abs(cut.start / clip.counting.rate - Fraction(CUT, 30)) <= 1 / (2 * clip.counting.rate)
    assert any("variable rate" in note for note in clip.notes)


def test_a_rate_without_timecode_is_counted_at_one_that_has(tmp_path: Path) -> None:
    clip = look(finish(footage(tmp_path / "a.mov", Fraction(15), None), tmp_path / "stems" / "a"))
    assert (clip.counting.rate, clip.length) == (30, 180)
    assert ("cut", 2 * CUT, 1) in places(clip)


def test_no_sync_is_no_mark_and_an_abstention_is_one(talk: Path) -> None:
    write_sync(talk, offset_seconds=None, abstained=True)
    assert "sync: cannot be told" in [mark.text for mark in look(talk).marks]
    (talk / "sync.json").unlink()
    assert "sync" not in [mark.kind for mark in look(talk).marks]


@pytest.mark.parametrize(
    "changed", [{"format": "avsep.sync/2"}, {"confidence": None}, {"offset_seconds": "late"}, {"offset_seconds": 1e999}]
)
def test_a_damaged_offset_is_an_error(talk: Path, changed: dict[str, object]) -> None:
    write_sync(talk, **changed)
    with pytest.raises(SidecarError, match=r"sync\.json"):
        look(talk)


def test_the_result_takes_the_place_of_a_source_that_is_gone(talk: Path) -> None:
    source = talk.parent.parent / "talk.mov"
    source.rename(source.with_name("elsewhere.mov"))
    with pytest.raises(MediaError, match="is gone"):
        look(talk)
    source.with_name("elsewhere.mov").rename(talk / "talk.mov")
    _with_output(talk, "video", "talk.mov")
    clip = look(talk)
    assert clip.media == (talk / "talk.mov").absolute()
    assert any("is gone" in note for note in clip.notes)


def test_the_result_is_shown_where_it_is_asked_for(talk: Path) -> None:
    (talk / "talk.mov").write_bytes((talk.parent.parent / "talk.mov").read_bytes())
    _with_output(talk, "video", "talk.mov")
    assert look(talk, MarkOptions(link="result")).media == (talk / "talk.mov").absolute()


def test_a_name_that_leads_out_of_the_folder_is_not_followed(talk: Path) -> None:
    _with_output(talk, "video", "../../talk.mov")
    assert look(talk, MarkOptions(link="result")).media == talk.parent.parent / "talk.mov"
    _with_output(talk, "confidence", "../../talk.mov")
    with pytest.raises(SidecarError, match="is gone"):
        look(talk)


def _with_output(folder: Path, kind: str, name: str) -> None:
    path = sidecar.path_of(folder, "separate")
    known = sidecar.read(path)
    assert known is not None
    sidecar.write(dataclasses.replace(known, outputs=known.outputs | {kind: sidecar.describe(folder, name)}), path)


def test_a_source_that_has_changed_is_said(talk: Path) -> None:
    footage(talk.parent.parent / "talk.mov", pictures=91)
    assert any("has changed" in note for note in look(talk).notes)


def test_a_folder_is_walked_in_order_and_a_sidecar_stands_for_its_clip(tmp_path: Path) -> None:
    source = footage(tmp_path / "a.mov")
    for name in ("b/two", "b/one", "a"):
        finish(source, tmp_path / "stems" / name)
    assert [str(one.name) for one in find(tmp_path / "stems")] == ["a", "b/one", "b/two"]
    assert find(tmp_path / "stems" / "a") == [Finished(tmp_path / "stems" / "a", Path("a"))]
    assert find(tmp_path / "stems" / "b" / "one" / "separate.avsep.json") == [Finished(tmp_path / "stems" / "b" / "one", Path("one"))]
    with pytest.raises(NothingToDoError, match=r"a\.mov"):
        find(source)


def avsep(*args: str | Path) -> int:
    return main.run(["timeline", *map(str, args)])


def test_every_clip_and_all_together_get_their_files(tmp_path: Path) -> None:
    for name, rate, timecode in (("a", NTSC, "01:00:00;00"), ("b", NTSC, "02:00:00;00"), ("c", Fraction(25), None)):
        finish(footage(tmp_path / f"{name}.mov", rate, timecode), tmp_path / "stems" / "day" / name, WINDOWS)
    formats = [word for form in ("otio", "edl", "fcpxml", "fcp7") for word in ("-f", form)]
    assert avsep(tmp_path / "stems", "-o", tmp_path / "out", *formats) == 0
    made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    suffixes = ("edl", "fcpxml", "otio", "xml")
    names = ("all-clips-25", "all-clips-29.97df", "day/a", "day/b", "day/c")
    assert made == sorted(f"{name}.{suffix}" for name in names for suffix in suffixes)
    joined = otio.adapters.read_from_file(str(tmp_path / "out" / "all-clips-29.97df.otio"))
    assert [clip.name for clip in joined.tracks[0]] == ["a.mov", "b.mov"]
    assert round(joined.global_start_time.value) == 107892


def test_what_is_there_is_replaced_only_when_that_is_asked_for(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "talk.edl").write_text("mine")
    assert avsep(talk, "-o", out, "-f", "otio", "-f", "edl") == 1
    assert ((out / "talk.edl").read_text(), sorted(path.name for path in out.iterdir())) == ("mine", ["talk.edl"])
    assert "--overwrite" in capsys.readouterr().err
    assert avsep(talk, "-o", out, "-f", "otio", "-f", "edl", "--overwrite") == 0
    assert (out / "talk.edl").read_text().startswith("TITLE: talk\nFCM: DROP FRAME\n")


def test_a_clip_that_fails_costs_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b", "c"):
        finish(footage(tmp_path / f"{name}.mov"), tmp_path / "stems" / name)
    sidecar.path_of(tmp_path / "stems" / "b", "separate").write_text("{")
    report = tmp_path / "report.json"
    assert avsep(tmp_path / "stems", "-o", tmp_path / "out", "--json", report, "-q") == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.otio", "all-clips.otio", "c.otio"]
    assert capsys.readouterr().err.count("error: ") == 1
    assert [bool(row["message"]) for row in json.loads(report.read_text())] == [False, True, False, False]


def test_two_clips_for_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in ("one", "two"):
        finish(footage(tmp_path / "a.mov"), tmp_path / folder / "a")
    assert avsep(tmp_path / "one", tmp_path / "two", "-o", tmp_path / "out", "--overwrite", "--no-cuts") == 1
    assert "would both get" in capsys.readouterr().err


def test_thresholds_that_cross_are_a_wrong_command_line(talk: Path, tmp_path: Path) -> None:
    assert avsep(talk, "-o", tmp_path / "out", "--on-above", "0.3", "--off-below", "0.4") == 2


def test_an_output_folder_that_is_none_is_one_line(talk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert avsep(talk, "-o", tmp_path / "file" / "below") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_loads_no_pytorch(talk: Path, tmp_path: Path) -> None:
    lines = (
        "import sys; from avsep_plugin.cli.main import run",
        f"assert run(['timeline', {str(talk)!r}, '-o', {str(tmp_path / 'out')!r}]) == 0",
        "assert 'torch' not in sys.modules",
    )
    subprocess.run([sys.executable, "-c", "; ".join(lines)], check=True)
