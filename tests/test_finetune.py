"""From a folder of footage to a tuned model, or to the reason why there is none."""

import dataclasses
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avsep_plugin.cli.main import run
from avsep_plugin.errors import ConfigError, DataError, OutputError
from avsep_plugin.models import checkpoint
from avsep_plugin.scenes.clips import training_config
from avsep_plugin.scenes.export import write_clip, write_scene
from avsep_plugin.training import finetune as finetuning
from avsep_plugin.training import finetune_mixtures, finetune_training
from avsep_plugin.training.finetune import FinetuneOptions, finetune
from avsep_plugin.training.finetune_training import Pace, tune
from avsep_plugin.training.finetune_verdict import Verdict, judge
from avsep_plugin.training.shards import Shards, manifest_line


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six takes of moving noise, whose sound is noise of a band of its own."""
    folder, random = tmp_path_factory.mktemp("footage"), np.random.default_rng(0)
    for number in range(6):
        sound = np.diff(random.standard_normal((1, 24001)), axis=1) if number % 2 else np.cumsum(random.standard_normal((1, 24000)), axis=1)
        sound = 0.2 * (sound - sound.mean()) / np.abs(sound).max()
        write_clip(
            folder / f"t{number}.mov", random.integers(90, 160, (38, 48, 64, 3), np.uint8), Fraction(25), sound.astype(np.float32), 16000
        )
    return folder


@pytest.fixture
def options(tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> FinetuneOptions:
    """A run of seconds: few mixtures, the fewest steps, small batches."""
    monkeypatch.setitem(finetune_mixtures.COUNTS, "voices", 6)
    monkeypatch.setitem(finetune_mixtures.COUNTS, "noise", 6)
    monkeypatch.setattr(finetuning, "LEAST_TRAINING_SECONDS", 0.0)
    monkeypatch.setattr(finetune_training, "FEWEST_STEPS", 4)
    small = finetune_training.load_recipe

    def load_recipe(name: str) -> Any:
        recipe = small(name)
        return dataclasses.replace(recipe, optimizer=dataclasses.replace(recipe.optimizer, batch_clips=2))

    monkeypatch.setattr(finetune_training, "load_recipe", load_recipe)
    return FinetuneOptions(
        base=str(tiny_models["separate"]), aligner=str(tiny_models["align"]), test_share=0.5, minutes=1e-6, drop_below=0.0, device="cpu"
    )


def command(footage: Path, output: Path, options: FinetuneOptions) -> list[str]:
    given = {
        "--from": options.base, "--aligner": options.aligner, "--test-share": options.test_share, "--minutes": options.minutes,
        "--drop-below": 0, "--device": "cpu",
    }  # fmt: skip
    return ["finetune", str(footage), "-o", str(output), *(str(word) for pair in given.items() for word in pair)]


def found(*reasons: str) -> Callable[..., Verdict]:
    """A judge who has made up his mind."""
    return lambda before, after: dataclasses.replace(judge(before, after), reasons=reasons)


def test_a_model_that_is_handed_over_separates_at_once(
    footage: Path, options: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuning, "judge", found())
    model = tmp_path / "studio.safetensors"
    assert run([*command(footage, model, options), "--json", str(tmp_path / "run.json")]) == 0
    checkpoint.verify(model)
    assert checkpoint.describe(model)[0].name == "studio"
    assert run(["separate", str(footage / "t0.mov"), "-o", str(tmp_path / "stems"), "-m", str(model), "-d", "cpu"]) == 0
    assert not (tmp_path / "studio.work").exists()
    outcome = json.loads((tmp_path / "run.json").read_text())
    assert (outcome["model"], len(outcome["before"]), len(outcome["after"])) == (str(model), 12, 12)


def test_a_model_that_is_refused_leaves_a_card_and_one_line(
    footage: Path, options: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(finetuning, "judge", found("it is no better"))
    model = tmp_path / "studio.safetensors"
    assert run([*command(footage, model, options), "-q"]) == 1
    assert capsys.readouterr().err == "error: studio is refused: it is no better.\n"
    assert not model.exists()
    card = (tmp_path / "studio.card.md").read_text()
    assert "# studio, refused" in card
    assert all(row in card for row in ("floor", "ceiling", "before, right picture", "after, wrong picture", "paired gain"))


def test_a_stopped_run_goes_on_and_ends_as_one_that_was_not(
    footage: Path, options: FinetuneOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finetune(footage, tmp_path / "whole.safetensors", options, keep_work=True)

    def stop_in(wanted: str) -> Callable[[str, int, int], None]:
        def told(stage: str, done: int, _total: int) -> None:
            if stage == wanted and done >= 2:
                raise KeyboardInterrupt

        return told

    for stage in ("prepare test", "check tune", "measure before", "train", "measure after"):
        with pytest.raises(KeyboardInterrupt):
            finetune(footage, tmp_path / "parts.safetensors", options, progress=stop_in(stage))
    monkeypatch.setattr(finetune_training, "train", None)
    parts = finetune(footage, tmp_path / "parts.safetensors", options, keep_work=True)
    assert (parts.before, parts.after) == (whole.before, whole.after)


def test_other_footage_does_not_go_on_in_the_same_work_folder(footage: Path, options: FinetuneOptions, tmp_path: Path) -> None:
    finetune(footage, tmp_path / "a.safetensors", options, work=tmp_path / "work", keep_work=True)
    other = dataclasses.replace(options, recording_pattern=r"t(\d)")
    with pytest.raises(ConfigError, match="--work"):
        finetune(footage, tmp_path / "b.safetensors", other, work=tmp_path / "work")


def test_a_folder_with_other_things_is_no_work_folder(footage: Path, options: FinetuneOptions, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigError, match="not empty"):
        finetune(footage, tmp_path / "b.safetensors", options, work=tmp_path)
    assert (tmp_path / "notes.txt").exists()


def test_a_model_or_a_text_that_is_there_is_not_replaced(footage: Path, options: FinetuneOptions, tmp_path: Path) -> None:
    (tmp_path / "old.safetensors").touch()
    (tmp_path / "new.card.md").write_text("my notes")
    for name in ("old.safetensors", "new.safetensors", "model.bin"):
        with pytest.raises(OutputError):
            finetune(footage, tmp_path / name, options)
    assert not list(tmp_path.glob("*.work"))


def test_footage_that_the_aligner_finds_foreign_is_refused_before_training(footage: Path, options: FinetuneOptions, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="right footage"):
        finetune(footage, tmp_path / "studio.safetensors", dataclasses.replace(options, drop_below=1.0))


def test_a_dry_run_writes_nothing(footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["finetune", str(footage), "-o", str(tmp_path / "studio.safetensors"), "--test-share", "0.5", "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "tune: 3 recordings, 3 files, 0.1 minutes"
    assert not list(tmp_path.iterdir())


TALKERS, STEPS = 12, 24


@pytest.fixture(scope="session")
def talkers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered faces that talk, each file somebody else."""
    folder = tmp_path_factory.mktemp("talkers")
    people: dict[int, Any] = {}
    for seed in range(5000, 5400):
        config = training_config(seed, Fraction(2), (144, 144), Fraction(25), 16000, channels=1)
        people.setdefault(config.on_screen[0].identity, config)
    for identity, config in list(people.items())[:TALKERS]:
        write_scene(config, folder / f"{identity}.mov")
    return folder


