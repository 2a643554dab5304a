"""Tables of a page: figures in columns, and which label was given for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ostinato.conclusion import Table
from ostinato.report.markup import element, section, text

# Labels of a confusion table that can be read; the task's own words tell of more.
_LABELS = 30


def show_table(table: Table) -> str:
    """A table of figures, which scrolls where it is wider than the page."""
    heads, *rows = table.cells()
    head = element("tr", *(element("th", text(cell), scope="col") for cell in heads))
    body = (
        element(
            "tr",
            element("th", text(first), scope="row"),
            *(element("td", text(cell)) for cell in others),
        )
        for first, *others in rows
    )
    inner = element("table", element("thead", head), element("tbody", *body), class_="figures")
    return _scrolling(inner)


def _scrolling(table: str) -> str:
    return element("div", table, class_="scroll", tabindex=0, role="group", aria_label="table")


def has_confusion(figures: Any) -> bool:
    """Whether there is a confusion matrix that fits a page."""
    return "confusion" in figures and 0 < len(figures.get("labels", ())) <= _LABELS


def show_confusion(figures: Any) -> str:
    """A table with a row for each true label, shaded by the row's shares."""
    if not has_confusion(figures):
        return ""
    labels, matrix = figures["labels"], figures["confusion"]
    head = element("tr", element("td"), *(_label(label, "col") for label in labels))
    rows = [
        element("tr", _label(label, "row"), *_cells(place, row))
        for place, (label, row) in enumerate(zip(labels, matrix, strict=True))
    ]
    table = element("table", element("thead", head), element("tbody", *rows), class_="confusion")
    caption = element(
        "figcaption",
        "A row for each true label, a column for each that the model gave: right ones in blue, "
        "mistakes in orange, each by its share of the row.",
    )
    return section("Which label it gave", element("figure", _scrolling(table), caption))


def _label(label: str, scope: str) -> str:
    return element("th", element("bdi", text(label)), scope=scope)


def _cells(place: int, row: Sequence[int]) -> list[str]:
    total = max(1, sum(row))
    return [
        element(
            "td",
            text(f"{count:,}"),
            class_="right" if other == place else "none" if not count else None,
            style=f"--share:{count / total:.2f}" if count else None,
        )
        for other, count in enumerate(row)
    ]
