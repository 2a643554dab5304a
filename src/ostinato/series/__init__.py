"""Forecasts of series: the model, its training, intervals, and back-tests beside baselines.

`Forecaster` is a cell from a step of a series to the next; `SeriesTask` is what a solver trains;
`evaluate` measures it on held-out time beside naive, seasonal-naive and linear forecasts;
`forecast` tells what comes after the series.
"""

from ostinato.series.backtest import Backtest, Score, backtest, seasonal_error, widths
from ostinato.series.drawing import draw_forecast, draw_test, left_out
from ostinato.series.evaluation import Evaluation, baselines, evaluate
from ostinato.series.forecast import Forecast, forecast
from ostinato.series.history import History
from ostinato.series.methods import Method, linear, naive, running_free, seasonal_naive
from ostinato.series.model import Forecaster, SeriesModelSettings
from ostinato.series.settings import ForecastSettings, TableSettings, usual_season
from ostinato.series.split import Split, resolve, split, with_enough
from ostinato.series.store import joined, load_series, save_series
from ostinato.series.task import SeriesTask

__all__ = [
    "Backtest",
    "Evaluation",
    "Forecast",
    "ForecastSettings",
    "Forecaster",
    "History",
    "Method",
    "Score",
    "SeriesModelSettings",
    "SeriesTask",
    "Split",
    "TableSettings",
    "backtest",
    "baselines",
    "draw_forecast",
    "draw_test",
    "evaluate",
    "forecast",
    "joined",
    "left_out",
    "linear",
    "load_series",
    "naive",
    "resolve",
    "running_free",
    "save_series",
    "seasonal_error",
    "seasonal_naive",
    "split",
    "usual_season",
    "widths",
    "with_enough",
]
