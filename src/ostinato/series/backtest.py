"""Forecasts from every place of a held-out part, against what came, beside baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from ostinato.data.series import Series
from ostinato.series.history import History
from ostinato.series.methods import Method

# Forecasts of one back-test at most: from so many places, equally far apart; of many series from
# fewer, as each is forecast from every place.
_MOST, _LEAST, _FORECASTS = 400, 20, 20_000


@dataclass(frozen=True)
class Score:
    """How far forecasts are off: means over steps, places and columns.

    MASE (Hyndman and Koehler 2006) divides the absolute error of each column by that of
    repeating the last season within the training part: 1 is as good, without a unit.
    """

    mae: float
    rmse: float
    mase: float


@final
@dataclass(frozen=True, eq=False)
class Backtest:
    """Errors, forecast minus truth, [K, O, C] of each method by name; NaN where nothing came.

    Of O origins each, K steps ahead, C columns. ``unit`` [C] is the error that MASE divides by.
    All methods are judged at the same places.
    """

    errors: Mapping[str, np.ndarray]
    unit: np.ndarray

    def score(self, name: str, steps: slice = slice(None), columns: slice = slice(None)) -> Score:
        """The score of a method, over all steps ahead or some (``slice(0, 1)`` is the next), and
        over all columns or some."""
        errors = np.abs(self.errors[name][steps][..., columns])
        each = [errors[..., column] for column in range(errors.shape[-1])]
        pairs = zip(each, self.unit[columns], strict=True)
        parts = [_mean(column) / unit for column, unit in pairs]
        return Score(_mean(errors), math.sqrt(_mean(errors**2)), _mean(np.array(parts)))

    def coverage(self, name: str, widths: np.ndarray) -> float:
        """The share of true values within ``widths`` [K, C] of a method's forecasts."""
        errors = np.abs(self.errors[name])
        counted = ~np.isnan(errors) & ~np.isnan(widths)[:, None]
        return float((errors <= widths[:, None])[counted].mean()) if counted.any() else math.nan


def backtest(
    history: History,
    methods: Mapping[str, Method],
    *,
    first: int,
    last: int,
    horizon: int,
    unit: np.ndarray,
    most: int | None = None,
) -> Backtest:
    """Forecast ``horizon`` steps from each of the steps ``first`` to ``last`` - 1.

    What comes from ``last`` on counts nowhere. A long part is entered at ``most`` places, by
    default 400, or fewer for many series.
    """
    if most is None:
        most = min(_MOST, max(_LEAST, _FORECASTS // history.series.num_series))
    places = np.unique(np.linspace(first, last - 1, min(most, last - first)).astype(int))
    truth = history.truth(places, horizon)
    truth[places + np.arange(horizon)[:, None] >= last] = np.nan
    errors = {name: method(history, places, horizon) - truth for name, method in methods.items()}
    known = ~np.isnan(np.stack(list(errors.values()))).any(axis=0)
    return Backtest({name: np.where(known, each, np.nan) for name, each in errors.items()}, unit)


def widths(errors: np.ndarray, coverage: float) -> np.ndarray:
    """Half the width [K, C] of intervals round a forecast, from errors [K, O, C] that it made.

    Split conformal prediction (Lei et al. 2018): of n absolute errors so many steps ahead, the
    one whose rank is (n + 1) * coverage, rounded up, and never less than for nearer steps; NaN
    where n is too small for that rank. The promise of the rule holds where errors to come are
    like those of the past, which time does not promise: `Backtest.coverage` measures it.
    """
    sizes = np.sort(np.abs(errors), axis=1)  # NaN at the end
    count = (~np.isnan(errors)).sum(axis=1)
    # rounded, as (9 + 1) * 0.9 must not be a little more than 9
    rank = np.ceil(np.round((count + 1) * coverage, 9)).astype(int)
    place = np.minimum(rank, errors.shape[1]) - 1
    chosen = np.take_along_axis(sizes, place[:, None], axis=1)[:, 0]
    return np.where(rank <= count, np.fmax.accumulate(chosen, axis=0), np.nan)


def seasonal_error(series: Series, border: int, season: int) -> np.ndarray:
    """The mean error [C] of repeating the last season before step ``border``; 1 for none."""
    values = series.values[:border]
    errors = np.abs(values[season:] - values[:-season])
    found = [_mean(column) for column in errors.T]
    return np.array([each if each > 0 else 1.0 for each in found])


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan
