"""Code of the user: cells from modules in the working directory, and ``--allow-code``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        help="Let a run import the class of cells that it names, from a folder on PYTHONPATH.",
    ),
]
"""The flag of each command that opens a run."""


def find_cells_here() -> None:
    """Let a cell that the user has typed be found in the working directory.

    Never for the sake of a run, whose cells anyone may have named. Last on the path, so that no
    file here hides a package.
    """
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
