"""``ostinato forecast RUN [FILE]``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ostinato.cli.code import AllowCode
from ostinato.cli.files import refuse_without_file
from ostinato.cli.options import with_settings
from ostinato.cli.paths import check_file
from ostinato.cli.screen import note, say, show
from ostinato.conclusion import Table
from ostinato.data import ReadSettings
from ostinato.runs.load import load_run
from ostinato.runs.series import SERIES, with_newer
from ostinato.series import Forecast, History, draw_forecast, left_out
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
        typer.Option(
            min=1, max=1_000_000, help="Steps to forecast; by default the horizon of the run."
        ),
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
    check_file("--csv", to_csv)
    check_file("--plot", plot)
    places = {name: v for name, v in (("time", time), ("series", series)) if v is not None}
    refuse_without_file({**reading.given(), **places}, path)
    loaded = load_run(run, SERIES.name, allow_code=allow_code)
    task, opened = loaded.task, loaded.run
    history = task.history
    if path is not None:
        history, said_of_file = with_newer(task, opened, path, reading, places)
        for line in said_of_file:
            note(line)
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
        show(str(Table(said.heads(), list(said.rows()))))
    _tell_unknown(said)
    if to_csv is not None:
        say(f"written: {to_csv}", as_json=as_json)
    if plot is not None:
        say(f"written: {plot}{left_out(history.series)}", as_json=as_json)


def _usual_steps(history: History, horizon: int) -> int:
    """The horizon of a run, or as many steps of it as all is known of."""
    ahead = history.series.num_ahead
    return horizon if ahead is None else max(1, min(horizon, ahead))


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
