"""Checkpoints of the release -> models, with networks of a fraction of the size."""

import dataclasses
import http.server
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from avsep_plugin.config import FusedConfig, ModelConfig, PictureConfig, SeparatorConfig
from avsep_plugin.errors import DownloadError, ModelError
from avsep_plugin.models import checkpoint, store, zoo
from avsep_plugin.release import convert, graph

WriteBundle = Callable[[Path, dict[str, npt.NDArray[np.generic]]], None]
Variables = dict[str, npt.NDArray[np.generic]]

STEPS = {"shift": 650_000, "cam": 675_000, "full": 160_000, "large": 900_000, "unet-pit": 160_000}
FOLDERS = {"shift": "shift", "cam": "cam", "full": "sep/full", "large": "sep/large", "unet-pit": "sep/unet-pit"}


def small(kind: str) -> ModelConfig:
    """The structure of a released network at a fraction of its size."""
    align = kind in ("shift", "cam")
    last = 1 if kind == "cam" else 2
    fused = FusedConfig((4, 6, 6, 8), audio_fused_width=6, video_width=4, fusion_width=8, trunk_widths=(6, 8, 10), last_spatial_stride=last)
    fused = dataclasses.replace(fused, scale_gamma=not align)
    separator = SeparatorConfig(width=4, layers=5, with_video=kind != "unet-pit")
    picture = PictureConfig(crop_size=32)
    return ModelConfig(f"multisensory/{kind}", "align" if align else "separate", picture=picture, fused=fused, separator=separator)


@pytest.fixture(autouse=True)
def small_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """The five networks at a fraction of their size; of `full` a checksum is recorded that no test here can meet by chance."""
    record = convert.Record(0, 0)
    monkeypatch.setattr(
        convert,
        "RELEASED",
        tuple(dataclasses.replace(known, config=lambda kind=known.kind: small(kind), record=record) for known in convert.RELEASED),
    )


def variables(kind: str) -> Variables:
    """A checkpoint of a training graph: the network's variables, the optimiser's slots, the number of steps."""
    torch.manual_seed(len(kind))
    model = checkpoint.build(small(kind))
    for value in model.state_dict().values():
        value.copy_(torch.rand_like(value) + 0.5)
    values: Variables = {name: value.contiguous().numpy() for name, value in graph.variables(model).items()}
    parameters = dict(model.named_parameters())
    slots = ("Momentum",) if kind in ("shift", "cam") else ("Adam", "Adam_1")
    for key, name in graph.variable_names(model).items():
        if key in parameters:
            values |= {f"{name}/{slot}": np.zeros_like(values[name]) for slot in slots}
    return values | {"global_step": np.array(STEPS[kind], np.int64)}


@pytest.fixture
def nets(tmp_path: Path, write_bundle: WriteBundle) -> Path:
    """The unpacked archive."""
    for kind, folder in FOLDERS.items():
        write_bundle(tmp_path / "results" / "nets" / folder / f"net.tf-{STEPS[kind]}", variables(kind))
    return tmp_path / "results"


@pytest.fixture
def archive(nets: Path, tmp_path: Path) -> Path:
    """The archive, with files in it that are nothing to us."""
    path = tmp_path / "multisensory-nets.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(nets.rglob("*")):
            packed.write(file, file.relative_to(nets.parent))
        packed.writestr("results/nets/sep/full/net.tf-160000.meta", b"\0" * 100)
        packed.writestr("results/checkpoint", b"text")
    return path


def same_network(path: Path, kind: str) -> bool:
    """Whether a weights file holds the variables of a checkpoint."""
    model = checkpoint.load(path)
    found, wanted = graph.variables(model), variables(kind)
    return all(np.array_equal(found[name].numpy(), wanted[name]) for name in found)


def test_the_archive_becomes_five_models(archive: Path) -> None:
    done = list(convert.import_all(archive))
    assert {one.name for one in done} == {f"multisensory/{kind}" for kind in FOLDERS}
    assert all(same_network(one.path, one.name.split("/")[1]) for one in done)
    assert sorted(path.name for path in store.folder().iterdir()) == ["multisensory"]


