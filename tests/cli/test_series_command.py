"""`ostinato train series`, `forecast`, and `evaluate` on a run of series."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ostinato.data import WindowSettings
from ostinato.runs.series import SERIES
from ostinato.series import ForecastSettings, SeriesModelSettings, TableSettings
from ostinato.train import Run
from same_values import same

SMALL = ["--size", "8", "--steps", "20", "--validate-every", "10", "--sample-every", "10"]
FILES = {
    *("backtest.csv", "checkpoints", "commands.jsonl", "config.json", "curves.png"),
    *("forecast.png", "lock", "metrics.jsonl", "report.html", "result.json", "samples.txt"),
    "series.npz",
}
CLOCK = {"seconds", "values_per_second"}


def table(path: Path, first: int, last: int) -> None:
    """Months of a shop, one value in twenty missing."""
    random, steps = np.random.default_rng(0), np.arange(200)
    visits = 100 + steps + 30 * np.sin(2 * np.pi * steps / 12) + random.normal(0, 2, 200)
    lines = ["month,visits,sales,note"]
    for step in range(first, last):
        month = np.datetime64("2000-01") + step
        sales = "" if step % 20 == 7 else f"{visits[step - 1] / 10:.2f}"
        lines.append(f"{month},{visits[step]:.1f},{sales},fine")
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def shop(folder: Path) -> Path:
    table(folder / "shop.csv", 0, 150)
    table(folder / "newer.csv", 140, 170)
    return folder


@pytest.fixture
def run(ostinato, shop) -> Path:
    """A run of 20 steps, ``runs/series-001``."""
    done = ostinato("train", "series", "shop.csv", *SMALL)
    assert done.code == 0, done.err
    return shop / "runs" / "series-001"


def test_a_run_is_a_directory(ostinato, shop) -> None:
    done = ostinato("train", "series", "shop.csv", *SMALL)
    assert done.code == 0, done.err
    run = Run.open(shop / "runs" / "series-001")
    assert {path.name for path in run.folder.iterdir()} == FILES
    assert "150 steps of 1 month from 2000-01-01 to 2012-06-01, visits, sales; 8 of 300" in done.out
    assert "tested from 2010-08-01 to 2012-06-01" in done.out
    assert "repeating the last 12 values" in done.out
    for method in ("ours", "naive", "seasonal-naive", "linear"):
        assert method in done.out
    assert "of the true values" in done.out
    assert f"ostinato forecast {Path('runs/series-001')}" in done.out
    assert run.samples_path.read_text().count("----- step") == 2
    config, result = run.read_config(), run.read_result()
    assert result is not None
    assert {"mase", "mae", "rmse", "coverage", "seasonal_naive_mase", "step"} <= set(result)
    assert config["forecast"]["season"] == 12
    assert config["forecast"]["difference"] is not None
    with open(run.folder / "backtest.csv") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["ours"]) == result["mase"]
    for picture in ("curves.png", "forecast.png"):
        assert (run.folder / picture).read_bytes().startswith(b"\x89PNG")


def test_columns_that_are_asked_for(ostinato, shop) -> None:
    done = ostinato("train", "series", "shop.csv", "--columns", "sales", *SMALL, "--json")
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    assert [record["step"] for record in records] == list(range(1, 21))
    assert {"loss", "lr", "values", "values_per_second"} <= set(records[0])
    assert {"held_out_loss", "held_out_mase"} <= set(records[-1])
    assert ", sales; 8 of 150 values are missing" in done.err


def test_a_run_goes_on_exactly(ostinato, run) -> None:
    other = run.with_name("other")
    shutil.copytree(run, other)
    done = ostinato("train", "--resume", other / "checkpoints" / "step-00000010.safetensors")
    assert done.code == 0, done.err
    one, two = Run(run), Run(other)
    assert same(one.metrics(), two.metrics(), CLOCK)
    assert one.samples_path.read_text() == two.samples_path.read_text()
    assert one.read_result() == two.read_result()
    ours, theirs = one.load_checkpoint(), two.load_checkpoint()
    ours.pop("sizes"), theirs.pop("sizes")
    assert same(ours, theirs, CLOCK)


def test_forecast(ostinato, run) -> None:
    done = ostinato("forecast", run, "--steps", 6, "--csv", "said.csv", "--plot", "said.png")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    wanted = "time visits visits_low visits_high sales sales_low sales_high"
    assert lines[0].split() == wanted.split()
    assert [line.split()[0] for line in lines[1:7]] == [f"2012-{m:02d}-01" for m in range(7, 13)]
    with open("said.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    for row in rows:
        assert float(row["sales_low"]) < float(row["sales"]) < float(row["sales_high"])
    assert Path("said.png").read_bytes().startswith(b"\x89PNG")
    records = [json.loads(line) for line in ostinato("forecast", run, "--json").out.splitlines()]
    assert len(records) == 11  # the horizon of the run
    assert records[0]["visits"] == pytest.approx(float(rows[0]["visits"]))
    wide = ostinato("forecast", run, "--steps", 6, "--coverage", 0.95, "--json").out
    for row, record in zip(rows, map(json.loads, wide.splitlines()), strict=True):
        assert record["visits_high"] >= float(row["visits_high"])


def test_a_folder_that_is_not_there_is_refused(ostinato, run) -> None:
    done = ostinato("forecast", run, "--csv", "nowhere/said.csv")
    assert done.code == 1
    assert "--csv: wanted a file in a folder that is there" in done.err


def test_a_forecast_beyond_what_was_measured_has_no_interval(ostinato, run) -> None:
    done = ostinato("forecast", run, "--steps", 40)
    assert done.err == (
        "note: intervals reach 36 steps ahead: there are too few held-out steps to measure errors "
        "further on\n"
    )
    last = done.out.splitlines()[-1].split()
    assert [cell == "-" for cell in last] == [False, False, True, True, False, True, True]


def test_newer_rows_are_read_first(ostinato, run, shop) -> None:
    table(shop / "whole.csv", 0, 170)
    one = ostinato("forecast", run, "newer.csv", "--steps", 3)
    assert one.code == 0, one.err
    assert one.out.splitlines()[1].startswith("2014-03-01")
    assert one.out == ostinato("forecast", run, "whole.csv", "--steps", 3).out
    refused = ostinato("forecast", run, "shop.csv")
    assert refused.code == 1
    assert "wanted values after 2012-06-01, where the run's series ends" in refused.err


def test_evaluate(ostinato, run) -> None:
    result = Run(run).read_result()
    assert result is not None
    found = json.loads(ostinato("evaluate", run, "--json").out)
    assert found == {name: result[name] for name in found}
    newer = ostinato("evaluate", run, "newer.csv")
    assert newer.code == 0, newer.err
    assert "tested from 2012-07-01 to 2014-02-01" in newer.out


def test_info(ostinato, run) -> None:
    said = " ".join(ostinato("info", run).out.split())
    for wanted in ("source shop.csv", "task series", "gru 1 x 8", "best held-out loss", "mase"):
        assert wanted in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shop.cvs"], "Did you mean shop.csv"),
        (["shop.csv", "--columns", "visit"], "error: --columns: wanted a column of shop.csv"),
        (["shop.csv", "--columns", "visit"], "Did you mean visits?"),
        (["shop.csv", "--columns", "note"], "column note of shop.csv: wanted numbers"),
        (["shop.csv", "--time", "mont"], "Did you mean month?"),
        (["shop.csv", "--horizon", "99"], "--horizon: wanted at most the 22 steps"),
        (["short.csv"], "--held-out: wanted at least 25 steps: with 0.3 of them held out"),
        (["gaps.csv"], "wanted equally spaced times, 1 day apart as most are, got 2000-01-03T07"),
        (["shop.csv", "--example", "co2"], "--example: wanted either --example or a file"),
        (["--example", "co3"], "wanted one of co2, bells, cosine"),
        (["--columns", "co2"], "wanted the table that --columns and --time are about"),
        (["shop.csv", "--epochs", "2", "--steps", "3"], "either in steps or in epochs"),
        (["shop.csv", "--cell", "gur"], "Did you mean gru?"),
    ],
)
def test_what_is_wrong_is_said(ostinato, shop, arguments, words) -> None:
    table(shop / "short.csv", 0, 12)
    (shop / "gaps.csv").write_text(
        "day,a\n2000-01-01,1\n2000-01-02,2\n2000-01-03 07:00,3\n2000-01-04,1\n2000-01-05,1\n"
    )
    done = ostinato("train", "series", *arguments)
    assert done.code == 1
    assert words in done.err
    assert not list(shop.glob("runs/*"))


def test_what_runs_the_model_is_told(run) -> None:
    opened = Run.open(run)
    task = SERIES.build(opened, opened.read_config())
    assert SERIES.explain is not None
    assert "GRU" in SERIES.explain(task)


def test_every_setting_is_a_flag_with_its_help_and_default(ostinato) -> None:
    shown = " ".join(ostinato("train", "series", "-h").out.split())
    for kind in (TableSettings, ForecastSettings, SeriesModelSettings, WindowSettings):
        for field in dataclasses.fields(kind):
            assert f"--{field.name.replace('_', '-')}" in shown
            assert field.metadata["help"].split()[0] in shown
            if field.default is not None and not isinstance(field.default, bool):
                assert f"[default: {field.default}]" in shown


def test_a_run_of_another_task_is_refused(ostinato, trained, shop) -> None:
    done = ostinato("forecast", trained)
    assert done.code == 1
    assert "wanted a run of series, got one of text" in done.err


def test_rows_without_dates_are_steps_and_that_is_said(ostinato, folder) -> None:
    (folder / "rows.csv").write_text("a\n" + "".join(f"{row % 7}\n" for row in range(90)))
    done = ostinato("train", "series", "rows.csv", *SMALL)
    assert done.code == 0, done.err
    assert done.err.startswith("note: rows.csv has no column of dates")
    (folder / "more.csv").write_text("a\n6\n0\n1\n")
    said = ostinato("forecast", "runs/series-001", "more.csv", "--steps", 2).out.splitlines()
    assert [line.split()[0] for line in said] == ["time", "93", "94"]
    assert ostinato("train", "series", "rows.csv", *SMALL, "--time", "").err == ""


def test_epochs_in_place_of_steps(ostinato, shop) -> None:
    done = ostinato("train", "series", "shop.csv", "--size", 8, "--epochs", 3)
    assert done.code == 0, done.err
    assert "trained 3 steps" in done.out
