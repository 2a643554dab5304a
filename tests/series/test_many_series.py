"""Many series in one: each by itself, with one model, and what is known ahead."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from short_series import noise

from ostinato import unroll
from ostinato.data import Series, SeriesData, SeriesSettings, WindowSettings
from ostinato.data.clock import Clock
from ostinato.data.known import KnownColumn, KnownInputs
from ostinato.data.scaling import Scale
from ostinato.data.series import label
from ostinato.errors import ArgumentError
from ostinato.series import (
    Forecaster,
    ForecastSettings,
    History,
    SeriesModelSettings,
    SeriesTask,
    baselines,
    evaluate,
    forecast,
    joined,
    load_series,
    resolve,
    running_free,
    save_series,
    with_enough,
)
from ostinato.train import Solver, TrainSettings

BORDER, NAMES = 80, ("a", "b", "c")


def many(count: int = 120, *, targets: int = 2, known: int = 0, ahead: int = 0) -> Series:
    """Three series of two targets on one calendar, each of another size, with gaps."""
    parts = [noise(count, targets, seed=seed).values * 10**seed for seed in range(len(NAMES))]
    columns = [label(name, f"t{number}") for name in NAMES for number in range(targets)]
    times = np.datetime64("2024-01-01", "us") + np.arange(count) * np.timedelta64(1, "D")
    random = np.random.default_rng(7)
    given = random.normal(size=(count + ahead, len(NAMES), known)) if known else None
    inputs = KnownInputs(tuple(KnownColumn(f"k{number}", "number") for number in range(known)))
    return Series(np.concatenate(parts, axis=1), tuple(columns), times, names=NAMES, known=given,
                  inputs=inputs, key="store")  # fmt: skip


def model(series: Series, **settings) -> Forecaster:
    torch.manual_seed(0)
    made = SeriesModelSettings(size=4, **settings)
    return Forecaster(len(series.targets), made, known=series.num_known)


def test_names_and_parts() -> None:
    series = many()
    assert (series.num_series, series.targets) == (3, ("t0", "t1"))
    part = series.only([2, 0])
    assert (part.names, part.columns) == (("c", "a"), ("c: t0", "c: t1", "a: t0", "a: t1"))
    np.testing.assert_array_equal(part.values[:, :2], series.values[:, 4:])
    assert "t0, t1 of 3 series" in series.summary()


def test_windows_pass_from_one_series_to_the_next_and_tell_nothing_across() -> None:
    series = many()
    data = SeriesData(
        series,
        SeriesSettings(held_out=1 / 3),
        WindowSettings(batch_size=1, bptt=BORDER * 3, shift=False),
    )
    (window,) = data.batches(0)
    assert window.xs.shape == (3 * BORDER - 1, 1, 2)
    begins = window.resets[:, 0].nonzero().flatten().tolist()
    assert begins == [0, BORDER, 2 * BORDER]
    assert not window.wanted[BORDER - 1].any()  # its target is of another series
    scaled = data.scale.apply(series.values)
    np.testing.assert_allclose(window.xs[BORDER, 0], np.nan_to_num(scaled[0, 2:4]), rtol=1e-5)
    assert data.window(0, 10).xs.shape == (10, 3, 2)


def test_each_series_begins_anew_in_training() -> None:
    """The loss is that of the three read one by one."""
    series = many()
    windows = WindowSettings(batch_size=1, bptt=3 * 84, shift=False)
    task = SeriesTask(model(series), series, ForecastSettings(difference=0), windows)
    (window,) = task.batches(0, 0)
    loss, _ = task.loss(window, task.initial_state())
    errors = []
    for number in range(3):
        steps = task.history.inputs[:84, number : number + 1]
        ys, _ = unroll(task.model, steps[:-1])
        targets, seen = steps[1:].chunk(2, dim=-1)
        errors.append(((ys - targets) ** 2)[seen.bool()])
    assert loss.item() == pytest.approx(torch.cat(errors).mean().item(), rel=1e-5)


@pytest.mark.parametrize("lag", [0, 1, 7])
@pytest.mark.parametrize("method", ["ours", "naive", "seasonal-naive", "linear"])
def test_many_series_are_forecast_as_each_alone(lag: int, method: str) -> None:
    series = many()
    history, made = History.fitted(series, BORDER, lag), model(series)
    origins = np.array([40, 90, 120])
    together = ({"ours": running_free(made)} | baselines(history, BORDER, 7))[method]
    found = together(history, origins, 5)
    assert found.shape == (5, 3, 6)
    for number in range(3):
        part = series.only([number])
        own = slice(2 * number, 2 * number + 2)
        alone = History(part, Scale(history.scale.mean[own], history.scale.deviation[own]), lag)
        methods = {"ours": running_free(made)} | baselines(alone, BORDER, 7)
        wanted = methods[method](alone, origins, 5)
        np.testing.assert_allclose(found[..., own], wanted, rtol=1e-4, atol=1e-4 * 10**number)


def test_each_series_has_a_scale_of_its_own() -> None:
    scale = History.fitted(many(), BORDER, 1).scale
    sizes = scale.deviation.reshape(3, 2).mean(axis=1)
    np.testing.assert_allclose(sizes[1:] / sizes[:-1], 10, rtol=0.5)


def test_what_is_known_of_a_step_is_read_before_it_is_told() -> None:
    series = many(known=1, ahead=10)
    history, made = History.fitted(series, BORDER, 0), model(series)
    assert series.known is not None
    np.testing.assert_allclose(history.inputs[5, :, -1], series.known[6, :, 0], rtol=1e-6)
    np.testing.assert_allclose(history.inputs[119, :, -1], series.known[120, :, 0], rtol=1e-6)
    said = running_free(made)(history, np.array([120]), 4)
    with torch.no_grad():
        state, steps = made.initial_state(3), history.inputs
        for step in steps:
            y, state = made(step, state)
        wanted = [y]
        for ahead in range(1, 4):
            known = torch.from_numpy(series.known[120 + ahead]).float()
            y, state = made(torch.cat([y, torch.ones(3, 2), known], dim=-1), state)
            wanted.append(y)
    scaled = torch.stack(wanted).reshape(4, -1).numpy()
    np.testing.assert_allclose(said[:, 0], history.scale.undo(scaled), rtol=1e-4, atol=1e-4)


def test_a_forecast_needs_what_is_known_of_its_steps() -> None:
    series = many(known=2, ahead=6)
    history, made = History.fitted(series, BORDER, 0), model(series)
    assert len(forecast(made, history, 6, since=BORDER).times) == 6
    with pytest.raises(ArgumentError, match="steps: wanted k0, k1 known up to 2024-05-06"):
        forecast(made, history, 7, since=BORDER)


def test_a_promotion_that_explains_all_is_learned() -> None:
    random, count = np.random.default_rng(0), 200
    promotion = (random.random((count + 20, 2, 1)) < 0.3).astype(float)
    values = 10 + 5 * promotion[:count, :, 0] * [1, 100] + [0, 1000]
    times = np.datetime64("2024-01-01", "us") + np.arange(count) * np.timedelta64(1, "D")
    inputs = KnownInputs((KnownColumn("promotion", "truth"),))
    series = Series(values, ("a: v", "b: v"), times, names=("a", "b"), known=promotion,
                    inputs=inputs)  # fmt: skip
    task = SeriesTask(model(series), series, ForecastSettings(difference=0))
    solver = Solver(task, TrainSettings(steps=150, lr=0.02, validate_every=50))
    assert solver.fit()
    found = task.evaluate()
    assert found.tested.score("ours").mase < 0.1 < found.tested.score("naive").mase
    heads, rows = found.each(series)
    assert heads == ["series", "ours", "naive", "seasonal-naive", "linear"]
    assert [row[0] for row in rows] == ["a: v", "b: v"]
    assert rows[1][1] == found.tested.score("ours", columns=slice(1, 2)).mase


def test_rows_of_a_forecast_name_their_series(tmp_path: Path) -> None:
    series = many()
    said = forecast(model(series), History.fitted(series, BORDER, 0), 2, since=BORDER)
    assert said.heads() == ["time", "store", "t0", "t0_low", "t0_high", "t1", "t1_low", "t1_high"]
    rows = list(said.rows())
    assert [row[:2] for row in rows] == [
        [day, name] for name in NAMES for day in ("2024-04-30", "2024-05-01")
    ]
    assert rows[2][2] == said.values[0, 2]
    said.write(tmp_path / "said.csv")
    assert (tmp_path / "said.csv").read_text().splitlines()[3].startswith("2024-04-30,b,")


def test_few_places_of_many_series_are_enough() -> None:
    series = noise(500, 1, gaps=False)
    values = np.repeat(series.values, 200, axis=1)
    wide = Series(
        values,
        tuple(label(f"s{n}", "v") for n in range(200)),
        series.times,
        names=tuple(f"s{n}" for n in range(200)),
    )
    settings = resolve(wide, ForecastSettings(horizon=2, season=7, difference=1))
    history = History.fitted(wide, 280, 1)
    found = evaluate(model(wide), history, settings, border=280, test=380)
    assert found.tested.errors["naive"].shape == (2, 100, 200)
    assert math.isfinite(found.tested.score("ours").mase)


def test_series_with_nothing_to_learn_from_are_left_out() -> None:
    series = many()
    series.values[:BORDER, 2] = np.nan
    kept, others = with_enough(series, BORDER)
    assert (kept.names, others) == (("a", "c"), ["b"])
    single = noise()
    assert with_enough(single, BORDER) == (single, [])
    series.values[:BORDER] = np.nan
    with pytest.raises(ArgumentError, match="at least 4 values before 2024-03-21"):
        with_enough(series, BORDER)


def test_a_file_gives_all_of_it_back(tmp_path: Path) -> None:
    clock = Clock("+01:00", local=True, changes=(("2024-01-01", 120.0), ("2024-02-01", 60.0)))
    plain = many(known=2, ahead=3)
    series = Series(plain.values, plain.columns, plain.times, clock, NAMES, plain.known,
                    plain.inputs, "store")  # fmt: skip
    save_series(series, tmp_path / "series.npz")
    found = load_series(tmp_path / "series.npz")
    assert (found.clock, found.names, found.inputs, found.key) == (
        *(clock, NAMES, series.inputs),
        "store",
    )
    np.testing.assert_array_equal(found.known, series.known)


def test_newer_values_of_many_series(tmp_path: Path) -> None:
    whole = many(known=1, ahead=5)
    assert whole.known is not None
    old = Series(whole.values[:100], whole.columns, whole.times[:100], None, NAMES,
                 whole.known[:104], whole.inputs)  # fmt: skip
    newer = Series(whole.values[95:], whole.columns, whole.times[95:], None, NAMES,
                   whole.known[95:], whole.inputs)  # fmt: skip
    found = joined(old, newer, "new.csv")
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.known, whole.known)


@pytest.mark.parametrize("moved", [np.timedelta64(3650, "D"), np.timedelta64(400, "D")])
def test_a_time_far_beyond_the_run_is_refused(moved: np.timedelta64) -> None:
    whole = many()
    old = Series(whole.values[:100], whole.columns, whole.times[:100], None, NAMES)
    times = whole.times[100:].copy()
    times[-1] += moved
    newer = Series(whole.values[100:], whole.columns, times, None, NAMES)
    with pytest.raises(ArgumentError, match="far from all others is 20"):
        joined(old, newer, "new.csv")


def test_a_clock_meets_none() -> None:
    whole = many()
    old = Series(whole.values, whole.columns, whole.times, Clock("Z", local=True), NAMES)
    with pytest.raises(ArgumentError, match="wanted times with a zone, as in the run"):
        joined(old, whole, "new.csv")
