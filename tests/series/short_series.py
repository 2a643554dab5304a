"""Series that are made in a moment."""

import numpy as np

from ostinato.data import Series


def noise(count: int = 120, columns: int = 2, *, gaps: bool = True, seed: int = 0) -> Series:
    """A walk of each column, with one value in ten missing."""
    random = np.random.default_rng(seed)
    values = random.normal(0.1, 1, (count, columns)).cumsum(axis=0)
    if gaps:
        values[random.random(values.shape) < 0.1] = np.nan
    return Series(values, tuple(f"c{number}" for number in range(columns)), np.arange(count))


def months(count: int = 120, *, seed: int = 0) -> Series:
    """A trend, a year and a little noise, by months from January 2000 on."""
    random, steps = np.random.default_rng(seed), np.arange(count)
    values = 0.1 * steps + 3 * np.sin(2 * np.pi * steps / 12) + random.normal(0, 0.1, count)
    times = (np.datetime64("2000-01") + steps).astype("M8[us]")
    return Series(values[:, None], ("sales",), times)
