"""Rows of the checklist about forecasts of series: each does what "done looks like" says of it."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.cli import main
from ostinato.data import WindowSettings
from ostinato.data.bundled import carbon_dioxide
from ostinato.data.problems import bells, cosine
from ostinato.series import (
    Forecaster,
    ForecastSettings,
    SeriesModelSettings,
    SeriesTask,
    draw_forecast,
    forecast,
    running_free,
)
from ostinato.train import Run, Solver, TrainSettings


@pytest.fixture
def ostinato(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``ostinato(*arguments)`` runs the program in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", ["ostinato", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code

    return run


# The flags of the example recurrent-time-series of Element-Research/rnn.
AS_PUBLISHED = [
    *("--cell", "elman", "--size", "10", "--no-skip", "--bptt", "5", "--batch-size", "8"),
    *("--lr", "0.001", "--steps", "1000", "--schedule", "constant", "--difference", "0"),
]


def test_row_104_many_columns_are_predicted_and_the_minimum_error_reported(
    ostinato, capsys
) -> None:
    ostinato("train", "series", "--example", "bells", *AS_PUBLISHED, "--sample-every", 0)
    said = capsys.readouterr().out
    run = Run(Path("runs/series-001"))
    losses = {
        record["step"]: record["held_out_loss"]
        for record in run.metrics()
        if "held_out_loss" in record
    }
    best = min(losses, key=losses.__getitem__)
    assert f"best weights: step {best:,}" in said
    ostinato("info", run.folder)
    assert f"best held-out loss {losses[best]:.4g}" in " ".join(capsys.readouterr().out.split())
    # scaled: 1 is the error of the mean
    assert losses[best] < 0.3
    assert losses[best] < losses[50] / 2
    assert bells().values.shape == (100, 6)


def test_row_104_a_cosine_runs_free_for_200_steps_and_is_plotted(tmp_path: Path) -> None:
    torch.manual_seed(0)
    series = cosine()
    task = SeriesTask(
        Forecaster(1, SeriesModelSettings(size=32)),
        series,
        ForecastSettings(horizon=200, difference=0),
        WindowSettings(batch_size=4),
    )
    Solver(task, TrainSettings(steps=1000, ema=0.98)).fit()
    origins = np.array([1700, 1800])
    said = running_free(task.model)(task.history, origins, 200)
    errors = np.abs(said - task.history.truth(origins, 200))
    assert errors.mean() < 0.1
    after = forecast(task.model, task.history, 200, since=task.split.border)
    np.testing.assert_allclose(after.times, np.arange(2000, 2200) * 200 / 1999, rtol=1e-6)
    draw_forecast(tmp_path / "cosine.png", series, after, "cosine")
    assert (tmp_path / "cosine.png").read_bytes().startswith(b"\x89PNG")


def test_row_105_evaluation_of_series_and_its_files(ostinato, capsys) -> None:
    ostinato("train", "series", "--size", 8, "--steps", 20, "--validate-every", 10)
    capsys.readouterr()
    ostinato("evaluate", "runs/series-001", "--json", "--curves", "curves.csv")
    figures = json.loads(capsys.readouterr().out)
    result = Run(Path("runs/series-001")).read_result()
    assert result is not None
    assert figures == {name: result[name] for name in figures}
    with open("curves.csv") as file:
        assert len(list(csv.DictReader(file))) == 20
    with open("runs/series-001/backtest.csv") as file:
        rows = list(csv.DictReader(file))
    assert {row["figure"] for row in rows} == {"mae", "rmse", "mase"}
    assert len(rows) == 3 * 25  # each of 24 steps ahead, and all
    assert {"ours", "naive", "seasonal-naive", "linear", "coverage"} <= set(rows[0])


def test_row_107_plots_of_a_series(ostinato) -> None:
    ostinato("train", "series", "--size", 8, "--steps", 10)
    ostinato("forecast", "runs/series-001", "--plot", "ahead.png")
    for picture in ("runs/series-001/curves.png", "runs/series-001/forecast.png", "ahead.png"):
        assert Path(picture).read_bytes().startswith(b"\x89PNG")
        assert Path(picture).stat().st_size > 10_000


def test_carbon_dioxide_is_forecast_better_than_by_repeating_the_last_year() -> None:
    """The figure of the results page, within a third of its margin and a fifth of its steps."""
    torch.manual_seed(0)
    task = SeriesTask(Forecaster(1, SeriesModelSettings(size=32)), carbon_dioxide())
    Solver(task, TrainSettings(steps=200, ema=0.98, validate_every=50)).fit()
    found = task.evaluate().figures()
    assert found["mase"] < 0.5 * found["seasonal_naive_mase"]
