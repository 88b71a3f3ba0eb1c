"""The page of a processed folder: what it says of the clips, that nothing in a name gets out of its place, that it is put there whole."""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from processed import FAILED, MARKUP, process

from avsep_plugin import sidecar
from avsep_plugin.batch import run
from avsep_plugin.cli import main
from avsep_plugin.confidence_file import Confidence
from avsep_plugin.discover import find
from avsep_plugin.dsp.shots import ONE_SHOT
from avsep_plugin.errors import NothingToDoError, OutputError
from avsep_plugin.media.probe import probe
from avsep_plugin.report.build import build
from avsep_plugin.report.measure import Outline
from avsep_plugin.report.texts import clock, link, outline_text, printable
from avsep_plugin.survey import Survey
from avsep_plugin.tasks import SeparateTask

MakeClip = Callable[..., Path]


TITLE = "</title><script>boom()</script>"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, make_clip: MakeClip, tiny_models: dict[str, Path]) -> Path:
    """Footage, its outputs and their page, never changed."""
    top = tmp_path_factory.mktemp("made")
    build(process(top, make_clip, tiny_models), title=TITLE)
    return top


@pytest.fixture
def page(made: Path) -> Path:
    return made / "out" / "report.html"


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil, with one clip in it."""
    for folder in ("footage", "out"):
        shutil.copytree(made / folder, tmp_path / folder)
    for path in sidecar.below(tmp_path / "out"):
        path.write_text(path.read_text().replace(str(made), str(tmp_path)))
    for folder in ("a-short", "day 2"):
        shutil.rmtree(tmp_path / "out" / folder)
    (tmp_path / "out" / "report.html").unlink()
    return tmp_path / "out"


def clips_of(page: Path) -> dict[str, dict[str, Any]]:
    """What the script of the page is given, by the name of the clip."""
    (block,) = re.findall(r'<script type="application/json" id="clips">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    return {clip["name"]: clip for clip in json.loads(block)}


def shown(out: Path, **options: Any) -> dict[str, dict[str, Any]]:
    return clips_of(build(out, **options).page)


class Tags(HTMLParser):
    """Names of all tags, and the texts outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_every_clip_and_every_failure_has_its_place(page: Path) -> None:
    clips = clips_of(page)
    assert {name: clip["duration"] for name, clip in clips.items()} == pytest.approx(
        {"a-short.mp4": 1, "b-long.mov": 3, MARKUP: 2, Path(FAILED).name: 0}, abs=0.05
    )
    assert [sound["label"] for sound in clips["b-long.mov"]["sounds"]] == ["Original", "On-screen", "Off-screen"]
    assert [flag["label"] for flag in clips[Path(FAILED).name]["flags"]] == ["Failed"]
    assert clips["b-long.mov"]["stills"]
    assert clips["b-long.mov"]["windows"]


