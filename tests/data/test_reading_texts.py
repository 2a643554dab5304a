"""Reading text in pieces gives exactly the text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.data import read_text
from ostinato.errors import ArgumentError


@given(text=st.text(), size=st.integers(1, 9))
def test_the_pieces_join_to_the_text(tmp_path_factory, text: str, size: int) -> None:
    path: Path = tmp_path_factory.mktemp("reading") / "text"
    path.write_bytes(text.encode("utf-8"))
    wanted = text.removeprefix("\ufeff")
    assert "".join(read_text(path, size=size)) == wanted


def test_line_ends_are_kept(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"a\r\nb\rc\n")
    assert "".join(read_text(tmp_path / "text")) == "a\r\nb\rc\n"


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfhello")
    assert "".join(read_text(tmp_path / "text", size=2)) == "hello"


def test_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("grün".encode("latin-1"))
    assert "".join(read_text(tmp_path / "text", "latin-1")) == "grün"


def test_a_wrong_byte_is_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("grün".encode("latin-1"))
    with pytest.raises(ArgumentError, match=r"byte 0xfc near position 2\. .*--encoding latin-1"):
        list(read_text(tmp_path / "text"))


def test_an_unknown_encoding(tmp_path: Path) -> None:
    (tmp_path / "text").touch()
    with pytest.raises(ArgumentError, match="encoding: wanted a text encoding"):
        list(read_text(tmp_path / "text", "utf-9"))
