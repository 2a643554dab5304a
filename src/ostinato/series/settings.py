"""How a series is split, what is predicted of it, and what its forecasts are measured by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ostinato.data.settings import Settings, setting
from ostinato.data.timeline import Timeline


@dataclass(frozen=True)
class ForecastSettings(Settings):
    """The split in time, the change that is predicted, and the measure of forecasts."""

    held_out: float = setting(
        0.3,
        "Share of the steps, the last ones, that is held out: its first half validates (which "
        "weights are best, how wide intervals are), its second half tests.",
        least=0.01,
        below=1,
    )
    difference: int | None = setting(
        None,
        "Predict the change since so many steps before: 1 takes out a trend, 12 the season and "
        "the trend of monthly data; 0 predicts the value. By default the one of 0, 1 and the "
        "season with which the linear forecast does best on the validation part.",
        least=0,
    )
    horizon: int | None = setting(
        None,
        "Steps ahead to which forecasts are measured; by default 24, or half the validation part "
        "where that is shorter.",
        least=1,
    )
    season: int | None = setting(
        None,
        "Steps of a season, 1 for none; by default what the calendar says: 12 of months, 7 of "
        "days, 24 of hours.",
        least=1,
    )
    coverage: float = setting(
        0.9, "Share of the true values that an interval is to hold.", least=0.01, below=1
    )


@dataclass(frozen=True)
class TableSettings(Settings):
    """Where a series stands in a table."""

    time: str | None = setting(
        None,
        'The column of times; by default the first column of dates. With "", and where there is '
        "none, the rows are the steps as they come.",
    )
    columns: str | None = setting(
        None, "The columns to forecast, as in a,b; by default all that hold numbers."
    )

    @property
    def names(self) -> list[str]:
        """The columns, one by one; empty for all."""
        return [name.strip() for name in (self.columns or "").split(",") if name.strip()]


def usual_season(timeline: Timeline) -> int:
    """The steps of a year, a week or a day that the distance of a series' times suggests; or 1."""
    if timeline.within is not None:
        return _whole(12, int(timeline.step.astype(int)))
    if not isinstance(timeline.step, np.timedelta64):
        return 1
    hours = timeline.step / np.timedelta64(1, "h")
    if hours == 24 * 7:
        return 52
    return _whole(24 * 7, hours) if hours == 24 else _whole(24, hours)


def _whole(period: float, step: float) -> int:
    steps = period / step
    return int(steps) if steps == int(steps) else 1
