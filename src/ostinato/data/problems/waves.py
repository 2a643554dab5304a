"""Series that a formula makes: a cosine, and bells that pass one after another."""

from __future__ import annotations

import numpy as np

from ostinato.data.series import Series


def cosine(count: int = 2000, end: float = 200.0) -> Series:
    """cos(t) at ``count`` equally spaced times from 0 to ``end``, one column "cos".

    Source: C. Bourez, "Element-Research Torch RNN Tutorial".
    """
    times = np.linspace(0, end, count)
    return Series(np.cos(times)[:, None], ("cos",), times)


def bells(count: int = 100, columns: int = 6, *, seed: int = 0) -> Series:
    """Columns "sd1", "sd2", ...: densities of normal distributions over a clock that goes round.

    At time t the clock shows t modulo 11, and column i is the density there of the normal
    distribution of mean 5 and standard deviation i, plus a constant of the column that is uniform
    in [0, 1].

    Source: the example recurrent-time-series of Element-Research/rnn.
    """
    times = np.arange(count)
    deviation = np.arange(1, columns + 1)
    density = np.exp(-(((times % 11)[:, None] - 5) ** 2) / (2 * deviation**2))
    density /= deviation * np.sqrt(2 * np.pi)
    bias = np.random.default_rng(seed).random(columns)
    return Series(density + bias, tuple(f"sd{number}" for number in deviation), times)
