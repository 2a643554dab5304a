"""How far the reading of a large text has come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

from ostinato._stages import Stage
from ostinato.text import Document, Parts


def counted(parts: Parts, stage: Stage) -> Parts:
    """The same documents; the stage tells in which pass they are, and how far that has come."""
    passes = _Passes(stage)
    first = parts.train[0] if parts.train else None
    return Parts(
        *([_counted(each, passes, first=each is first) for each in part] for part in parts)
    )


@final
class _Passes:
    """A corpus is read for its size, for its vocabulary and for its tokens."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self._what, self._number = stage, stage.what, 0

    def begin(self) -> None:
        """The first document is read again."""
        self._number += 1
        self.stage.what, self.stage.done = f"{self._what}, pass {self._number} of 3", 0


def _counted(document: Document, passes: _Passes, *, first: bool) -> Document:
    def pieces() -> Iterator[str]:
        if first:
            passes.begin()
        for piece in document.pieces():
            yield piece
            passes.stage.advance(len(piece))

    return Document(document.name, pieces)
