"""Characters to ids by table: what the tokeniser of characters gives, at the speed of memory.

``tokenizers`` splits text by a regular expression and looks every piece up in a hash table, at
about 2 MB a second, which would cost minutes for a large file. A table over all code points gives
the same ids (a test compares them) a hundred times as fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import final

import numpy as np

from ostinato.data.tokens import token_dtype

# Unicode ends at U+10FFFF.
_CODE_POINTS = 0x110000


def code_points(text: str) -> np.ndarray:
    """The code points, uint32 [n], of a text; lone surrogates are passed as they are."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def alphabet(pieces: Iterable[str]) -> list[str]:
    """The different characters of a text, in the order of Unicode."""
    seen = np.zeros(_CODE_POINTS, dtype=bool)
    for piece in pieces:
        seen[code_points(piece)] = True
    return [chr(code) for code in np.flatnonzero(seen)]


@final
class CharacterTable:
    """Looks up the id of every character of a text; those without one get the id of <unk>."""

    def __init__(self, vocabulary: Mapping[str, int], unknown: int) -> None:
        self._ids = np.full(_CODE_POINTS, unknown, dtype=token_dtype(len(vocabulary)))
        for character, number in vocabulary.items():
            if len(character) == 1:
                self._ids[ord(character)] = number

    def encode(self, text: str) -> np.ndarray:
        """The ids [n] of a text of n characters."""
        return self._ids[code_points(text)]
