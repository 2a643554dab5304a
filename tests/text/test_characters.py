"""The fast table gives what the tokeniser of characters gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ostinato.text.characters import CharacterTable, alphabet
from ostinato.text.tokenizer import UNKNOWN, train_tokenizer

TOKENIZER = train_tokenizer(["abc \n\t\r\0", "äß日本😀\u2028"], "char")


@given(st.text() | st.text(alphabet="abc \n\t\r日😀é<>eos"))
def test_the_table_agrees_with_tokenizers(text: str) -> None:
    wanted = TOKENIZER._inner.encode(text, add_special_tokens=False).ids
    assert TOKENIZER.encode(text).tolist() == wanted


def test_alphabet_is_in_the_order_of_unicode() -> None:
    assert alphabet(["ba\n", "", "a😀"]) == ["\n", "a", "b", "😀"]


def test_unknown_characters() -> None:
    ids = CharacterTable({"<unk>": UNKNOWN, "a": 3}, UNKNOWN).encode("aba")
    assert ids.dtype == np.uint16
    assert ids.tolist() == [3, UNKNOWN, 3]
