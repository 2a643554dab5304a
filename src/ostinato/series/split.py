"""Where a series is split, and what its settings leave to be found out."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from ostinato.data.series import Series
from ostinato.errors import ArgumentError
from ostinato.series.backtest import backtest, seasonal_error
from ostinato.series.history import History
from ostinato.series.methods import linear_of_each
from ostinato.series.settings import ForecastSettings, usual_season

# Steps of the training, the validation and the test part, to speak of parts at all.
_LEAST = 4
# Steps ahead to which forecasts are measured where nobody says it.
_HORIZON = 24


@dataclass(frozen=True)
class Split:
    """Steps before ``border`` are learned from, those before ``test`` validate, the rest tests."""

    border: int
    test: int
    count: int

    def summary(self, series: Series) -> str:
        """The parts in words."""
        border, test = (series.tell(series.times[n]) for n in (self.border, self.test))
        return f"validated from {border} on, tested from {test} on"


def _borders(count: int, held_out: float) -> tuple[int, int]:
    """Where validation and where testing begin."""
    border = count - round(held_out * count)
    return border, border + (count - border) // 2


def _long_enough(count: int, held_out: float) -> bool:
    border, test = _borders(count, held_out)
    return min(border, test - border) >= _LEAST


def _needed(held_out: float) -> int:
    """The fewest steps that give three parts."""
    return next(count for count in itertools.count(3 * _LEAST) if _long_enough(count, held_out))


def split(series: Series, held_out: float) -> Split:
    """The parts of a series. Raises ArgumentError where one is too short."""
    count = len(series)
    border, test = _borders(count, held_out)
    if not _long_enough(count, held_out):
        raise ArgumentError(
            "held_out",
            wanted=f"at least {_needed(held_out)} steps: with {held_out:g} of them held out, "
            f"{_LEAST} each to learn from, to validate and to test",
            got=str(count),
            remedy="Use a longer series, or hold another share out.",
        )
    if not series.seen[border:test].any():
        raise ArgumentError(
            "held_out",
            wanted="values in the validation part",
            got=f"none from {series.tell(series.times[border])} to "
            f"{series.tell(series.times[test - 1])}",
            remedy="Hold another share out.",
        )
    return Split(border, test, count)


def resolve(series: Series, settings: ForecastSettings) -> ForecastSettings:
    """The settings with a number in place of each None.

    Raises ArgumentError for a horizon that the validation part does not reach, and for changes
    over more steps than there are to learn from.
    """
    parts = split(series, settings.held_out)
    season = settings.season or usual_season(series.timeline)
    season = season if season < parts.border else 1
    room = parts.test - parts.border
    horizon = settings.horizon or min(_HORIZON, max(1, room // 2))
    if horizon > room:
        raise ArgumentError(
            "horizon",
            wanted=f"at most the {room} steps of the validation part",
            got=str(horizon),
            remedy="Hold a larger share out, or measure nearer forecasts.",
        )
    settings = settings.replace(season=season, horizon=horizon)
    lag = settings.difference
    if lag is None:
        lag = _best_difference(series, parts, season, horizon)
    if lag >= parts.border:
        raise ArgumentError(
            "difference",
            wanted=f"fewer steps than the {parts.border} to learn from",
            got=str(lag),
            remedy="Use a longer series, or hold a smaller part out.",
        )
    return settings.replace(difference=lag)


def with_enough(series: Series, border: int) -> tuple[Series, list[str]]:
    """(those of many series that have values to learn from before step ``border``, the names of
    the others). A single series stays as it is."""
    if not series.names:
        return series, []
    size = len(series.targets)
    counts = series.seen[:border].sum(axis=0).reshape(-1, size).min(axis=1)
    kept = [number for number, count in enumerate(counts) if count >= _LEAST]
    others = [name for name, count in zip(series.names, counts, strict=True) if count < _LEAST]
    if not kept:
        raise ArgumentError(
            "series",
            wanted=f"a series with at least {_LEAST} values before "
            f"{series.tell(series.times[border])}, to learn from",
            got="none",
        )
    return (series.only(kept), others) if others else (series, [])


def _best_difference(series: Series, parts: Split, season: int, horizon: int) -> int:
    """The lag with which the linear forecast does best on the validation part."""
    unit = seasonal_error(series, parts.border, season)
    errors: dict[int, float] = {}
    for lag in sorted({0, 1, season if season > 1 else 0}):
        history = History.fitted(series, parts.border, lag)
        method = linear_of_each(history, parts.border, season)
        found = backtest(
            history,
            {"linear": method},
            first=parts.border,
            last=parts.test,
            horizon=horizon,
            unit=unit,
        )
        errors[lag] = found.score("linear").mase
    # a NaN is no smaller than anything
    return min(errors, key=lambda lag: (errors[lag] != errors[lag], errors[lag]))