def test_a_folder_and_a_prefix_do_too(nets: Path) -> None:
    assert [one.name for one in convert.import_all(nets / "nets" / "sep" / "large")] == ["multisensory/large"]
    assert [one.name for one in convert.import_all(nets / "nets" / "cam" / "net.tf-675000")] == ["multisensory/cam"]
    assert len(list(convert.import_all(nets))) == 5


def test_what_is_left_out_are_slots_and_counters(nets: Path) -> None:
    (done,) = convert.import_all(nets / "nets" / "shift")
    trainable = sum(1 for _ in checkpoint.build(small("shift")).parameters())
    assert done.left_out == trainable + 1


def test_steps_tell_what_the_folder_does_not(tmp_path: Path, write_bundle: WriteBundle) -> None:
    for kind in ("shift", "cam", "full", "large"):
        write_bundle(tmp_path / "somewhere" / kind / "x" / "net", variables(kind))
    assert {one.name for one in convert.import_all(tmp_path / "somewhere")} == {
        f"multisensory/{k}" for k in ("shift", "cam", "full", "large")
    }


def test_the_kind_must_be_said_where_nothing_tells(tmp_path: Path, write_bundle: WriteBundle) -> None:
    values = variables("full") | {"global_step": np.array(7, np.int64)}
    write_bundle(tmp_path / "x" / "net", values)
    with pytest.raises(ModelError, match="--kind"):
        list(convert.import_all(tmp_path / "x"))
    assert [one.name for one in convert.import_all(tmp_path / "x", kind="large")] == ["multisensory/large"]


def test_folder_and_steps_may_not_contradict_each_other(tmp_path: Path, write_bundle: WriteBundle) -> None:
    write_bundle(tmp_path / "cam" / "net", variables("shift"))
    with pytest.raises(ModelError, match="contradict"):
        list(convert.import_all(tmp_path / "cam"))


def test_a_kind_of_another_family_is_refused(nets: Path) -> None:
    with pytest.raises(ModelError, match="not of full"):
        list(convert.import_all(nets / "nets" / "shift", kind="full"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda values: values.pop("im/conv1/weights"), "lacks"),
        (lambda values: values.update({"im/extra/weights": np.zeros(3, np.float32)}), "also has"),
        (lambda values: values.update({"im/conv1/weights": np.zeros((1, 2, 3), np.float32)}), "shape"),
    ],
)
def test_every_variable_is_accounted_for(
    tmp_path: Path, write_bundle: WriteBundle, change: Callable[[Variables], object], told: str
) -> None:
    values = variables("shift")
    change(values)
    write_bundle(tmp_path / "shift" / "net", values)
    with pytest.raises(ModelError, match=told):
        list(convert.import_all(tmp_path / "shift"))
    assert not any(store.imported())


@pytest.mark.parametrize(("kind", "gammas"), [("full", False), ("shift", True)])
def test_gammas_must_be_those_of_the_network(tmp_path: Path, write_bundle: WriteBundle, kind: str, gammas: bool) -> None:
    """A separator without gammas, or an alignment network with them, is something else."""
    values = {name: value for name, value in variables(kind).items() if gammas or not name.endswith("gamma")}
    if gammas:
        values |= {name.replace("beta", "gamma"): value for name, value in values.items() if name.endswith("/beta")}
    write_bundle(tmp_path / kind / "net", values)
    with pytest.raises(ModelError, match="gamma"):
        list(convert.import_all(tmp_path / kind))


