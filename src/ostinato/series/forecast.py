"""What a model says of the steps after a series, with intervals."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from ostinato.data.files import atomic
from ostinato.data.timeline import in_words
from ostinato.series.backtest import backtest, widths
from ostinato.series.history import History
from ostinato.series.methods import running_free
from ostinato.series.model import Forecaster


@final
@dataclass(frozen=True, eq=False)
class Forecast:
    """Values [K, C] at times [K], and half the widths [K, C] of their intervals, NaN for none."""

    columns: tuple[str, ...]
    times: np.ndarray
    values: np.ndarray
    widths: np.ndarray

    @property
    def low(self) -> np.ndarray:
        """The lower ends [K, C] of the intervals."""
        with np.errstate(invalid="ignore"):  # of a model that explodes
            return self.values - self.widths

    @property
    def high(self) -> np.ndarray:
        """The upper ends [K, C] of the intervals."""
        return self.values + self.widths

    def heads(self) -> list[str]:
        """The names of what `rows` gives."""
        return ["time", *(f"{name}{end}" for name in self.columns for end in ("", "_low", "_high"))]

    def rows(self) -> Iterator[list[str | float]]:
        """For each step its time and, for each column, the value, the low and the high end."""
        ends = np.stack([self.values, self.low, self.high], axis=-1)  # [K, C, 3]
        for time, numbers in zip(self.times, ends.reshape(len(ends), -1), strict=True):
            yield [in_words(time), *map(float, numbers)]

    def write(self, path: Path) -> None:
        """Write the rows as CSV; what is not known is empty."""
        with atomic(path, "w") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(self.heads())
            for time, *numbers in self.rows():
                lines.writerow([time, *("" if number != number else number for number in numbers)])


def forecast(
    model: Forecaster, history: History, steps: int, *, since: int, coverage: float = 0.9
) -> Forecast:
    """Forecast the ``steps`` steps after a series, the state warmed by all of it.

    The intervals come of the errors that such forecasts from step ``since`` on would have made;
    nothing from there on must have been learned from.
    """
    count, method = len(history), running_free(model)
    series = history.series
    past = backtest(
        history,
        {"ours": method},
        first=since,
        last=count,
        horizon=steps,
        unit=np.ones(len(series.columns)),
    )
    return Forecast(
        series.columns,
        series.future(steps),
        method(history, np.array([count]), steps)[:, 0],
        widths(past.errors["ours"], coverage),
    )