def shuffled_tune(recipe: Any, pace: Pace, shards: Path, *rest: Any) -> Path:
    """`tune`, after the pictures of the pieces were given to each other's sounds."""
    _shuffle(shards)
    return tune(recipe, pace, shards, *rest)


def _shuffle(shards: Path) -> None:
    """Every piece gets the picture of the next one."""
    segments = Shards(shards).segments
    seen = [segment for segment in segments if segment.frames is not None]
    wrong = {s.key: dataclasses.replace(s, audio=o.audio, shard=s.shard) for s, o in zip(seen, [*seen[1:], seen[0]], strict=True)}
    assert len({segment.shard for segment in seen}) == 1
    lines = [manifest_line(segment.source, [wrong.get(segment.key, segment)]) for segment in segments]
    (shards / "manifest.jsonl").write_text("".join(lines))


@pytest.mark.slow
def test_a_model_tuned_on_shuffled_pictures_is_refused(talkers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled model; nothing is decided by luck: the picture is surely worth less than before."""
    monkeypatch.setitem(finetune_mixtures.COUNTS, "voices", 20)
    monkeypatch.setitem(finetune_mixtures.COUNTS, "noise", 8)
    monkeypatch.setattr(finetuning, "plan", lambda *_: Pace(1.0, STEPS))
    monkeypatch.setattr(finetuning, "tune", shuffled_tune)
    outcome = finetune(talkers, tmp_path / "studio.safetensors", FinetuneOptions(test_share=0.45, device="cpu", drop_below=0.0))
    assert outcome.model is None
    assert outcome.verdict.gap_change.high < 0
    assert not (tmp_path / "studio.safetensors").exists()
