"""What is found of a trained model: its figures, and how they are told in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final


@final
@dataclass(frozen=True)
class Table:
    """Rows of cells under heads, with a name for programs: a text, the same on any screen.

    Numbers are shown with five digits that count; one that is not known (NaN) is a dash.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str | float]]
    name: str = ""

    def cells(self) -> list[list[str]]:
        """The texts of all rows, the heads first."""
        return [list(self.heads), *([_shown(cell) for cell in row] for row in self.rows)]

    def __str__(self) -> str:
        """Lines of columns that stand below each other, the first at the left, others right."""
        cells = self.cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join(_line(row, widths) for row in cells)


@final
@dataclass(frozen=True)
class Conclusion:
    """What is known of a model at the end.

    ``figures`` by name, ready for JSON; ``parts``, what is told of them, lines and tables, the
    figures that count first; ``shown``, what the model makes now; ``notes``, remarks on the data
    or the measure that are no part of the result.
    """

    figures: dict[str, Any]
    parts: Sequence[str | Table]
    shown: str = ""
    notes: Sequence[str] = ()

    def __str__(self) -> str:
        """All parts, then what is shown, with empty lines between."""
        told = "\n\n".join(map(str, self.parts))
        return f"{told}\n\n{self.shown}\n" if self.shown else told


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    line = "  ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)])
    return line.rstrip()


def _shown(cell: str | float) -> str:
    if isinstance(cell, str):
        return cell
    return "-" if cell != cell else f"{cell:.5g}"
