"""Text to ids and back: exactly, at every level, wherever it is cut."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.errors import ArgumentError
from ostinato.text.tokenizer import (
    BOS,
    EOS,
    SPECIAL,
    UNKNOWN,
    Tokenizer,
    train_tokenizer,
)

TEXT = (
    "The quick brown fox's tail,\n\tand  more   of it.\r\n\n    indented = [1, 2]  \n"
    "<eos> <unk> naïve 日本 😀 don’t\u2028\n" * 3  # noqa: RUF001
)
EXACT = ("char", "word", "bpe")
MADE = {
    level: train_tokenizer([TEXT], level, vocabulary=300, min_frequency=1)
    for level in (*EXACT, "spaced")
}


@pytest.mark.parametrize("level", EXACT)
def test_the_text_comes_back_exactly(level: str) -> None:
    tokenizer = MADE[level]
    ids = tokenizer.encode(TEXT)
    assert tokenizer.decode(ids) == TEXT
    assert tokenizer.level == level
    # Special tokens cannot be written in a text.
    assert not {BOS, EOS, UNKNOWN} & set(ids.tolist())


@given(text=st.text(alphabet=TEXT), cuts=st.lists(st.integers(0, 50)))
@settings(max_examples=50)
@pytest.mark.parametrize("level", MADE)
def test_cuts_do_not_change_the_ids(level: str, text: str, cuts: list[int]) -> None:
    tokenizer = MADE[level]
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    ids = [number for piece in tokenizer.encode_pieces(pieces) for number in piece]
    assert ids == tokenizer.encode(text).tolist()


@given(text=st.text())
def test_byte_pairs_know_every_text(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode("utf-8")
    tokenizer = MADE["bpe"]
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.unknown(text) == []


def test_byte_pairs_are_fewer_than_characters() -> None:
    assert len(MADE["bpe"].encode(TEXT)) < 0.7 * len(TEXT)


@pytest.mark.parametrize("level", ["char", "word"])
def test_what_is_unknown_is_said(level: str) -> None:
    text = "The tail Ж sees Ж of Ю"
    tokenizer = MADE[level]
    wanted = ["Ж", "Ю"] if level == "char" else ["Ж", "sees", "Ю"]
    assert tokenizer.unknown(text) == wanted
    assert (tokenizer.encode(text) == UNKNOWN).sum() == (3 if level == "char" else 4)
    assert "<unk>" in tokenizer.decode(tokenizer.encode(text))


def test_the_ends_are_left_out_of_the_text() -> None:
    tokenizer = MADE["char"]
    assert tokenizer.decode([BOS, *tokenizer.encode("fox"), EOS]) == "fox"


def test_rare_words_are_unknown() -> None:
    tokenizer = train_tokenizer(["one two two three three three"], "word", min_frequency=2)
    assert tokenizer.size == len(SPECIAL) + 2
    assert tokenizer.unknown("one two three") == ["one"]


def test_a_stream_completes_characters() -> None:
    tokenizer = MADE["bpe"]
    ids = tokenizer.encode("a 😀 ü").tolist()
    stream = tokenizer.stream()
    written = [stream.add(number) for number in ids]
    assert "".join(written) == "a 😀 ü"
    assert "" in written  # half of a character is not shown


def test_spaced_text_is_words_and_line_ends() -> None:
    tokenizer = train_tokenizer(["the cat sat , \n the <unk> sat\n", "the end"], "spaced")
    ids = tokenizer.encode(" the dog  sat ,\n<unk> <eos>")
    assert [tokenizer.name(number) for number in ids.tolist()] == [
        *("the", "<unk>", "sat", ",", "<eos>", "<unk>", "<eos>")
    ]
    assert tokenizer.decode(ids) == "the <unk> sat ,\n<unk>\n"
    # the most frequent first, then by the alphabet; <eos> and <unk> are no words of their own
    assert tokenizer.decode(range(3, tokenizer.size)) == "the sat , cat end"
    assert (tokenizer.opening, MADE["word"].opening) == (EOS, BOS)
    few = train_tokenizer(["the cat the cat sat"], "spaced", min_frequency=2)
    assert few.size == len(SPECIAL) + 2
    assert train_tokenizer(["the cat the"], "spaced", vocabulary=4).size == 4


@pytest.mark.parametrize(("before", "wanted"), [("", "the fox"), ("of", " the fox")])
def test_spaced_words_go_on_from_what_is_written(before: str, wanted: str) -> None:
    tokenizer = train_tokenizer(["of the fox"], "spaced")
    for start in (before, f"{before} "):
        stream = tokenizer.stream(start)
        words = "".join(stream.add(number) for number in (BOS, *tokenizer.encode("the fox")))
        assert words == (wanted if start == before else "the fox")


@pytest.mark.parametrize("level", MADE)
def test_save_and_load(tmp_path: Path, level: str) -> None:
    MADE[level].save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.level == level
    assert loaded.encode(TEXT).tolist() == MADE[level].encode(TEXT).tolist()


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ArgumentError, match=r"tokenizer\.json: wanted a tokeniser"):
        Tokenizer.load(path)


def test_wrong_levels_and_sizes() -> None:
    with pytest.raises(
        ArgumentError, match="level: wanted one of char, word, bpe, spaced, got 'letter'"
    ):
        train_tokenizer(["a"], "letter")
    with pytest.raises(ArgumentError, match="vocabulary: wanted at least 259"):
        train_tokenizer(["a"], "bpe", vocabulary=258)
