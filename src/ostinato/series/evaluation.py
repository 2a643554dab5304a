"""How good forecasts are on steps that nothing was learned or chosen from, beside baselines."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from ostinato.data.files import atomic
from ostinato.data.series import Series
from ostinato.series.backtest import Backtest, backtest, seasonal_error, widths
from ostinato.series.history import History
from ostinato.series.methods import (
    Method,
    linear_of_each,
    naive,
    running_free,
    seasonal_naive,
)
from ostinato.series.model import Forecaster
from ostinato.series.settings import ForecastSettings

OURS = "ours"
# Steps ahead of which a table tells, beside the mean over all.
_SHOWN = (1, 2, 3, 6, 12, 24, 48, 96, 192)


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """A back-test of our model and the baselines, and the intervals that were promised.

    ``widths`` [K, C] come of earlier errors; ``wanted`` is the coverage they aim at; ``season``
    is what MASE repeats.
    """

    tested: Backtest
    widths: np.ndarray
    wanted: float
    season: int

    @property
    def coverage(self) -> float:
        """The share of true values that the intervals held."""
        return self.tested.coverage(OURS, self.widths)

    def figures(self) -> dict[str, float]:
        """Our three figures by name, the coverage, and the MASE of each baseline; none unknown."""
        ours = self.tested.score(OURS)
        found = {"mase": ours.mase, "mae": ours.mae, "rmse": ours.rmse, "coverage": self.coverage}
        others = [name for name in self.tested.errors if name != OURS]
        found |= {f"{_key(name)}_mase": self.tested.score(name).mase for name in others}
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def heads(self) -> list[str]:
        """The names of what `rows` gives."""
        return ["steps ahead", *self.tested.errors, "coverage"]

    def rows(self, figure: str, *, shown: bool = True) -> Iterator[list[str | float]]:
        """MAE, RMSE or MASE ("mae", ...) of each method so many steps ahead, and over all."""
        horizon = len(self.widths)
        ahead = [step for step in (_SHOWN if shown else range(1, horizon + 1)) if step <= horizon]
        parts = [(str(step), slice(step - 1, step)) for step in ahead]
        for name, steps in [*parts, ("all", slice(None))]:
            scores = [
                getattr(self.tested.score(each, steps), figure) for each in self.tested.errors
            ]
            yield [name, *scores, self._covered(steps)]

    def each(self, series: Series) -> tuple[list[str], list[list[str | float]]]:
        """(heads, rows): the MASE of each method on every column of a series, over all steps."""
        heads = ["series" if series.names else "column", *self.tested.errors]
        rows: list[list[str | float]] = []
        for number, name in enumerate(series.columns):
            own = slice(number, number + 1)
            scores = [self.tested.score(method, columns=own).mase for method in self.tested.errors]
            rows.append([name, *scores])
        return heads, rows

    def write_each(self, path: Path, series: Series) -> None:
        """Write what `each` gives as CSV."""
        heads, rows = self.each(series)
        with atomic(path, "w") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(heads)
            lines.writerows(rows)

    def write(self, path: Path) -> None:
        """Write all figures of all methods at all steps ahead as CSV."""
        with atomic(path, "w") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(["figure", *self.heads()])
            for figure in ("mae", "rmse", "mase"):
                lines.writerows([figure, *row] for row in self.rows(figure, shown=False))

    def _covered(self, steps: slice) -> float:
        part = Backtest({OURS: self.tested.errors[OURS][steps]}, self.tested.unit)
        return part.coverage(OURS, self.widths[steps])


def evaluate(
    model: Forecaster,
    history: History,
    settings: ForecastSettings,
    *,
    border: int,
    test: int,
) -> Evaluation:
    """Back-test a model from step ``test`` on.

    What the baselines learn is learned before ``border``, and the intervals come of the errors
    between the two; ``settings`` are resolved, without None.
    """
    assert settings.horizon is not None
    assert settings.season is not None
    unit = seasonal_error(history.series, border, settings.season)
    ours = {OURS: running_free(model)}

    def test_on(methods: dict[str, Method], first: int, last: int) -> Backtest:
        return backtest(
            history, methods, first=first, last=last, horizon=settings.horizon or 1, unit=unit
        )

    before = test_on(ours, border, test).errors[OURS]
    tested = test_on(ours | baselines(history, border, settings.season), test, len(history))
    return Evaluation(tested, widths(before, settings.coverage), settings.coverage, settings.season)


def baselines(history: History, border: int, season: int) -> dict[str, Method]:
    """What every model has to be compared with, by name."""
    seasonal = {"seasonal-naive": seasonal_naive(season)} if season > 1 else {}
    return {"naive": naive, **seasonal, "linear": linear_of_each(history, border, season)}


def _key(name: str) -> str:
    return name.replace("-", "_")
