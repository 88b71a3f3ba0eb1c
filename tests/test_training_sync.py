"""The evaluation of offsets: what is put in is found again by an aligner that sees blinks, and chance stands beside it."""

import json
import random
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from blinking import Blinking, blinks, write_blinks

from avsep_plugin.cli.main import run
from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.models import zoo
from avsep_plugin.scenes import TEST_IDENTITIES, SceneConfig, TalkingFace
from avsep_plugin.training import evaluate_sync
from avsep_plugin.training.evaluate_sync import Clip, make_trials, measure
from avsep_plugin.training.mixing import ClipShelf
from avsep_plugin.training.sync_table import SyncResults, markdown
from avsep_plugin.training.sync_trials import Found, Trial, confidence, held_out


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, two clips each, under the names of the real data."""
    folder = tmp_path_factory.mktemp("data")
    for place, name in enumerate(("s30_a", "s30_b", "s32_a", "s32_b")):
        write_blinks(folder / "grid" / f"{name}.mov", blinks(75, place))
    (folder / "newsreaders").mkdir()
    names = {f"{place}.mov": "AB"[place % 2] for place in range(3)}
    for place, name in enumerate(names):
        write_blinks(folder / "newsreaders" / name, blinks(40, 10 + place))
    (folder / "newsreaders_split.json").write_text(json.dumps({"val_speakers": names}))
    return folder


@pytest.mark.parametrize("late", [0.7312, 0.04, -0.5, -0.9])
def test_what_is_put_in_is_found(late: float, data: Path) -> None:
    trial = Trial("grid", "s30", "grid/s30_a.mov", "grid/s30_a.mov", late, 3.0)
    found = measure(Blinking(), trial, ClipShelf(data))
    assert found.error_seconds < 0.02


def test_every_clip_is_late_once_and_early_once_and_has_a_foreign_sound_once() -> None:
    clips = [Clip("a", "A", 3.0), Clip("b", "A", 2.0), Clip("c", "C", 3.0)]
    trials = list(make_trials("grid", clips, random.Random(0)))
    assert [(t.clip, t.sound) for t in trials] == [
        ("a", "a"),
        ("a", "a"),
        ("a", "b"),
        ("b", "b"),
        ("b", "b"),
        ("b", "a"),
        ("c", "c"),
        ("c", "c"),
    ]
    assert [t.offset_seconds > 0 for t in trials[:2]] == [True, False]
    assert trials[2].duration_seconds == 2.0
    assert trials == list(make_trials("grid", clips, random.Random(0)))


def _found(offset: float, measured: float, sure: float = 1.0, sound: str = "a", guess: float = 0.0, speaker: str = "A") -> Found:
    return Found(Trial("grid", speaker, "a", sound, offset, 3.0), measured, sure, 5 * sure, guess)


def test_figures_in_closed_form() -> None:
    results = SyncResults([_found(0.5, 0.53), _found(-0.2, 0.0, 0.1), _found(0.0, 0.0, guess=0.3), _found(0.1, 0.9, sound="b")])
    rows = {row.name: row for row in results.rows("grid")}
    assert rows["every clip"].quartiles_ms == pytest.approx((15, 30, 115))
    assert rows["every clip"].within == pytest.approx((200 / 3, 200 / 3, 100))
    assert rows["those given"].n == 2
    assert rows["those given"].mean_ms == pytest.approx(15)
    assert rows["always 0"].mean_ms == pytest.approx(700 / 3)
    assert rows["guess"].mean_ms == pytest.approx((500 + 200 + 300) / 3)


def test_what_is_given_is_counted_at_each_threshold() -> None:
    own = [_found(0.5, 0.53, 0.6), _found(0.5, 0.53, 0.35), _found(0.5, 0.9, 0.45), _found(0.5, 0.5, 0.1)]
    other = [_found(0.1, 0.1, 0.45, "b"), _found(0.1, 0.1, 0.0, "b")]
    rows = SyncResults(own + other).given("grid")
    assert [(row.abstain_below, row.given, row.right, row.alarms) for row in rows] == [(0.3, 3, 2, 1), (0.4, 2, 1, 1), (0.5, 1, 1, 0)]
    assert {(row.n, row.foreign) for row in rows} == {(4, 2)}
    assert "| grid | 0.4 | 2 of 4 | 1 of 2 | 1 of 2 |" in markdown(SyncResults(own + other))


def _people(*speakers: str) -> list[Found]:
    """Of everybody high peaks that are right, and low ones that are wrong or have nothing to find."""
    return [
        one
        for speaker in speakers
        for number in range(10)
        for one in (
            _found(0.0, 0.0 if number > 4 else 0.5, number / 10, speaker=speaker),
            _found(0.0, 0.0, number / 20, "b", speaker=speaker),
        )
    ]


def test_the_confidence_is_fitted_on_all_kinds_alike() -> None:
    own, other = ([one for one in _people("A") if one.trial.own == kind] for kind in (True, False))
    fitted = confidence([*own, *other * 4])
    assert fitted is not None
    assert fitted.slope > 0
    assert fitted.probability(5.0) > 0.5 > fitted.probability(0.0)
    assert fitted == confidence([*own * 4, *other * 4])


def test_nobodys_trials_are_in_the_fit_of_his_confidence() -> None:
    """Of C every high peak is wrong: that lowers everybody's confidence but his own."""
    wrong = [_found(0.0, 0.5, number / 10, speaker="C") for number in range(10)] * 3
    judged = held_out([*_people("A", "B"), *wrong])
    plain = held_out([*_people("A", "B", "D")])
    assert judged is not None
    assert plain is not None
    high = {one.trial.speaker: one.confidence for one in judged if one.height == 4.5 and one.trial.own}
    assert high["C"] > high["A"] == high["B"]
    assert {one.trial.speaker: one.confidence for one in plain if one.height == 4.5}["A"] > high["A"]


