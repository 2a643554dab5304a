"""Where a text may be cut so that its parts give the same tokens as the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# A text without line ends or spaces is cut anyway when this many characters are waiting.
_PATIENCE = 1 << 20


def cut_at_lines(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in pieces that end after a line end, or, in a very long line, before a space.

    Memory holds at most about a million waiting characters.
    """
    waiting = ""
    for piece in pieces:
        waiting += piece
        end = _safe_end(waiting)
        if end:
            yield waiting[:end]
            waiting = waiting[end:]
    if waiting:
        yield waiting


def _safe_end(text: str) -> int:
    line = text.rfind("\n") + 1
    if line or len(text) < _PATIENCE:
        return line
    space = text.rfind(" ")
    while space > 0 and text[space - 1].isspace():
        space -= 1
    return space if space > 0 else len(text)
