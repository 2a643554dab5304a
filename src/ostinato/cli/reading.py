"""How far the reading of a large text has come, shown on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ostinato.data import require
from ostinato.text import Document, Parts, source_name

# Seconds between updates: a small text is read before the first one.
_PATIENCE = 0.2


@contextmanager
def watched(parts: Parts) -> Iterator[Parts]:
    """The same documents; on a terminal, reading them moves a line of progress."""
    if not sys.stderr.isatty():
        yield parts
        return
    console = require("rich.console", "train").Console(stderr=True)
    with console.status(f"reading {source_name(parts.train)}") as status:
        counter = _Counter(status)
        first = parts.train[0] if parts.train else None
        yield Parts(
            *([_watch(each, counter, first=each is first) for each in part] for part in parts)
        )


class _Counter:
    """Characters read in the current pass over all documents."""

    def __init__(self, status: Any) -> None:
        self._status, self._shown = status, time.monotonic()
        self._passes = self._characters = 0

    def begin_pass(self) -> None:
        """The first document is read again."""
        self._passes, self._characters = self._passes + 1, 0

    def add(self, number: int, name: str) -> None:
        """So many more characters are read."""
        self._characters += number
        if time.monotonic() - self._shown > _PATIENCE:
            self._shown = time.monotonic()
            where = f"pass {self._passes} of 3: {self._characters:,} characters"
            self._status.update(f"reading {name}, {where}")


def _watch(document: Document, counter: _Counter, *, first: bool) -> Document:
    def pieces() -> Iterator[str]:
        if first:
            counter.begin_pass()
        for piece in document.pieces():
            yield piece
            counter.add(len(piece), document.name)

    return Document(document.name, pieces)
