"""The doctor finds what is broken and says what to do; where all is well it says so."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from avsep_plugin import doctor
from avsep_plugin.cli.main import run
from avsep_plugin.media import ffmpeg


def findings(output: Path) -> dict[str, doctor.Finding]:
    return {finding.name: finding for finding in doctor.examine("cpu", output)}


@pytest.fixture
def _small_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ffmpeg program without AAC."""
    program = ffmpeg.describe_ffmpeg()
    lacking = dataclasses.replace(program, encoders=program.encoders - {"aac"})
    monkeypatch.setattr(ffmpeg, "describe_ffmpeg", lambda: lacking)


def test_here_nothing_is_broken(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert {name: finding.found for name, finding in found.items() if finding.state == "error"} == {}
    assert {"ffmpeg", "ffmpeg encoders", "ffmpeg muxers", "PyAV", "PyTorch", "model mini", "presets", "model folder"} <= found.keys()


@pytest.mark.usefixtures("_small_program")
def test_an_encoder_that_is_missing_is_an_error_with_advice(tmp_path: Path) -> None:
    finding = findings(tmp_path)["ffmpeg encoders"]
    assert (finding.state, finding.found, finding.advice) == (
        "error", "without aac", "Install ffmpeg, or set FFMPEG_PATH to another one.",
    )  # fmt: skip


def test_a_program_that_is_none_is_an_error_and_the_rest_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFMPEG_PATH", str(tmp_path / "nothing"))
    found = findings(tmp_path)
    assert (found["ffmpeg"].state, found["PyAV"].state) == ("error", "ok")


def test_a_damaged_model_is_an_error(tmp_path: Path, model_folder: Path) -> None:
    (model_folder / "multisensory").mkdir(parents=True)
    (model_folder / "multisensory" / "full.safetensors").write_bytes(b"no weights")
    finding = findings(tmp_path)["model multisensory/full"]
    assert (finding.state, "avsep models remove multisensory/full" in finding.advice) == ("error", True)


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AVSEP_MODEL_DIR", str(tmp_path / "file" / "models"))
    assert findings(tmp_path)["model folder"].state == "warning"


def test_a_full_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_LEAST_FREE_BYTES", np.inf)
    assert findings(tmp_path)["disk for outputs"].state == "warning"


def test_the_cpu_agrees_with_itself() -> None:
    assert doctor.agreement_db("cpu") == np.inf


@pytest.mark.parametrize(("noise", "sees"), [(1e-6, "ok"), (1e-1, "error"), (np.nan, "error")])
def test_a_device_that_reckons_wrong_is_found_out(noise: float, sees: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The meta device stands for the one under test; what comes from it is the CPU's result with noise."""
    exact, load, where = doctor.separate_arrays, doctor.zoo.load_separator, []
    monkeypatch.setattr(doctor.zoo, "load_separator", lambda name, device: where.append(device) or load(name, "cpu"))

    def noisy(*args: object) -> object:
        stems = exact(*args)
        error = noise * np.abs(stems.on).max() * (where[-1] != "cpu")
        return dataclasses.replace(stems, on=(stems.on + error * np.sign(stems.on)).astype(np.float32))

    monkeypatch.setattr(doctor, "separate_arrays", noisy)
    assert [finding.state for finding in doctor._torch("meta") if finding.name == "device"] == [sees]


@pytest.mark.gpu
def test_a_gpu_agrees_with_the_cpu() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    assert doctor.agreement_db("cuda") >= 60


def test_the_command_is_0_where_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--device", "cpu", "--json", "-"]) == 0
    assert {finding["state"] for finding in json.loads(capsys.readouterr().out)} <= {"ok", "warning"}


@pytest.mark.usefixtures("_small_program")
def test_the_command_is_1_where_something_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--device", "cpu"]) == 1
    said = capsys.readouterr()
    assert "error    ffmpeg encoders: without aac\n         Install ffmpeg" in said.out
    assert said.err.startswith("error: 1 of ")
