"""Cutting at lines changes nothing but the places of the cuts."""

from hypothesis import given
from hypothesis import strategies as st

from ostinato.text import cutting
from ostinato.text.cutting import cut_at_lines


@given(st.lists(st.text(alphabet="ab \n")))
def test_the_text_is_kept_and_every_piece_but_the_last_ends_a_line(pieces: list[str]) -> None:
    cut = list(cut_at_lines(pieces))
    assert "".join(cut) == "".join(pieces)
    assert all(piece.endswith("\n") for piece in cut[:-1])


def test_a_long_line_is_cut_before_spaces(monkeypatch) -> None:
    monkeypatch.setattr(cutting, "_PATIENCE", 10)
    assert list(cut_at_lines(["aaaa bbbb  cc", "dddd"])) == ["aaaa bbbb", "  ccdddd"]


def test_a_long_word_is_cut_anywhere(monkeypatch) -> None:
    monkeypatch.setattr(cutting, "_PATIENCE", 10)
    assert list(cut_at_lines(["a" * 25])) == ["a" * 25]
    assert list(cut_at_lines(["a" * 8, "a" * 8, "a"])) == ["a" * 16, "a"]
