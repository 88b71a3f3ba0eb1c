"""Mixtures drawn from any folder of clips, and two models compared on them."""

import json
import random
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avsep_plugin.cli.main import run
from avsep_plugin.errors import DataError
from avsep_plugin.media.write import SoundWriter
from avsep_plugin.scenes.export import write_clip
from avsep_plugin.training import drawn
from avsep_plugin.training.drawn import Draw, Sound, draw, mixtures
from avsep_plugin.training.evaluation_table import Record, Results, as_dict, markdown
from avsep_plugin.training.mixtures import MixtureRow, read_list, write_list

RATE = 16_000


def sound(seconds: float, tone_hz: float, loud_from: float = 0.0) -> np.ndarray:
    """A tone that is soft before a time, [1, n]."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (np.where(time < loud_from, 0.001, 0.3) * np.sin(2 * np.pi * tone_hz * time))[None].astype(np.float32)


def clip(path: Path, seconds: float, tone_hz: float, loud_from: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(round(tone_hz)).integers(0, 255, (round(seconds * 25), 32, 32, 3), dtype=np.uint8)
    write_clip(path, frames, Fraction(25), sound(seconds, tone_hz, loud_from), RATE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people in folders of their own, with two clips each; a file that is no clip, and one that is silent."""
    home = tmp_path_factory.mktemp("clips")
    for number, who in enumerate(("anna", "ben", "cleo")):
        for take in (1, 2):
            clip(home / who / f"{take}.mov", 1.2, 300 + 100 * number + 20 * take)
    (home / "anna" / "broken.mov").write_bytes(b"no clip")
    write_clip(home / "ben" / "silent.mov", np.zeros((30, 32, 32, 3), np.uint8), Fraction(25), np.zeros((1, 19200), np.float32), RATE)
    return home