def test_one_person_alone_keeps_the_confidence_of_sync() -> None:
    alone = _people("A")
    assert held_out(alone) is None
    results = SyncResults(alone)
    assert results.of("grid") == [one for one in alone if one.trial.own]
    assert "is that of `avsep sync` itself" in markdown(results)
    assert "a fit on all other people's trials" in markdown(SyncResults(_people("A", "B")))


def test_no_peak_is_never_given() -> None:
    judged = held_out([*_people("A", "B"), _found(0.0, 0.0, 0.0, speaker="B")])
    assert judged is not None
    assert not judged[-1].given(0.0)


def test_the_tables_are_written(data: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    results = evaluate_sync.evaluate_sync(data, Blinking(), tmp_path, ("newsreaders", "grid"), None, lambda *done: told.append(done))
    assert results.rows("grid")[0].quartiles_ms[1] < 20
    text = (tmp_path / "sync.md").read_text()
    assert "| grid | up to 1 s | every clip |" in text
    assert "| always 0 |" in text
    assert "false alarms" in text
    values = json.loads((tmp_path / "sync.json").read_text())
    assert set(values) == {"rows", "given", "confidence", "trials"}
    assert len(values["trials"]) == len(results.found) == told[-1][0] == told[-1][1]


def test_a_run_that_was_stopped_goes_on(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate_sync.evaluate_sync(data, Blinking(), tmp_path, ("grid",))
    whole = (tmp_path / "sync.json").read_bytes()
    journal = tmp_path / "sync.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:5]) + lines[5][:40])
    counted: list[Trial] = []

    def counting(model: Blinking, trial: Trial, shelf: ClipShelf, guess_seconds: float = 0.0) -> Found:
        counted.append(trial)
        return measure(model, trial, shelf, guess_seconds)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluate_sync, "measure", counting)
    evaluate_sync.evaluate_sync(data, Blinking(), tmp_path, ("grid",))
    assert len(counted) == len(lines) - 5
    assert (tmp_path / "sync.json").read_bytes() == whole


def test_what_another_model_measured_is_not_taken_over(data: Path, tmp_path: Path) -> None:
    other = Blinking()
    torch.nn.init.ones_(other.weight)
    for model in (Blinking(), other, Blinking()):
        evaluate_sync.evaluate_sync(data, model, tmp_path, ("grid",), 1)
    assert len((tmp_path / "sync.jsonl").read_text().splitlines()) == 2 * 2


def _small(seed: int) -> SceneConfig:
    return SceneConfig((TalkingFace(TEST_IDENTITIES[seed]),), seed=seed, width=64, height=48, duration_seconds=Fraction(2))


def test_scenes_are_rendered_and_go_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_sync, "talker", _small)
    results = evaluate_sync.evaluate_sync(None, Blinking(), tmp_path, ("scenes",), 2)
    assert [len(results.of("scenes", own)) for own in (True, False)] == [4, 2]
    assert {path.name for path in tmp_path.iterdir()} == {"sync.md", "sync.json", "sync.jsonl"}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Unknown corpus 'tv'"):
        evaluate_sync.evaluate_sync(tmp_path, Blinking(), tmp_path, ("tv",))
    with pytest.raises(DataError, match="needs a folder"):
        evaluate_sync.evaluate_sync(None, Blinking(), tmp_path, ("grid",))


def test_from_the_command_line(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(zoo, "load", lambda *_: Blinking())
    monkeypatch.setattr(evaluate_sync, "CORPORA", ("grid",))
    assert run(["evaluate", str(data), "-o", str(tmp_path), "--task", "sync", "--limit", "2"]) == 0
    assert "those given" in capsys.readouterr().out
