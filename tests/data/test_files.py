"""Files are written whole or not at all, and a wrong name leads to the right one."""

from pathlib import Path

import pytest

from ostinato.data import atomic, existing_file, near_names, write_json
from ostinato.errors import ArgumentError


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with atomic(path) as file:
        file.write(b"old")

    def fail() -> None:
        with atomic(path) as file:
            file.write(b"new and half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_is_invisible_until_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with atomic(path, "w") as file:
        file.write("text ü")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "text ü"


def test_write_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"ü": [1, None]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8").startswith('{\n  "ü"')


def test_a_missing_file_suggests_the_near_one(tmp_path: Path) -> None:
    (tmp_path / "alice.txt").touch()
    assert near_names(tmp_path / "alcie.txt") == [tmp_path / "alice.txt"]
    with pytest.raises(ArgumentError, match=r"FILE: .*does not exist\. Did you mean .*alice\.txt"):
        existing_file(tmp_path / "alcie.txt", "FILE")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="There is no folder"):
        existing_file(tmp_path / "books" / "alice.txt", "FILE")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="Name the files in it"):
        existing_file(tmp_path, "FILE")
