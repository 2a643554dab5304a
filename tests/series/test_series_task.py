"""What a solver trains on a series, and the forecast of what comes after it."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from short_series import months, noise

from ostinato import unroll
from ostinato.data import Series, WindowSettings
from ostinato.series import (
    Evaluation,
    Forecast,
    Forecaster,
    ForecastSettings,
    SeriesModelSettings,
    SeriesTask,
    draw_forecast,
    draw_test,
    forecast,
)
from ostinato.train import Solver, TrainSettings

WINDOWS = WindowSettings(batch_size=4, bptt=12)


def task_on(series: Series, settings: ForecastSettings | None = None) -> SeriesTask:
    torch.manual_seed(0)
    model = Forecaster(len(series.columns), SeriesModelSettings(size=4))
    return SeriesTask(model, series, settings, WINDOWS)


def fit(task: SeriesTask, steps: int = 20) -> Solver:
    solver = Solver(task, TrainSettings(steps=steps, lr=0.01, validate_every=10))
    assert solver.fit()
    return solver


@pytest.mark.parametrize("lag", [0, 12])
def test_nothing_of_the_test_part_reaches_the_weights(lag: int) -> None:
    """With another test part, the chosen weights are the same to the last bit."""
    series = noise()
    tasks = []
    for value in (0.0, 1e5):
        changed = series.values.copy()
        changed[102:] = value
        other = Series(changed, series.columns, series.times)
        tasks.append(task_on(other, ForecastSettings(difference=lag)))
        assert tasks[-1].split.test == 102
        fit(tasks[-1])
    one, two = (task.model.state_dict() for task in tasks)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_validation_is_the_loss_of_the_next_step() -> None:
    task = task_on(noise(), ForecastSettings(difference=1))
    border, test, steps = task.split.border, task.split.test, task.history.steps
    ys, _ = unroll(task.model, steps[: test - 1, None])
    targets, seen = steps[border:test].chunk(2, dim=-1)
    errors = (ys[border - 1 :, 0] - targets)[seen.bool()]
    assert task.validate()["loss"] == pytest.approx(errors.square().mean().item(), rel=1e-5)


def test_missing_targets_do_not_count() -> None:
    task = task_on(noise(), ForecastSettings(difference=12))
    window = next(task.batches(0, 0))
    assert not window.wanted.all()
    loss, _ = task.loss(window, task.initial_state())
    ys, _ = unroll(task.model, torch.cat([window.xs, window.seen], dim=-1))
    errors = (ys - window.targets)[window.wanted]
    assert loss.item() == pytest.approx(errors.square().mean().item(), rel=1e-5)
    assert task.batch_units == 4 * 12 * 2


def test_training_beats_repeating_the_season() -> None:
    task = task_on(months(), ForecastSettings(difference=12))
    solver = fit(task, 60)
    found = task.evaluate().figures()
    assert solver.best.figures["mase"] < 0.5
    assert found["mase"] < found["seasonal_naive_mase"]
    assert set(found) == {
        *("mase", "mae", "rmse", "coverage"),
        *("naive_mase", "seasonal_naive_mase", "linear_mase"),
    }


def test_a_sample_is_a_forecast_beside_the_truth() -> None:
    task = task_on(months())
    before = torch.random.get_rng_state()
    lines = task.sample(3).splitlines()
    assert torch.equal(before, torch.random.get_rng_state())
    assert lines[0].split() == ["time", "sales", "(true)"]
    assert len(lines) == 10
    last = task.split.test - 1
    assert lines[-1].startswith("2008-06-01")
    assert f"({task.series.values[last, 0]:.5g})" in lines[-1]


def test_a_sample_of_many_columns_shows_the_first_and_counts_the_others() -> None:
    one = months()
    many = Series(np.repeat(one.values, 9, axis=1), tuple("abcdefghi"), one.times)
    lines = task_on(many).sample(3).splitlines()
    assert lines[0].split() == ["time", *(head for name in "abcd" for head in (name, "(true)"))]
    assert lines[-1] == "and 5 columns more"
    assert len({len(line) for line in lines[:-1]}) == 1  # a table


def test_tables_and_files_of_an_evaluation(tmp_path: Path) -> None:
    task = task_on(months())
    found = task.evaluate()
    rows = list(found.rows("mae"))
    assert [row[0] for row in rows] == ["1", "2", "3", "6", "all"]
    assert found.heads() == [
        *("steps ahead", "ours", "naive", "seasonal-naive", "linear", "coverage")
    ]
    assert rows[-1][1] == found.tested.score("ours").mae
    assert rows[-1][-1] == found.coverage
    found.write(tmp_path / "backtest.csv")
    with open(tmp_path / "backtest.csv") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 3 * 10
    assert float(written[9]["ours"]) == found.tested.score("ours").mae


def test_a_forecast_with_intervals_from_held_out_errors(tmp_path: Path) -> None:
    task = task_on(months())
    said = forecast(task.model, task.history, 30, since=task.split.border)
    assert said.values.shape == said.widths.shape == (30, 1)
    assert str(said.times[0])[:7] == "2010-01"
    # of 36 held-out steps, nine errors are known up to 28 steps ahead
    assert np.isfinite(said.widths[:28]).all()
    assert np.isnan(said.widths[28:]).all()
    assert (np.diff(said.widths[:28, 0]) >= 0).all()
    said.write(tmp_path / "said.csv")
    lines = (tmp_path / "said.csv").read_text().splitlines()
    assert lines[0] == "time,sales,sales_low,sales_high"
    time, value, low, high = lines[1].split(",")
    assert time == "2010-01-01"
    assert float(low) < float(value) < float(high)
    assert lines[-1].endswith(",,")
    draw_forecast(tmp_path / "said.png", task.series, said, "said")
    assert (tmp_path / "said.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_of_many_columns(tmp_path: Path) -> None:
    task = task_on(noise(columns=10))
    said = Forecast(
        task.series.columns, task.series.times[100:110], np.zeros((10, 10)), np.ones((10, 10))
    )
    draw_test(tmp_path / "test.png", task.series, [said], "the first eight")
    assert {path.name for path in tmp_path.iterdir()} == {"test.png"}


def test_a_model_that_explodes_when_it_runs_free_is_still_judged() -> None:
    task = task_on(noise(), ForecastSettings(difference=1))
    with torch.no_grad():
        next(p for name, p in task.model.named_parameters() if "layers.1" in name).mul_(1e6)
        next(p for name, p in task.model.named_parameters() if "layers.1" in name).mul_(1e6)
    assert set(task.validate()) == {"loss"}


def test_an_evaluation_of_nothing_that_is_known() -> None:
    series = noise(columns=1, gaps=False)
    series.values[102:] = np.nan
    found: Evaluation = task_on(series, ForecastSettings(difference=1)).evaluate()
    assert found.figures() == {}
    assert np.isnan(found.coverage)
