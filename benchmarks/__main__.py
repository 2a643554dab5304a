"""Runs every benchmark and writes docs/benchmarks.md: ``python -m benchmarks``."""

from __future__ import annotations

import platform
from itertools import chain
from pathlib import Path

import torch

from benchmarks import language_model, layers

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def main() -> None:
    """Measure, print each line as it comes, and write the page when all is done."""
    head = [
        "# Benchmarks",
        "",
        "Written by `python -m benchmarks`. A ratio above 1 says that ours is faster; in brackets",
        "the middle half of the pairs of runs, which shows the noise of the machine.",
        "",
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}, "
        f"{torch.get_num_threads()} threads.",
        "",
    ]
    page = []
    for line in chain(head, language_model.lines(), layers.lines(), layers.ragged_lines()):
        print(line, flush=True)
        page.append(line)
    PAGE.write_text("\n".join(page).rstrip() + "\n")


if __name__ == "__main__":
    main()
