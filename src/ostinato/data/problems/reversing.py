"""Words to be said backwards."""

from __future__ import annotations

import string

import numpy as np

from ostinato.errors import ArgumentError


def reversed_words(
    num_pairs: int = 10_000, longest: int = 10, *, seed: int = 0
) -> list[tuple[str, str]]:
    """Pairs such as ("abc", "cba"): ``num_pairs`` different rows of 1 to ``longest`` small letters.

    Raises ArgumentError for more than half of the words that there are.
    """
    letters = string.ascii_lowercase
    words = sum(len(letters) ** length for length in range(1, longest + 1))
    if 2 * num_pairs > words:
        raise ArgumentError(
            "num_pairs",
            wanted=f"at most half of the {words} words of so many letters",
            got=str(num_pairs),
        )
    generator = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < num_pairs:
        drawn = generator.integers(len(letters), size=generator.integers(1, longest + 1))
        found["".join(letters[place] for place in drawn)] = None
    return [(word, word[::-1]) for word in found]
