"""Pictures of Matplotlib as files: whole or not at all, whatever their words are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ostinato.data.files import atomic
from ostinato.data.visible import visible


def save_picture(figure: Any, path: Path) -> None:
    """Write a figure as PNG, whole or not at all.

    Titles, names and legends may be those of files and of the user: they are shown as they are, no
    formulas, and characters that the font lacks as boxes.
    """
    for words in _words(figure):
        words.set_text(visible(words.get_text()))
        words.set_parse_math(False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        with atomic(path) as file:
            figure.savefig(file, dpi=120, format="png")


def _words(figure: Any) -> Iterator[Any]:
    """All words but the numbers at the axes, which are formulas of Matplotlib's own."""
    for axes in figure.axes:
        yield from (axes.title, axes._left_title, axes._right_title)
        yield from (axes.xaxis.label, axes.yaxis.label, *axes.texts)
        if (legend := axes.get_legend()) is not None:
            yield from legend.get_texts()
