"""Streams of tokens that repeat, in which the next token is certain once the order is known."""

from __future__ import annotations

import numpy as np


def repeating(repeats: int = 100, period: int = 10) -> np.ndarray:
    """Tokens [repeats * period]: 0, 1, ..., period - 1 again and again; for `Columns`.

    Source: the examples of Element-Research/rnn, there 1 to 10.
    """
    return np.tile(np.arange(period), repeats)


def permuted(vocabulary: int = 10_000, repeats: int = 2, *, seed: int = 0) -> np.ndarray:
    """Tokens [repeats * vocabulary]: one random order of all tokens again and again.

    Each token tells the next, which no order of the ids does. Source: "Recurrent Library for
    Torch", whose first example reads such a permutation in a circle.
    """
    return np.tile(np.random.default_rng(seed).permutation(vocabulary), repeats)
