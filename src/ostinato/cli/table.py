"""Tables as plain text, the same on a screen and in a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    """Lines of columns that stand below each other: the first at the left, numbers at the right.

    Numbers have five digits that count; what is not known (NaN) is a dash.
    """
    cells = [list(heads), *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(_line(row, widths) for row in cells)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)])


def _shown(cell: str | float) -> str:
    if isinstance(cell, str):
        return cell
    return "-" if cell != cell else f"{cell:.5g}"
