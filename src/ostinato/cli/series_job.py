"""Series as a job: a series and a forecaster in a run's directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from ostinato import explain
from ostinato.cli.files import SECTION, SERIES_FLAGS, note_decisions, reader_of
from ostinato.cli.hidden import of_series
from ostinato.cli.job import (
    Job,
    Judged,
    Reading,
    load_task,
    section,
    set_up,
    train_settings,
)
from ostinato.cli.table import table
from ostinato.data import ReadSettings, Series, WindowSettings
from ostinato.data.series_tables import observe
from ostinato.data.source import source_words
from ostinato.data.tables.settings import words
from ostinato.errors import ArgumentError
from ostinato.series import (
    Evaluation,
    Forecast,
    Forecaster,
    ForecastSettings,
    History,
    SeriesModelSettings,
    SeriesTask,
    TableSettings,
    draw_test,
    evaluate,
    joined,
    load_series,
    running_free,
)
from ostinato.train import Run, TrainSettings

# Few steps, judged often: a series is short, and soon learnt by heart.
TRAINING = TrainSettings(steps=1000, ema=0.98, validate_every=50, sample_every=500)

# Forecasts that the picture of the test part shows one after another.
_PIECES = 4
# Series of which the figures are told each.
_EACH = 20


def build(run: Run, config: Mapping[str, Any]) -> SeriesTask:
    """The task of a run, its weights drawn by the seed of the config."""
    where, training = str(run.config_path), train_settings(config, run)
    windows = WindowSettings.from_dict(section(config, "windows", run), where)
    settings = ForecastSettings.from_dict(section(config, "forecast", run), where)
    model = SeriesModelSettings.from_dict(section(config, "model", run), where)
    series = load_series(series_path(run))
    set_up(training)
    made = Forecaster(len(series.targets), model, known=series.num_known)
    made = made.to(training.torch_device())
    return SeriesTask(made, series, settings, windows, seed=training.seed, folder=run.folder)


def series_path(run: Run) -> Path:
    """Where a run keeps its series."""
    return run.folder / "series.npz"


def describe(task: SeriesTask) -> str:
    """The model in a few words."""
    settings, number = task.model.settings, sum(p.numel() for p in task.model.parameters())
    lag = task.settings.difference
    reads = f"changes over {lag}" if lag else "values"
    return f"{settings.cell} {settings.layers} x {settings.size}, {number:,} parameters, on {reads}"


def conclude(task: SeriesTask) -> Judged:
    """The final figures on the test part; leaves its picture and the whole table in the run."""
    found = task.evaluate()
    if task.folder is not None:
        found.write(task.folder / "backtest.csv")
        if task.series.names:
            found.write_each(task.folder / "series.csv", task.series)
        title = "forecasts of the test part, one after another"
        draw_test(task.folder / "forecast.png", task.series, pieces(task, found), title)
    return found.figures(), tell(found, task.series, task.split.test)


def pieces(task: SeriesTask, found: Evaluation) -> list[Forecast]:
    """Forecasts of the test part, each from where the one before it ends."""
    count, horizon = len(task.series), len(found.widths)
    origins = np.arange(task.split.test, count, horizon)[:_PIECES]
    values = running_free(task.model)(task.history, origins, horizon)
    return [
        Forecast(
            task.series.columns,
            task.series.times[origin : origin + horizon],
            values[: count - origin, number],
            found.widths[: count - origin],
            task.series,
        )
        for number, origin in enumerate(origins)
    ]


def tell(found: Evaluation, series: Series, test: int) -> str:
    """An evaluation in words and tables."""
    first, last = series.tell(series.times[test]), series.tell(series.times[-1])
    repeated = "value" if found.season == 1 else f"{found.season} values"
    ahead = table(found.heads(), found.rows("mase"))
    names = list(found.tested.errors)
    scores = [(name, found.tested.score(name)) for name in names]
    whole = table(
        ["all steps ahead", "MAE", "RMSE", "MASE"],
        [[name, score.mae, score.rmse, score.mase] for name, score in scores],
    )
    each = ""
    if series.names:
        heads, rows = found.each(series)
        each = f"{_tell_each(heads, rows)}\n\n"
    return (
        f"tested from {first} to {last}; MASE, the error as a multiple of that of repeating the "
        f"last {repeated}:\n\n{ahead}\n\n{whole}\n\n{each}{_tell_coverage(found)}"
    )


def _tell_each(heads: list[str], rows: list[list[str | float]]) -> str:
    """The MASE of each of many series; of more than fit, of those that are forecast worst."""
    if len(rows) <= _EACH:
        return f"MASE of each series:\n\n{table(heads, rows)}"
    worst = sorted(rows, key=lambda row: -float(row[1]) if row[1] == row[1] else 0.0)[:_EACH]
    return (
        f"MASE of the {_EACH} of {len(rows):,} series that are forecast worst (all: series.csv):"
        f"\n\n{table(heads, worst)}"
    )


def _tell_coverage(found: Evaluation) -> str:
    if found.coverage != found.coverage:
        return "no intervals: the validation part has too few steps to measure errors"
    return f"intervals made for {found.wanted:.0%} held {found.coverage:.1%} of the true values"


def load(path: Path) -> SeriesTask:
    """The task of a run, or as it was at one of its checkpoints, with its best weights."""
    task = load_task(path, (SERIES.name,), build)
    task.folder = None  # pictures belong to the end of a training
    return task


def with_newer(
    task: SeriesTask, run: Run, path: Path, given: ReadSettings, places: Mapping[str, str]
) -> History:
    """The history of a task, gone on with what a file has, which is read as the run's was."""
    settings, reader = section(run.read_config(), "table", run), reader_of(run, given)
    place = TableSettings.from_dict(settings, str(run.config_path))
    old, time = task.series, run.read_config().get(SECTION, {}).get("time", place.time)
    newer = observe(
        path,
        places.get("time", time),
        old.targets,
        words(places.get("series", place.series)),
        words(place.known),
        reader,
        before=old,
    )
    note_decisions(reader)
    series = joined(old, newer, source_words(path))
    return History(series, task.history.scale, task.history.lag)