def test_no_name_becomes_markup(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tags = Tags(text)
    assert tags.tags.count("script") == 2
    assert tags.tags.count("img") == 3  # the thumbnails
    assert MARKUP in tags.texts
    assert tags.texts.count(TITLE) == 2
    assert "boom()</script>" not in text


def test_the_policy_names_what_may_run(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r'(?:src|href)="(?!data:)', text)  # everything else is set by the script


def test_media_are_reached_by_relative_addresses(page: Path) -> None:
    for clip in clips_of(page).values():
        addresses = [clip["picture"], clip["overlay"], *(sound["url"] for sound in clip["sounds"]), *(url for *_, url in clip["files"])]
        for address in filter(None, addresses):
            assert re.fullmatch(r"[A-Za-z0-9%._/~-]+", address)
            assert (page.parent / unquote(address)).is_file()


def test_previews_are_what_browsers_play(page: Path) -> None:
    clip = clips_of(page)["a-short.mp4"]
    picture, sound = (probe(page.parent / unquote(address)) for address in (clip["picture"], clip["sounds"][1]["url"]))
    assert picture.video is not None
    assert (picture.video.codec, sound.audio[0].codec, clip["picture"].split("/")[0]) == ("h264", "aac", "report_files")


def test_without_previews_the_files_themselves_are_played(out: Path) -> None:
    clip = shown(out, previews=False)["b-long.mov"]
    assert not (out / "report_files").exists()
    assert [unquote(sound["url"]) for sound in clip["sounds"]] == ["../footage/b-long.mov", "b-long/on-screen.wav", "b-long/off-screen.wav"]
    assert clip["picture"] == "../footage/b-long.mov"


def test_previews_are_made_once_and_go_away_with_their_clip(out: Path) -> None:
    store = out / "report_files"
    files = {path: path.stat().st_mtime_ns for path in store.rglob("*.m*")}
    (store / "mine.txt").write_text("kept")
    shown(out)
    left = {path: path.stat().st_mtime_ns for path in store.rglob("*.m*")}
    assert (len(files), len(left)) == (15, 5)  # picture, overlay, three sounds of each clip
    assert left.items() <= files.items()
    assert (store / "mine.txt").read_text() == "kept"


def test_without_its_source_the_original_is_the_sum_of_the_stems(out: Path) -> None:
    before = shown(out, previews=False)["b-long.mov"]
    shutil.rmtree(out.parent / "footage")
    after = shown(out)["b-long.mov"]
    assert [flag["kind"] for flag in after["flags"]] == ["source"]
    for key in ("lufs", "peak", "start", "length", "outline"):
        assert after["sounds"][0][key] == before["sounds"][0][key]
    assert after["picture"]


def test_a_source_that_has_changed_is_not_shown(out: Path) -> None:
    (out.parent / "footage" / "b-long.mov").write_bytes((out.parent / "footage" / "a-short.mp4").read_bytes())
    clip = shown(out, previews=False)["b-long.mov"]
    assert [flag["label"] for flag in clip["flags"]] == ["Clip changed"]
    assert clip["duration"] == pytest.approx(3, abs=0.05)


def flags_of(out: Path) -> dict[str, str]:
    return {flag["label"]: flag["detail"] for flag in shown(out, previews=False)["b-long.mov"]["flags"]}


def test_flags_of_files(out: Path) -> None:
    (out / "b-long" / "off-screen.wav").unlink()
    (out / "b-long" / "overlay.mp4").write_bytes(b"changed")
    found = flags_of(out)
    assert found["Files missing"] == "Gone from the folder: off-screen.wav."
    assert found["Files changed"] == "Not as avsep wrote them: overlay.mp4."


def change(folder: Path, task: str = "separate", **values: Any) -> None:
    path = sidecar.path_of(folder, task)
    known = sidecar.read(path)
    assert known is not None
    sidecar.write(dataclasses.replace(known, **values), path)


def test_a_separation_that_abstained(out: Path) -> None:
    (note,) = Survey(ONE_SHOT, [Confidence(0.0, 1.0, 0, 0.0, 0.5, True)]).notes(0.4)
    change(out / "b-long", warnings=(note, "Another thing."))
    assert flags_of(out) == {"Abstained": note, "1 warning": "Another thing."}


def test_abstention_in_one_shot_is_read_from_the_windows(out: Path) -> None:
    table = out / "b-long" / "confidence.csv"
    table.write_text("start_seconds,end_seconds,shot,logit,probability,abstained\n0,2,0,0,0.9,false\n2,3,1,0,0.1,true\n")
    assert flags_of(out)["Abstained"].startswith("1 of 2 shots are left untouched")


def test_sync_beside_the_outputs(out: Path) -> None:
    curve = [{"offset_seconds": 0.0, "score": 1.0}, {"offset_seconds": 0.1, "score": 2.0}]
    values = {"format": "avsep.sync/1", "offset_seconds": -0.08, "confidence": 0.5, "abstained": False, "curve": curve}
    (out / "b-long" / "sync.json").write_text(json.dumps(values))
    assert "80 ms early" in flags_of(out)


def test_a_part_lies_in_its_place(tmp_path: Path, make_clip: MakeClip, tiny_models: dict[str, Path]) -> None:
    task = SeparateTask(str(tiny_models["separate"]), "cpu", {"start": "0.25", "end": "0.75", "amount": 0.5})
    assert [row.status for row in run(find([make_clip(tmp_path / "talk.mov")], tmp_path / "out"), task)] == ["done"]
    clip = shown(tmp_path / "out", previews=False)["talk.mov"]
    assert [(sound["key"], sound["start"], sound["length"]) for sound in clip["sounds"]] == [
        ("original", 0, 1), ("on", 0.25, 0.5), ("off", 0.25, 0.5), ("delivered", 0, 1),
    ]  # fmt: skip
    assert [flag["label"] for flag in clip["flags"]] == ["Part only"]


def test_a_damaged_output_is_a_note_and_the_rest_is_shown(out: Path) -> None:
    (out / "b-long" / "on-screen.wav").write_bytes(b"RIFF....")
    (out / "b-long" / "heatmap.npz").write_bytes(b"PK")
    shutil.rmtree(out / "report_files")
    built = build(out)
    assert len(built.notes) == 2
    assert [sound["key"] for sound in clips_of(built.page)["b-long.mov"]["sounds"]] == ["original", "off"]


def test_the_page_replaces_an_older_page_only(out: Path) -> None:
    build(out, previews=False)
    build(out, previews=False)
    (out / "mine.html").write_text("<p>mine")
    with pytest.raises(OutputError, match="was not made by avsep report"):
        build(out, out / "mine.html")
    assert (out / "mine.html").read_text() == "<p>mine"
    with pytest.raises(OutputError, match="is a folder"):
        build(out, out / "b-long")


def test_a_page_that_fails_leaves_the_old_one(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = build(out, previews=False).page
    old = page.read_bytes()
    monkeypatch.setattr("avsep_plugin.report.build.render", lambda _page: "\ud800")
    with pytest.raises(UnicodeEncodeError):
        build(out, previews=False)
    assert page.read_bytes() == old
    assert [path.name for path in out.glob(".avsep-*")] == []


def test_a_folder_with_nothing_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NothingToDoError):
        build(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert main.run(["report", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}: nothing in this folder was processed by avsep.\n"


def test_the_command_says_where_the_page_is(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "foreign.avsep.json").write_text("{}")
    page = out.parent / "review.html"
    assert main.run(["report", str(out), "-o", str(page), "--title", "Day <1>", "--no-previews"]) == 0
    warning, done = capsys.readouterr().err.splitlines()
    assert warning.startswith(f"warning: {out / 'foreign.avsep.json'} is no whole sidecar")
    assert done == f"done: {page} (1 clip, 1 failed)"
    assert "<h1>Day &lt;1&gt;</h1>" in page.read_text()


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9 #1.mov"
    assert link(path, tmp_path / "report.html") == "caf%E9%20%231.mov"
    assert printable(path.name) == "caf\\udce9 #1.mov"
    assert link(tmp_path.parent / "a:b", tmp_path / "x.html") == "../a%3Ab"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00"), (36061, "10:01:01")])
def test_lengths_are_told_in_minutes(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_an_outline_is_digits_of_one_and_a_half_decibels() -> None:
    assert outline_text([0.0, 1.0, 2.0, 10 ** (-1.5 / 20), 10 ** (-15 / 20)]) == "0zzyp"


@pytest.mark.parametrize("samples", [0, 1, 63, 64, 4096 * 64, 4096 * 64 + 65, 10**6])
@pytest.mark.parametrize("block", [777, 65536])
def test_an_outline_keeps_every_peak_in_its_place(samples: int, block: int) -> None:
    peaks = [place for place in (0, samples // 3, samples - 1) if 0 <= place < samples]
    level = np.zeros(samples, np.float32)
    level[peaks] = 1
    outline = Outline()
    for start in range(0, samples, block):
        outline.add(level[start : start + block])
    bins = outline.bins(600)
    assert bins.size <= 600
    found = np.flatnonzero(bins) / max(1, bins.size)
    assert all(np.abs(found - place / samples).min() < 0.01 or bins.size < 100 for place in peaks)
    assert len(found) <= len(set(peaks))
