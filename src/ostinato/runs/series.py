"""Series as a job: a series and a forecaster in a run's directory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from ostinato import explain
from ostinato._stages import stage
from ostinato.conclusion import Conclusion, Table
from ostinato.data import ReadSettings, Series, WindowSettings
from ostinato.data.series_tables import observe
from ostinato.data.source import source_words
from ostinato.data.tables.settings import words
from ostinato.errors import ArgumentError
from ostinato.runs import exports
from ostinato.runs.activations import of_series
from ostinato.runs.job import Job, Reading, section, set_up, train_settings
from ostinato.runs.reading import SERIES_FLAGS, how_read, reader_of
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
    left_out,
    load_series,
    running_free,
)
from ostinato.series.evaluation import OURS
from ostinato.train import Run, TrainSettings

# Few steps, judged often: a series is short, and soon learnt by heart.
TRAINING = TrainSettings(steps=1000, ema=0.98, validate_every=50, sample_every=500)

# How far from what they were made for the share of intervals may be without a word.
_NEAR = 0.05
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
    return SeriesTask(made, series, settings, windows, seed=training.seed)


def series_path(run: Run) -> Path:
    """Where a run keeps its series."""
    return run.folder / "series.npz"


def describe(task: SeriesTask) -> str:
    """The model in a few words."""
    settings, number = task.model.settings, sum(p.numel() for p in task.model.parameters())
    lag = task.settings.difference
    reads = f"changes over {lag}" if lag else "values"
    return f"{settings.cell} {settings.layers} x {settings.size}, {number:,} parameters, on {reads}"


def conclude(task: SeriesTask, folder: Path | None) -> Conclusion:
    """The final figures on the test part; leaves its picture and the whole table in a folder."""
    found = task.evaluate()
    if folder is not None:
        with stage("drawing forecast.png"):
            found.write(folder / "backtest.csv")
            if task.series.names:
                found.write_each(folder / "series.csv", task.series)
            title = "forecasts of the test part, one after another"
            draw_test(folder / "forecast.png", task.series, pieces(task, found), title)
    told = tell(found, task.series, task.split.test)
    picture = left_out(task.series) if folder is not None else ""
    return replace(told, parts=[*told.parts, f"forecast.png{picture}"]) if picture else told


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


def tell(found: Evaluation, series: Series, test: int) -> Conclusion:
    """An evaluation in words and tables."""
    first, last = series.tell(series.times[test]), series.tell(series.times[-1])
    repeated = "value" if found.season == 1 else f"{found.season} values"
    scores = [(name, found.tested.score(name)) for name in found.tested.errors]
    return Conclusion(
        found.figures(),
        [
            f"tested from {first} to {last}; MASE, the error as a multiple of that of repeating "
            f"the last {repeated}:",
            Table(found.heads(), list(found.rows("mase"))),
            Table(
                ["all steps ahead", "MAE", "RMSE", "MASE"],
                [[name, score.mae, score.rmse, score.mase] for name, score in scores],
            ),
            *(_tell_each(*found.each(series)) if series.names else ()),
            "\n".join(filter(None, (_tell_coverage(found), _tell_baselines(found)))),
        ],
    )


def _tell_each(heads: list[str], rows: list[list[str | float]]) -> tuple[str, Table]:
    """The MASE of each of many series; of more than fit, of those that are forecast worst."""
    if len(rows) <= _EACH:
        return "MASE of each series:", Table(heads, rows)
    worst = sorted(rows, key=lambda row: -float(row[1]) if row[1] == row[1] else 0.0)[:_EACH]
    return (
        f"MASE of the {_EACH} of {len(rows):,} series that are forecast worst (all: series.csv):",
        Table(heads, worst),
    )


def _tell_coverage(found: Evaluation) -> str:
    if found.coverage != found.coverage:
        return "no intervals: the validation part has too few steps to measure errors"
    said = f"intervals made for {found.wanted:.0%} held {found.coverage:.1%} of the true values"
    off = found.coverage - found.wanted
    if abs(off) <= _NEAR:
        return said
    errors, ends = ("larger", "narrow") if off < 0 else ("smaller", "wide")
    return f"{said}: errors were {errors} than before, and the intervals too {ends} for them"


def _tell_baselines(found: Evaluation) -> str:
    """The baselines that forecast better than the model, the best first; nothing for none."""
    scores = {name: found.tested.score(name).mase for name in found.tested.errors}
    ours = scores.pop(OURS)
    # the score of a model that explodes is no number, and all others are better
    bound = math.inf if math.isnan(ours) else ours
    better = {name: score for name, score in scores.items() if score < bound}
    if not better:
        return ""
    told = ", ".join(
        f"{name} ({better[name]:.4g})" for name in sorted(better, key=better.__getitem__)
    )
    return f"forecasts that cost nothing were better than the model ({ours:.4g}) by MASE: {told}"


def with_newer(
    task: SeriesTask, run: Run, path: Path, given: ReadSettings, places: Mapping[str, str]
) -> tuple[History, list[str]]:
    """(the history of a task, gone on with what a file has, which is read as the run's was; what
    was decided about the file)."""
    settings, reader = section(run.read_config(), "table", run), reader_of(run, given)
    place = TableSettings.from_dict(settings, str(run.config_path))
    old, time = task.series, how_read(run).get("time", place.time)
    with stage(f"reading {source_words(path)}"):
        newer = observe(
            path,
            places.get("time", time),
            old.targets,
            words(places.get("series", place.series)),
            words(place.known),
            reader,
            before=old,
        )
    series = joined(old, newer, source_words(path))
    return History(series, task.history.scale, task.history.lag), reader.said


def evaluate_run(task: SeriesTask, run: Run, paths: Sequence[Path], reading: Reading) -> Conclusion:
    """The figures on the test part, or on what a file has after the run's series."""
    if not paths:
        return conclude(task, None)
    if len(paths) > 1:
        raise ArgumentError("FILE", wanted="one table", got=", ".join(map(str, paths)))
    history, said = with_newer(task, run, paths[0], reading.files, reading.places)
    test = len(task.series)
    found = evaluate(task.model, history, task.settings, border=task.split.border, test=test)
    return replace(tell(found, history.series, test), notes=said)


def explain_model(task: SeriesTask) -> str:
    """Which backend runs what of the model, on a window of the series."""
    return str(explain(task.model, next(task.batches(0, 0)).to(task.device).inputs))


def drawn(task: SeriesTask) -> tuple[nn.Module, Tensor]:
    """The model, and a step of two windows."""
    return task.model, next(task.batches(0, 0)).inputs[0, :2]


SERIES = Job(
    "series",
    build,
    describe,
    conclude,
    evaluate_run,
    explain_model,
    drawn,
    "ostinato forecast {run}",
    reads=SERIES_FLAGS,
    activations=of_series,
    exported=exports.of_series,
    defaults={
        "table": TableSettings(),
        "forecast": ForecastSettings(),
        "model": SeriesModelSettings(),
        "windows": WindowSettings(),
        "train": TRAINING,
    },
)
JOBS = (SERIES,)
