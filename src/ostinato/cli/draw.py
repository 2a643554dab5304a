"""``ostinato draw CELL``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

import ostinato
from ostinato.cell_names import STANDARD, make_cell
from ostinato.cli.screen import say


def draw(
    cell: Annotated[
        str,
        typer.Argument(
            metavar="CELL", help=f"{', '.join(STANDARD)}, or any cell as package.module:Class."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="A file .svg, .png or .dot."),
    ] = Path("cell.svg"),
    *,
    unrolled: Annotated[int, typer.Option(min=1, help="Time steps side by side.")] = 1,
    layers: Annotated[int, typer.Option(min=1, help="Cells one above another.")] = 1,
    depth: Annotated[
        int,
        typer.Option(min=0, help="How many modules deep to look: 1 shows what the cell computes."),
    ] = 1,
    inputs: Annotated[int, typer.Option("--input", min=1, help="Features of x.")] = 64,
    hidden: Annotated[int, typer.Option(min=1, help="Hidden units.")] = 128,
) -> None:
    """Draw what a cell computes, or a stack of them, unrolled in time."""
    sizes = [inputs, *[hidden] * layers]
    made = [make_cell(cell, sizes[i], sizes[i + 1]) for i in range(layers)]
    shown = made[0] if layers == 1 else ostinato.Stack(*made)
    ostinato.draw(shown, torch.zeros(1, inputs), unrolled=unrolled, depth=depth).save(output)
    say(f"drawn: {output}", as_json=False)
