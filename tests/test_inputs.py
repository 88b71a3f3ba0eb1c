"""What was typed, or listed, becomes paths: nothing is lost on the way, whatever is in the names."""

import io
import os
import sys
from pathlib import Path

import pytest

from avsep_plugin.errors import ConfigError
from avsep_plugin.inputs import expand, read_list


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for name in ("b.mov", "a.mov", "sub/c.mov", "sub/deep/d.mov", ".hidden.mov", "a.txt", "[x].mov"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(top: Path, pattern: str) -> list[str]:
    return [path.relative_to(top).as_posix() for path in expand([top / pattern])]


def test_a_pattern_becomes_what_it_matches_in_order(clips: Path) -> None:
    assert names(clips, "?.mov") == ["a.mov", "b.mov"]


def test_two_stars_stand_for_any_folders(clips: Path) -> None:
    assert names(clips, "**/*.mov") == ["[x].mov", "a.mov", "b.mov", "sub/c.mov", "sub/deep/d.mov"]


def test_what_exists_is_no_pattern(clips: Path) -> None:
    assert names(clips, "[x].mov") == ["[x].mov"]


def test_a_pattern_without_a_match_stays_as_it_is(clips: Path) -> None:
    assert names(clips, "*.mxf") == ["*.mxf"]


def test_a_list_is_taken_to_the_letter() -> None:
    content = b"\xef\xbb\xbffirst.mov\r\n\n  two  spaces .mov\n*.mov\n# no comment\nl\xc3\xa4st"
    assert read_list(io.BytesIO(content)) == [
        Path("first.mov"), Path("  two  spaces .mov"), Path("*.mov"), Path("# no comment"), Path("läst"),
    ]  # fmt: skip


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are always Unicode there")
def test_bytes_that_are_no_utf8_survive_a_list(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.mov")
    path.touch()
    (tmp_path / "list").write_bytes(os.fsencode(path) + b"\n")
    assert [found.exists() for found in read_list(tmp_path / "list")] == [True]


def test_a_list_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"clips\.txt: this list of inputs cannot be read \(No such file or directory\)"):
        read_list(tmp_path / "clips.txt")
