"""What a part of the benchmarks is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.race import Effort

Row = dict[str, Any]
"""A measured line: numbers, text and lists of them, as JSON has them."""


@dataclass(frozen=True)
class Part:
    """One section of the page, from its measurement to its picture."""

    name: str
    """On the command line, and of the file of its results."""
    title: str
    about: str
    """What was measured against what, for readers: a paragraph of Markdown."""
    measure: Callable[[Effort], list[Row]]
    show: Callable[[list[Row]], list[str]]
    """The rows as lines of Markdown."""
    draw: Callable[[list[Row], Path], None] | None = None
    """The rows as a picture in this file, where that says more than the table."""
