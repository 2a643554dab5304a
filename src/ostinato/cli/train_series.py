"""``ostinato train series``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ostinato import __version__
from ostinato._stages import stage
from ostinato.cli.code import AllowCode
from ostinato.cli.options import all_given, check_training, given, settled, with_settings
from ostinato.cli.origin import From, begun_from, refuse_beside, source_with, take_weights
from ostinato.cli.screen import note, say
from ostinato.cli.training import train_run
from ostinato.data import Reader, Series, WindowSettings, read_series
from ostinato.data.bundled import carbon_dioxide
from ostinato.data.problems import bells, cosine
from ostinato.data.source import source_words
from ostinato.data.tables.settings import words
from ostinato.errors import ArgumentError
from ostinato.runs.reading import SECTION
from ostinato.runs.series import SERIES, TRAINING, series_path
from ostinato.series import (
    ForecastSettings,
    SeriesModelSettings,
    TableSettings,
    resolve,
    save_series,
    split,
    with_enough,
)
from ostinato.train import Run, TrainSettings

# Series that are named where they are left out.
_SHOWN = 5

EXAMPLES = {"co2": carbon_dioxide, "bells": bells, "cosine": cosine}


@with_settings(
    table=TableSettings,
    forecast=ForecastSettings,
    model=SeriesModelSettings,
    batches=WindowSettings,
    training=TRAINING,
)
def series(
    context: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A table: CSV, TSV, Parquet or JSON lines. Without one: carbon dioxide at Mauna "
            "Loa by months, which comes with ostinato.",
        ),
    ] = None,
    *,
    example: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(EXAMPLES),
            help="A series that comes with ostinato, in place of FILE: carbon dioxide by months, "
            "six bells over a clock, a cosine.",
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="A new directory for the run; by default runs/series-001, and so on."),
    ] = None,
    start: From = None,
    allow_code: AllowCode = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a step, and nothing else.")
    ] = False,
    table: TableSettings,
    forecast: ForecastSettings,
    model: SeriesModelSettings,
    batches: WindowSettings,
    training: TrainSettings,
) -> None:
    """Train a model that forecasts one or many columns of a table, and test it on held-out time.

    It leaves a run directory with settings, metrics, checkpoints, curves and a forecast.

    Held-out forecasts are set beside naive, seasonal-naive and linear ones.

    Ctrl-C saves and stops; [bold]ostinato train --resume RUN[/] goes on, exactly.
    """
    check_training(context, training, model.cell)
    training = settled(context, training)
    origin, model = begun_from(context, start, model, SERIES.name, allow_code=allow_code)
    if origin is not None:  # what its model reads
        refuse_beside(start, "model", *(n for n in ("difference",) if given(context, n)))
        forecast = forecast.replace(difference=origin.task.settings.difference)
    reader = Reader(table)
    made = _series(path, example, table, reader)
    made, short = with_enough(made, split(made, forecast.held_out).border)
    if short:
        reader.say(f"{path}: left out, as they have too little to learn from: {_named(short)}")
    forecast = resolve(made, forecast)
    parts = split(made, forecast.held_out)
    if not given(context, "bptt"):
        batches = _fitting(batches, parts.border * made.num_series)
    directory = Run.create("series", run)
    with directory.beginning():
        save_series(made, series_path(directory))
        config: dict[str, Any] = {
            "ostinato": __version__,
            "task": SERIES.name,
            "given": all_given(context),
            "source": source_with(
                source_words(path) if path else f"example {example or 'co2'}", origin
            ),
            SECTION: {**reader.decided.given(), **reader.found} if path else {},
            "table": table.as_dict(),
            "forecast": forecast.as_dict(),
            "model": model.as_dict(),
            "windows": batches.as_dict(),
            "train": training.as_dict(),
        }
        task = SERIES.prepare(directory, config)
        take_weights(task.model, origin)
        directory.write_config(config)
    for line in [*reader.said, f"{made.summary()}; {parts.summary(made)}"]:
        say(line, as_json=as_json)
    train_run(directory, SERIES, task, training, as_json=as_json)


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")


def _series(path: Path | None, example: str | None, table: TableSettings, reader: Reader) -> Series:
    if path is not None and example is not None:
        raise ArgumentError(
            "--example",
            wanted="either --example or a file",
            got=f"--example {example} and {path}",
            remedy="Leave one of them out.",
        )
    if path is not None:
        with stage(f"reading {source_words(path)}"):
            made = read_series(
                path,
                time=table.time,
                columns=table.names,
                series=words(table.series),
                known=words(table.known),
                reader=reader,
            )
        if table.time is None and made.times.dtype.kind in "iu":
            note(
                f"{source_words(path)} has no column of dates: its rows are taken as steps (--time "
                "names one)"
            )
        return made
    if table != TableSettings():
        raise ArgumentError(
            "FILE",
            wanted="the table that --columns and --time are about",
            got="none",
            remedy="Name it: ostinato train series FILE ...",
        )
    if (example or "co2") not in EXAMPLES:
        raise ArgumentError(
            "--example",
            wanted=f"one of {', '.join(EXAMPLES)}",
            got=repr(example),
            remedy="To train on your own series, name its file without --example.",
        )
    return EXAMPLES[example or "co2"]()


def _fitting(batches: WindowSettings, steps: int) -> WindowSettings:
    """Shorter windows where the training part does not fill one in each column, wherever begun."""
    fitting = max(1, steps // (batches.batch_size + 1))
    return batches.replace(bptt=min(batches.bptt, fitting))
