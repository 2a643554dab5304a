"""``ostinato info RUN``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ostinato.cli.code import AllowCode
from ostinato.data.visible import visible
from ostinato.runs import job_of
from ostinato.runs.job import open_run, train_settings
from ostinato.runs.reading import SECTION
from ostinato.train import CheckpointError, Run
from ostinato.train.report import duration


def info(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run, or one of its checkpoint files.")
    ],
    *,
    allow_code: AllowCode = False,
) -> None:
    """Tell what a run is, how far it has come and how good it is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    opened, checkpoint = open_run(run, allow_code=allow_code)
    table = Table.grid(padding=(0, 3))
    table.add_column(style="bold")
    for name, value in _rows(opened, checkpoint):
        # Text is not markup: a path may have brackets.
        table.add_row(name, Text(visible(value)))
    Console().print(table)


def _rows(run: Run, checkpoint: Path | None) -> Iterator[tuple[str, str]]:
    config = run.read_config()
    job = job_of(config, run)
    task = job.prepare(run, config)
    total = train_settings(config, run).total_steps(len(task))
    yield "run", str(run.folder)
    yield "made by", f"ostinato {config.get('ostinato', '?')}, task {job.name}"
    yield "source", str(config.get("source", "?"))
    yield "model", job.describe(task)
    yield from _progress(run, checkpoint, total)
    if result := run.read_result():
        yield "result", _figures(result)
    for name in (
        SECTION,
        "corpus",
        "table",
        "forecast",
        "pairs",
        "model",
        "columns",
        "windows",
        "batches",
        "train",
    ):
        if section := config.get(name):
            yield f"{name} settings", _figures(section)
    yield "checkpoints", ", ".join(path.name for path in run.checkpoints()) or "none"


def _progress(run: Run, checkpoint: Path | None, total: int) -> Iterator[tuple[str, str]]:
    try:
        progress = run.load_checkpoint(checkpoint, "progress")
        best = run.load_checkpoint(checkpoint, "best")
    except CheckpointError as error:
        yield "progress", f"unknown: {error}"
        return
    spent = duration(progress["seconds"])
    yield "progress", f"step {progress['step']:,} of {total:,} in {spent}"
    if best["figures"]:
        yield "best held-out", f"{_figures(best['figures'])} at step {best['step']:,}"


def _figures(values: Mapping[str, Any]) -> str:
    shown = (
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )
    return ", ".join(shown)
