"""``ostinato draw CELL`` and ``ostinato draw RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import nn

import ostinato
from ostinato.cell_names import STANDARD, make_cell
from ostinato.cli.code import AllowCode, find_cells_here
from ostinato.cli.screen import say
from ostinato.runs import job_of
from ostinato.runs.job import open_run
from ostinato.train import RunError


def draw(
    target: Annotated[
        str,
        typer.Argument(
            metavar="CELL|RUN",
            help=f"{', '.join(STANDARD)}, any cell as package.module:Class, or a run.",
        ),
    ],
    path: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="A file .svg, .png or .dot."),
    ] = Path("cell.svg"),
    *,
    unrolled: Annotated[int, typer.Option(min=1, max=1000, help="Time steps side by side.")] = 1,
    layers: Annotated[int, typer.Option(min=1, max=1000, help="Of CELL: one above another.")] = 1,
    depth: Annotated[
        int,
        typer.Option(min=0, help="How many modules deep to look: 1 shows what the cell computes."),
    ] = 1,
    inputs: Annotated[int, typer.Option("--input", min=1, help="Of CELL: features of x.")] = 64,
    hidden: Annotated[int, typer.Option(min=1, help="Of CELL: hidden units.")] = 128,
    allow_code: AllowCode = False,
) -> None:
    """Draw what a cell computes, a stack of them, or the model of a run; unrolled in time."""
    run = Path(target)
    if run.exists() or len(run.parts) > 1:
        module, example = model_of(run, allow_code=allow_code)
    else:
        find_cells_here()
        sizes = [inputs, *[hidden] * layers]
        made = [make_cell(target, sizes[i], sizes[i + 1]) for i in range(layers)]
        module = made[0] if layers == 1 else ostinato.Stack(*made)
        example = torch.zeros(1, inputs)
    ostinato.draw(module, example, unrolled=unrolled, depth=depth).save(path)
    say(f"drawn: {path}", as_json=False)


def model_of(path: Path, *, allow_code: bool = False) -> tuple[nn.Module, Any]:
    """The model of a run, without dropout, and an example of its data."""
    run, _ = open_run(path, allow_code=allow_code)
    config = run.read_config()
    job = job_of(config, run)
    if job.drawn is None:
        raise RunError(str(path), wanted="a run of a model to draw", got=f"one of {job.name}")
    module, example = job.drawn(job.prepare(run, config))
    return module.eval(), example
