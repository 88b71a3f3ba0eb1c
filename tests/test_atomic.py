"""Outputs appear whole or not at all."""

from pathlib import Path

import pytest

from avsep_plugin.atomic import atomic, atomic_all
from avsep_plugin.errors import OutputError


def test_result_is_renamed_into_place(tmp_path: Path) -> None:
    with atomic(tmp_path / "a.wav") as temporary:
        temporary.write_bytes(b"new")
        assert not (tmp_path / "a.wav").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_nothing_and_keeps_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a.wav").write_bytes(b"old")

    def fail() -> None:
        with atomic(tmp_path / "a.wav") as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.wav", b"old")]


def test_files_that_belong_together_appear_together(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic_all([tmp_path / "a", tmp_path / "b"]) as (first, _):
            first.write_bytes(b"whole")  # the second is never written

    with pytest.raises(OutputError, match=r"b cannot be written"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_temporary_file_is_hidden_and_keeps_its_suffix(tmp_path: Path) -> None:
    with atomic(tmp_path / "a.mp4") as temporary:
        temporary.touch()
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".mp4"


def test_target_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    def write() -> None:
        with atomic(tmp_path / "a") as temporary:
            temporary.touch()

    with pytest.raises(OutputError, match="a cannot be written"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