def test_another_checkpoint_is_refused(tmp_path: Path, write_bundle: WriteBundle) -> None:
    write_bundle(tmp_path / "net", {"resnet/conv1/weights": np.zeros((3, 3), np.float32)})
    with pytest.raises(ModelError, match="none of the multisensory"):
        list(convert.import_all(tmp_path / "net"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing"])
def test_no_archive_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "nets.zip").write_bytes(content)
    with pytest.raises(ModelError, match="no archive"):
        list(convert.import_all(tmp_path / "nets.zip"))


def test_names_in_an_archive_are_not_trusted(tmp_path: Path, nets: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for file in (nets / "nets" / "shift").iterdir():
            packed.write(file, f"../../../../{tmp_path.name}-evil/../shift/{file.name}")
    assert [one.name for one in convert.import_all(path)] == ["multisensory/shift"]
    assert not list(tmp_path.parent.glob("*-evil"))


def test_an_archive_with_a_wrong_checksum_leaves_nothing(archive: Path) -> None:
    damaged = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as packed:
        member = packed.getinfo("results/nets/cam/net.tf-675000.data-00000-of-00001")
    damaged[member.header_offset + 200] ^= 0xFF
    archive.write_bytes(damaged)
    with pytest.raises(ModelError, match="damaged"):
        list(convert.import_all(archive))
    assert not any(store.imported())


def test_an_imported_model_is_the_default(nets: Path) -> None:
    assert (store.resolve("auto", "separate"), store.resolve("auto", "align")) == ("mini", "mini")
    list(convert.import_all(nets / "nets" / "sep" / "full"))
    assert (store.resolve("auto", "separate"), store.resolve("auto", "align")) == ("multisensory/full", "mini")
    assert zoo.load_separator("multisensory").config.name == "multisensory/full"
    with pytest.raises(ModelError, match="models pull"):
        zoo.load_aligner("multisensory")


def test_a_name_of_ones_own(nets: Path) -> None:
    (done,) = convert.import_all(nets / "nets" / "sep" / "full", name="theirs")
    assert done.path == store.folder() / "theirs.safetensors"
    assert zoo.load_separator("theirs").config.name == "theirs"
    for name in ("../up", "a/b/c", "", "a b", "/abs"):
        with pytest.raises(ModelError, match="name"):
            list(convert.import_all(nets / "nets" / "sep" / "full", name=name))


def test_one_name_is_not_enough_for_several(nets: Path) -> None:
    with pytest.raises(ModelError, match="several"):
        list(convert.import_all(nets, name="theirs"))


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Address of a server of the folder `tmp_path`."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Nothing is said."""

    def handler(*args: object) -> Quiet:
        return Quiet(*args, directory=str(tmp_path))  # type: ignore[arg-type]

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def left() -> list[str]:
    return sorted(path.name for path in store.folder().rglob("*") if path.is_file())


def test_pulled_models_are_there_and_the_archive_is_gone(archive: Path, address: str) -> None:
    pulled = convert.pull([f"{address}/{archive.name}"])
    assert pulled is not None
    assert pulled.sha256 == convert.sha256(archive)
    assert left() == sorted(f"{kind}.safetensors" for kind in FOLDERS)
    assert checkpoint.describe(store.path_of("multisensory/full"))[1]["archive_sha256"] == pulled.sha256
    assert convert.pull([]) is None


def test_a_foreign_archive_leaves_nothing(archive: Path, address: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as packed, zipfile.ZipFile(archive) as whole:
        for member in whole.infolist():
            if "large" not in member.filename:
                packed.writestr(member, whole.read(member))
    with pytest.raises(ModelError, match="lacks multisensory/large"):
        convert.pull([f"{address}/other.zip"])
    assert left() == []


def test_a_checksum_other_than_the_recorded_one_leaves_nothing(archive: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = convert.Record(1, 1, "0" * 64, measured=True)
    known = tuple(dataclasses.replace(one, record=wrong) if one.kind == "full" else one for one in convert.RELEASED)
    monkeypatch.setattr(convert, "RELEASED", known)
    with pytest.raises(ModelError, match=r"data sha256 of multisensory/full is another"):
        convert.pull([f"{address}/{archive.name}"])
    assert left() == []


def test_offline_nothing_is_fetched() -> None:
    with pytest.raises(ModelError, match="offline"):
        convert.pull(offline=True)


def test_a_mirror_without_the_archive_is_named(address: str) -> None:
    with pytest.raises(DownloadError, match="404"):
        convert.pull([f"{address}/nothing.zip"])


def test_verify_finds_a_changed_number(nets: Path) -> None:
    (done,) = convert.import_all(nets / "nets" / "shift")
    checkpoint.verify(done.path)
    damaged = bytearray(done.path.read_bytes())
    damaged[-5] ^= 1
    done.path.write_bytes(damaged)
    with pytest.raises(ModelError, match="checksum"):
        checkpoint.verify(done.path)
