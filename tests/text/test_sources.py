"""Texts from files and from Python itself."""

from pathlib import Path

import pytest

from ostinato.errors import ArgumentError
from ostinato.text import default_text, files, source_name, standard_library, text


def joined(document) -> str:
    return "".join(document.pieces())


def test_the_default_text_is_what_the_design_says() -> None:
    (document,) = default_text()
    content = joined(document)
    assert 400_000 < len(content) < 600_000
    assert 90 < len(set(content)) < 150
    assert joined(document) == content  # it can be read again


def test_the_standard_library_is_source() -> None:
    documents = standard_library()
    names = [document.name for document in documents]
    assert names == sorted(names)
    assert len(names) > 300
    assert not any("/test/" in name or "site-packages" in name for name in names)
    (argparse,) = [document for document in documents if document.name.endswith("/argparse.py")]
    assert "class ArgumentParser" in joined(argparse)


def test_files_are_documents(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"text {name}")
    documents = files([tmp_path / "b", tmp_path / "a"])
    assert [joined(document) for document in documents] == ["text b", "text a"]
    assert source_name(documents) == f"{tmp_path / 'b'} and 1 more"


def test_a_missing_file_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="FILE: wanted the path of a file"):
        files([tmp_path / "missing"])


def test_a_string_is_a_document() -> None:
    long = "ab" * 300_000
    document = text(long, "mine")
    assert document.name == "mine"
    assert joined(document) == long
    assert len(list(document.pieces())) > 1
