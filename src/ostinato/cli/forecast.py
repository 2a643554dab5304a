"""``ostinato forecast RUN [FILE]``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ostinato.cli.code import AllowCode
from ostinato.cli.files import refuse_without_file
from ostinato.cli.job import open_run
from ostinato.cli.options import with_settings
from ostinato.cli.screen import note, say, show
from ostinato.cli.series_job import load, with_newer
from ostinato.cli.table import table
from ostinato.data import ReadSettings
from ostinato.errors import ArgumentError
from ostinato.series import Forecast, History, draw_forecast
from ostinato.series import forecast as forecast_series


@with_settings(reading=ReadSettings)
def forecast(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run of series, or one of its checkpoint files.")
    ],
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A table with newer rows, or with all; they are read before the forecast begins.",
        ),
    ] = None,
    *,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps to forecast; by default the horizon of the run."),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=0.99,
            help="Share of true values that the intervals are to hold; by default the run's.",
        ),
    ] = None,
    to_csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the forecast there.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the forecast there, as PNG.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a step.")] = False,
    allow_code: AllowCode = False,
    time: Annotated[
        str | None, typer.Option(help="The column of times, where it is not that of the run.")
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(help="The column that names the series, where it is not that of the run."),
    ] = None,
    reading: ReadSettings,
) -> None:
    """Forecast the steps after a series with the best weights of a run.

    For each column the value and the ends of its interval, which come of the errors that forecasts
    of the held-out steps would have made.
    """
    for flag, written in (("--csv", to_csv), ("--plot", plot)):
        _check_folder(flag, written)
    places = {name: v for name, v in (("time", time), ("series", series)) if v is not None}
    refuse_without_file({**reading.given(), **places}, path)
    task, (opened, _) = load(run), open_run(run)
    history = task.history if path is None else with_newer(task, opened, path, reading, places)
    said = forecast_series(
        task.model,
        history,
        steps or _usual_steps(history, task.settings.horizon or 1),
        since=task.split.border,
        coverage=coverage or task.settings.coverage,
    )
    if to_csv is not None:
        said.write(to_csv)
    if plot is not None:
        draw_forecast(plot, history.series, said, str(opened.folder))
    if as_json:
        print("\n".join(json.dumps(_record(said, row)) for row in said.rows()))
    else:
        show(table(said.heads(), said.rows()))
    _tell_unknown(said)
    for written in filter(None, (to_csv, plot)):
        say(f"written: {written}", as_json=as_json)


def _usual_steps(history: History, horizon: int) -> int:
    """The horizon of a run, or as many steps of it as all is known of."""
    ahead = history.series.num_ahead
    return horizon if ahead is None else max(1, min(horizon, ahead))


def _check_folder(flag: str, path: Path | None) -> None:
    if path is not None and not path.parent.is_dir():
        raise ArgumentError(flag, wanted="a file in a folder that is there", got=str(path))


def _record(said: Forecast, row: list[str | float]) -> dict[str, str | float | None]:
    # JSON has no NaN
    cells = (None if cell != cell else cell for cell in row)
    return dict(zip(said.heads(), cells, strict=True))


def _tell_unknown(said: Forecast) -> None:
    known = int((~np.isnan(said.widths)).all(axis=1).sum())
    if known < len(said.times):
        note(
            f"intervals reach {known} steps ahead: there are too few held-out steps to measure "
            "errors further on"
        )
