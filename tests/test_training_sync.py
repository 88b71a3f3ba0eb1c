"""The evaluation of offsets: what is put in is found again by an aligner that sees blinks, and chance stands beside it."""

import json
import random
from fractions import Fraction
from pathlib import Path

import pytest
from blinking import Blinking, blinks, write_blinks

from avsep_plugin.cli.main import run
from avsep_plugin.errors import ConfigError, DataError
from avsep_plugin.models import zoo
from avsep_plugin.scenes import TEST_IDENTITIES, SceneConfig, TalkingFace
from avsep_plugin.training import evaluate_sync
from avsep_plugin.training.evaluate_sync import Clip, make_trials, measure
from avsep_plugin.training.mixing import ClipShelf
from avsep_plugin.training.sync_table import Found, SyncResults, Trial


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


def _found(offset: float, measured: float, confidence: float = 1.0, sound: str = "a", guess: float = 0.0) -> Found:
    return Found(Trial("grid", "A", "a", sound, offset, 3.0), measured, confidence, 5 * confidence, guess)


def test_figures_in_closed_form() -> None:
    results = SyncResults([_found(0.5, 0.53), _found(-0.2, 0.0, 0.1), _found(0.0, 0.0, guess=0.3), _found(0.1, 0.9, sound="b")])
    rows = {row.name: row for row in results.rows("grid")}
    assert rows["every clip"].median_ms == pytest.approx(30)
    assert rows["every clip"].within == pytest.approx((200 / 3, 200 / 3, 100))
    assert rows["those given"].n == 2
    assert rows["those given"].mean_ms == pytest.approx(15)
    assert rows["always 0"].mean_ms == pytest.approx(700 / 3)
    assert rows["guess"].mean_ms == pytest.approx((500 + 200 + 300) / 3)
    assert results.abstained("grid") == pytest.approx(100 / 3)
    assert results.abstained("grid", own=False) == 0


def test_the_confidence_is_fitted_on_all_kinds_alike() -> None:
    own = [_found(0.0, 0.0, number / 10) for number in range(5, 11)] + [_found(0.0, 0.5, 0.1)]
    fitted = SyncResults([*own, _found(0.0, 0.0, 0.1, "b"), _found(0.0, 0.0, 0.2, "b")]).confidence()
    assert fitted is not None
    assert fitted.slope > 0
    assert fitted.probability(5.0) > 0.5 > fitted.probability(0.0)


def test_the_tables_are_written(data: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    results = evaluate_sync.evaluate_sync(data, Blinking(), tmp_path, ("newsreaders", "grid"), None, lambda *done: told.append(done))
    assert results.rows("grid")[0].median_ms < 20
    text = (tmp_path / "sync.md").read_text()
    assert "| grid | up to 1 s | every clip |" in text
    assert "| always 0 |" in text
    assert "false alarms" in text
    values = json.loads((tmp_path / "sync.json").read_text())
    assert set(values) == {"rows", "abstained", "confidence", "trials"}
    assert len(values["trials"]) == len(results.found) == told[-1][0] == told[-1][1]


def _small(seed: int) -> SceneConfig:
    return SceneConfig((TalkingFace(TEST_IDENTITIES[seed]),), seed=seed, width=64, height=48, duration_seconds=Fraction(2))


def test_scenes_are_rendered_and_go_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_sync, "talker", _small)
    results = evaluate_sync.evaluate_sync(None, Blinking(), tmp_path, ("scenes",), 2)
    assert [len(results.of("scenes", own)) for own in (True, False)] == [4, 2]
    assert {path.name for path in tmp_path.iterdir()} == {"sync.md", "sync.json"}


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