def evaluate_run(
    run: Run, checkpoint: Path | None, paths: Sequence[Path], reading: Reading
) -> Judged:
    """The figures on the test part, or on what a file has after the run's series."""
    task = load(checkpoint or run.folder)
    if not paths:
        return conclude(task)
    if len(paths) > 1:
        raise ArgumentError("FILE", wanted="one table", got=", ".join(map(str, paths)))
    history, test = with_newer(task, run, paths[0], reading.files, reading.places), len(task.series)
    found = evaluate(task.model, history, task.settings, border=task.split.border, test=test)
    return found.figures(), tell(found, history.series, test)


def explain_model(task: SeriesTask) -> str:
    """Which backend runs what of the model, on a window of the series."""
    return str(explain(task.model, next(task.batches(0, 0)).to(task.device).inputs))


def drawn(task: SeriesTask) -> tuple[nn.Module, Tensor]:
    """The model, and a step of two windows."""
    return task.model, next(task.batches(0, 0)).inputs[0, :2]


SERIES = Job(
    "series",
    build,  # pyright: ignore[reportArgumentType]
    describe,  # pyright: ignore[reportArgumentType]
    conclude,  # pyright: ignore[reportArgumentType]
    evaluate_run,
    explain_model,  # pyright: ignore[reportArgumentType]
    drawn,  # pyright: ignore[reportArgumentType]
    "ostinato forecast {run}",
    reads=SERIES_FLAGS,
    activations=of_series,  # pyright: ignore[reportArgumentType]
    defaults={
        "table": TableSettings(),
        "forecast": ForecastSettings(),
        "model": SeriesModelSettings(),
        "windows": WindowSettings(),
        "train": TRAINING,
    },
)
