"""What a model says of the steps after a series, with intervals."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from ostinato.data.clock import in_words
from ostinato.data.files import atomic
from ostinato.data.series import Series
from ostinato.series.backtest import backtest, widths
from ostinato.series.history import History
from ostinato.series.methods import running_free
from ostinato.series.model import Forecaster


@final
@dataclass(frozen=True, eq=False)
class Forecast:
    """Values [K, C] at times [K], and half the widths [K, C] of their intervals, NaN for none.

    ``source`` is the series that is forecast, which tells how its times and columns are called.
    """

    columns: tuple[str, ...]
    times: np.ndarray
    values: np.ndarray
    widths: np.ndarray
    source: Series | None = None

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
        many = self.source is not None and self.source.names
        first = ["time", self.source.key] if self.source is not None and many else ["time"]
        targets = self.source.targets if self.source is not None else self.columns
        return [*first, *(f"{name}{end}" for name in targets for end in ("", "_low", "_high"))]

    def rows(self) -> Iterator[list[str | float]]:
        """For each step its time and, for each column, the value, the low and the high end.

        Of many series, a row for each of them, one series after the other.
        """
        ends = np.stack([self.values, self.low, self.high], axis=-1)  # [K, C, 3]
        clock = None if self.source is None else self.source.clock
        names = () if self.source is None else self.source.names
        parts = np.split(ends, max(1, len(names)), axis=1)
        for number, part in enumerate(parts):
            for time, numbers in zip(self.times, part.reshape(len(ends), -1), strict=True):
                key = names[number : number + 1]
                yield [in_words(time, clock), *key, *map(float, numbers)]

    def write(self, path: Path) -> None:
        """Write the rows as CSV; what is not known is empty."""
        with atomic(path, "w") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(self.heads())
            for row in self.rows():
                lines.writerow(["" if cell != cell else cell for cell in row])


def forecast(
    model: Forecaster, history: History, steps: int, *, since: int, coverage: float = 0.9
) -> Forecast:
    """Forecast the ``steps`` steps after a series, the state warmed by all of it.

    The intervals come of the errors that such forecasts from step ``since`` on would have made;
    nothing from there on must have been learned from.
    """
    count, method = len(history), running_free(model)
    series = history.series
    series.known_at(count, steps)  # refuses what is not known
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
        series,
    )
