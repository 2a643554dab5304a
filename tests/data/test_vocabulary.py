"""A vocabulary: the frequent first, the rare unknown, and a way to JSON and back."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostinato.data import Vocabulary
from ostinato.data.vocabulary import count_words, number_words
from ostinato.errors import ArgumentError

COUNTS = {"b": 3, "a": 3, "rare": 1, "c": 5, "<unk>": 9}


def test_order_and_limits() -> None:
    assert Vocabulary.of(COUNTS).words == ("<pad>", "<unk>", "c", "a", "b", "rare")
    assert Vocabulary.of(COUNTS, min_frequency=2).words == ("<pad>", "<unk>", "c", "a", "b")
    assert Vocabulary.of(COUNTS, most=4).words == ("<pad>", "<unk>", "c", "a")
    assert Vocabulary.of(COUNTS, special=()).words == ("<unk>", "c", "a", "b", "rare")


def test_encode_and_decode() -> None:
    vocabulary = Vocabulary.of(COUNTS, min_frequency=2)
    ids = vocabulary.encode(["c", "what", "b", "rare"])
    assert ids.tolist() == [2, 1, 4, 1]
    assert ids.dtype == np.uint16
    assert vocabulary.decode(ids) == ["c", "<unk>", "b", "<unk>"]
    assert len(vocabulary.encode([])) == 0


def test_an_unknown_word_where_there_is_no_unk() -> None:
    with pytest.raises(ArgumentError, match=r"'hause'\. Did you mean house\?"):
        Vocabulary(["mouse", "house"]).encode(["mouse", "hause"])


def test_json(tmp_path: Path) -> None:
    Vocabulary(["ü", "a b"]).save(tmp_path / "words.json")
    assert Vocabulary.load(tmp_path / "words.json").words == ("ü", "a b")
    (tmp_path / "words.json").write_text("{")
    with pytest.raises(ArgumentError, match="a list of words as JSON"):
        Vocabulary.load(tmp_path / "words.json")


@given(sentences=st.lists(st.lists(st.sampled_from("abcd"), max_size=5)))
def test_words_are_numbered_as_they_come(sentences: list[list[str]]) -> None:
    words, places, lengths = number_words(iter(sentences))
    flat = [word for sentence in sentences for word in sentence]
    assert [words[place] for place in places] == flat
    assert words == list(dict.fromkeys(flat))
    assert lengths.tolist() == [len(sentence) for sentence in sentences]
    counts = count_words(sentences)
    assert counts == {word: flat.count(word) for word in flat}
