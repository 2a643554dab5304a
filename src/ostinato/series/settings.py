"""How a series is split, what is predicted of it, and what its forecasts are measured by."""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.data.grids import Timeline
from ostinato.data.settings import Settings, setting
from ostinato.data.tables.settings import ReadSettings, words


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
class TableSettings(ReadSettings):
    """Where a series stands in a table."""

    time: str | None = setting(
        None,
        "The column of times, or several, as in date,hour; by default the first column of dates. "
        'With "", and where there is none, the rows are the steps as they come.',
    )
    columns: str | None = setting(
        None, "The columns to forecast, as in a,b; by default all that hold quantities."
    )
    series: str | None = setting(
        None,
        "The column that names the series of a row, where a table has many, as in store; or "
        "several, as in store,item. One model learns from all, each on a scale of its own.",
    )
    known: str | None = setting(
        None,
        "Columns that are known ahead, such as promotions and holidays, and calendar for the hour, "
        "the weekday and the time of the year, as in promotion,calendar.",
    )

    @property
    def names(self) -> list[str]:
        """The columns, one by one; empty for all."""
        return words(self.columns)


def usual_season(timeline: Timeline) -> int:
    """The steps of a year, a week or a day that the distance of a series' times suggests; or 1."""
    return timeline.season
