"""A picture, and how it gets to a file, a notebook or the screen."""

from __future__ import annotations

import os
import tempfile
import webbrowser
from pathlib import Path
from typing import final

from ostinato.data.files import atomic, what_is
from ostinato.data.requirements import require
from ostinato.drawing.dot import as_dot
from ostinato.drawing.graph import Graph
from ostinato.drawing.render import draw_as
from ostinato.errors import ArgumentError

SUFFIXES = (".svg", ".png", ".dot")


@final
class Picture:
    """What `ostinato.draw` gives: shows itself in a notebook, and is saved by `save`.

    ``graph`` holds the nodes and the edges between them, with the shapes [B, ...] on them.
    """

    def __init__(self, graph: Graph, caption: str = "") -> None:
        self.graph, self.caption = graph, caption

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture as SVG, PNG or DOT, by the suffix of the path.

        The file is written whole or not at all. SVG and PNG need Matplotlib, DOT is text for
        Graphviz and needs nothing. Raises ArgumentError for another suffix or a missing folder.
        """
        path = checked_path(path)
        made = self._bytes(path.suffix)
        with atomic(path) as file:
            file.write(made)

    def show(self) -> None:
        """Open the picture in the web browser; a notebook shows it without being asked."""
        with tempfile.NamedTemporaryFile(suffix=".svg", delete=False) as file:
            file.write(self._bytes(".svg"))
        webbrowser.open(Path(file.name).as_uri())

    def _repr_svg_(self) -> str:
        return self._bytes(".svg").decode()

    def _bytes(self, suffix: str) -> bytes:
        if suffix == ".dot":
            return as_dot(self.graph, self.caption).encode()
        return draw_as(self.graph, suffix[1:], self.caption)


def checked_path(path: str | os.PathLike[str]) -> Path:
    """The path itself; ArgumentError where no picture can be written there.

    MissingPackage where the picture needs Matplotlib, and it is not there.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ArgumentError(
            "path",
            wanted=f"a file name that ends with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}",
            got=str(path),
            remedy="The suffix says what is written.",
        )
    if path.is_dir() or not path.parent.is_dir():
        raise ArgumentError(
            "path",
            wanted="a file in a folder that is there",
            got=what_is(path) if path.is_dir() else str(path),
            remedy="" if path.is_dir() else f"Make the folder {path.parent} first.",
        )
    if path.suffix != ".dot":
        require("matplotlib", "train")
    return path