@pytest.fixture(autouse=True)
def faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's face is looked for; Anna's is small."""
    monkeypatch.setattr(drawn, "library_is_here", lambda: True)
    monkeypatch.setattr(drawn, "face_height", lambda path, *_: 0.15 if "anna" in str(path) else None)


def test_the_same_folder_and_seed_give_the_same_mixtures(folder: Path, tmp_path: Path) -> None:
    first, again = draw(folder, tmp_path, Draw(pairs=8)), draw(folder, tmp_path, Draw(pairs=8))
    assert first == again == read_list(str(tmp_path / "mixtures.tsv"))
    assert draw(folder, tmp_path, Draw(pairs=8, seed=1)) != first


def test_nobody_is_mixed_with_himself_and_everybody_takes_turns(folder: Path, tmp_path: Path) -> None:
    rows = [row for row in draw(folder, tmp_path, Draw(pairs=12, levels_db=(0.0,))) if row.interferer_has_picture]
    assert len({(row.target, row.interferer) for row in rows}) == len(rows) == 12
    for row in rows:
        assert len({row.target_speaker, row.interferer_speaker, row.third_speaker}) == 3
    assert set(Counter(row.target_speaker for row in rows).values()) == {4}
    assert set(Counter(row.target for row in rows).values()) == {2}
    assert {row.target for row in rows} == {f"{who}/{take}.mov" for who in ("anna", "ben", "cleo") for take in (1, 2)}


def test_every_level_has_the_same_pairs(folder: Path, tmp_path: Path) -> None:
    rows = draw(folder, tmp_path, Draw(pairs=4, levels_db=(-5.0, 5.0)))
    kinds = {kind: [(row.target, row.interferer) for row in rows if row.kind == kind] for kind in dict.fromkeys(row.kind for row in rows)}
    assert list(kinds) == ["voices at -5 dB", "voices at 5 dB", "noise at -5 dB", "noise at 5 dB"]
    assert kinds["voices at -5 dB"] == kinds["voices at 5 dB"]
    assert {row.level_db for row in rows if row.kind == "noise at 5 dB"} == {5.0}


def test_rendered_noises_lie_beside_the_list(folder: Path, tmp_path: Path) -> None:
    rows = [row for row in draw(folder, tmp_path, Draw(pairs=8)) if not row.interferer_has_picture]
    assert all(Path(row.interferer).is_file() and Path(row.interferer).parent == tmp_path / "noise" for row in rows)
    assert {row.interferer_speaker for row in rows} == {"traffic", "hum", "wind", "hiss"}


def test_a_folder_of_noises_is_used_instead(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "air").mkdir()
    with SoundWriter(tmp_path / "air" / "fan.wav", RATE, 1) as file:
        file.write(sound(3, 90))
    rows = [row for row in draw(folder, tmp_path / "out", Draw(pairs=3, noise=tmp_path / "air")) if not row.interferer_has_picture]
    assert {row.interferer for row in rows} == {str((tmp_path / "air" / "fan.wav").resolve())}
    assert not (tmp_path / "out" / "noise").exists()
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no sound"):
        draw(folder, tmp_path / "out", Draw(noise=tmp_path / "none"))


def test_one_person_alone_cannot_be_mixed(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it takes two people"):
        draw(folder / "anna", tmp_path, Draw(speaker_pattern="(.)ov"))


def test_two_people_have_no_third(tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    for who in ("anna", "ben"):
        clip(tmp_path / "two" / who / "1.mov", 1.0, 400)
    assert {row.third for row in draw(tmp_path / "two", tmp_path, Draw(pairs=4)) if row.interferer_has_picture} == {""}


def test_a_part_begins_where_it_is_loud() -> None:
    powers = np.concatenate([np.full(100, 1e-6), np.full(50, 1.0), np.full(30, 1e-6)])
    starts = {Sound("a", "a", "a", powers).loud_start(2.0, random.Random(seed)) for seed in range(60)}
    assert min(starts) >= 4.0 - 2.0 + 0.1  # at least a tenth of the loudest part's power
    assert max(starts) <= 6.0
    assert len(starts) > 5
    assert Sound("a", "a", "a", powers).loud_start(60.0, random.Random(0)) == 0.0


def test_fixed_lists_are_taken_where_their_clips_are(folder: Path, tmp_path: Path) -> None:
    row = MixtureRow("mine", "anna/1.mov", 0.0, "ben/1.mov", 0.0, "", 1.0, 0.0, "anna", "ben", "")
    write_list(tmp_path / "mine.tsv", [row])
    assert mixtures(folder, tmp_path, [str(tmp_path / "mine.tsv")], None, Draw()) == [row]
    assert mixtures(folder, tmp_path, [], None, Draw(pairs=2))[0].kind == "voices at -5 dB"
    clip(tmp_path / read_list("grid-0db")[0].target, 1.0, 300)
    assert {one.kind for one in mixtures(tmp_path, tmp_path, [], 3, Draw())} == {"grid-0db"}


def test_lists_without_the_height_of_faces_can_still_be_read(tmp_path: Path) -> None:
    row = MixtureRow("mine", "a", 0.0, "b", 0.0, "", 1.0, 0.0, "A", "B", "", 0.25)
    write_list(tmp_path / "new.tsv", [row])
    lines = (tmp_path / "new.tsv").read_text().splitlines()
    (tmp_path / "old.tsv").write_text("\n".join(line.rsplit("\t", 1)[0] for line in lines))
    assert read_list(str(tmp_path / "new.tsv")) == [row]
    assert read_list(str(tmp_path / "old.tsv"))[0].face == 0.0


def record(row: str, number: int, si_sdr: float, face: float = 0.0, kind: str = "voices at 0 dB") -> Record:
    return Record(kind, row, f"t{number}", f"i{number}", f"{number % 3}>x", si_sdr, si_sdr, 1.0, 1.0, 1.0, si_sdr > 0, face=face)


def test_two_models_are_compared_mixture_by_mixture() -> None:
    records = [record("own", n, 2.0 + n) for n in range(6)] + [record("against", n, 2.5 + n - (n % 2)) for n in range(6)]
    text = markdown(Results(records))
    assert "Against the other model: SI-SDR +0.00 [" in text
    assert "better on 3 of 6 mixtures" in text
    assert "| other model, own picture | +4.5" in text


def test_the_height_of_the_face_makes_groups() -> None:
    records = [record("own", n, float(n), face) for n, face in enumerate((0.0, 0.1, 0.19, 0.2, 0.39, 0.4, 0.9))]
    faces = Results(records).by_face()
    assert {size: (kinds["voices"][0].value, kinds["voices"][0].n) for size, kinds in faces.items()} == {
        "no face found": (0.0, 1), "small, up to 1/5 of the picture": (1.5, 2), "medium, up to 2/5": (3.5, 2), "large": (5.5, 2),
    }  # fmt: skip
    assert "| large | voices | +5.5" in markdown(Results(records))
    assert as_dict(Results(records))["faces"]["large"]["voices"]["right_voice"]["value"] == 100
    assert "height of the face" not in markdown(Results([record("own", 1, 1.0)]))


@pytest.mark.slow
def test_from_the_command_line(folder: Path, tmp_path: Path, tiny_models: dict[str, Path]) -> None:
    model = str(tiny_models["separate"])
    rows = [word for row in ("own", "third") for word in ("--rows", row)]
    line = ["evaluate", str(folder), "-o", str(tmp_path / "out"), "--model", model, "--against", model, *rows, "-d", "cpu", "-q"]
    assert run([*line, "--limit", "2", "--levels", "0,10"]) == 0
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert set(found["means"]) == {"voices at 0 dB", "voices at 10 dB", "noise at 0 dB", "noise at 10 dB"}
    assert {one["face"] for one in found["mixtures"] if one["target"].startswith("anna")} == {0.15}
    own, other = ([one["si_sdr"] for one in found["mixtures"] if one["row"] == row] for row in ("own", "against"))
    assert own == other
    assert "better on 0 of 2 mixtures" in (tmp_path / "out" / "evaluation.md").read_text()
    assert [run([*line, "--levels", levels]) for levels in ("loud", "nan", "0,inf")] == [2, 2, 2]
