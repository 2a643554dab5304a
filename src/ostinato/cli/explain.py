"""``ostinato explain CELL`` and ``ostinato explain RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

import ostinato
from ostinato.cell_names import STANDARD, make_cell
from ostinato.cli.code import AllowCode, find_cells_here
from ostinato.cli.screen import show
from ostinato.runs import job_of
from ostinato.runs.job import open_run
from ostinato.train import RunError


def explain(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="CELL|RUN",
            help=f"{', '.join(STANDARD)}, any cell as package.module:Class, or a run.",
        ),
    ],
    inputs: Annotated[int, typer.Option("--input", min=1, help="Features of x.")] = 64,
    hidden: Annotated[int, typer.Option(min=1, help="Hidden units.")] = 128,
    num_steps: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Steps T of the sample.")
    ] = 100,
    batch_size: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Sequences B of the sample.")
    ] = 32,
    backend: Annotated[str, typer.Option(help="Ask for this backend: auto, or by name.")] = "auto",
    allow_code: AllowCode = False,
) -> None:
    """Tell which backend runs a cell, or the model of a run, and why not a faster one."""
    path = Path(target)
    if path.exists() or len(path.parts) > 1:
        show(explain_run(path, allow_code=allow_code))
        return
    find_cells_here()
    torch.manual_seed(0)
    cell = make_cell(target, inputs, hidden)
    xs = torch.zeros(num_steps, batch_size, inputs)
    show(str(ostinato.explain(cell, xs, backend=backend)))


def explain_run(path: Path, *, allow_code: bool = False) -> str:
    """What runs the model of a run, on a batch of its data."""
    run, _ = open_run(path, allow_code=allow_code)
    config = run.read_config()
    job = job_of(config, run)
    if job.explain is None:
        raise RunError(str(path), wanted="a run of a model to explain", got=f"one of {job.name}")
    return job.explain(job.prepare(run, config))
