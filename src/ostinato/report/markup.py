"""Pieces of HTML: text that may hold anything, and elements that are made of safe pieces only."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable
from typing import Final

from ostinato.data.visible import visible

# White space as a sign, where a character stands alone in a cell.
_BLANKS: Final = {" ": "␣", "\n": "⏎", "\t": "⇥"}
# Characters of a word in a cell.
_LONGEST: Final = 14
# Characters of a line that may stand in columns, as those of a table.
_WIDEST: Final = 160


def text(value: object) -> str:
    """Anything as text, between tags or in an attribute: escaped, with no unprintable character,
    and none that turns the direction of what follows."""
    return html.escape(visible(value))


def sign(piece: str) -> str:
    """The text of one step, to stand in a cell: visible where it is blank, and not too long."""
    bare = piece.strip(" ") or piece
    if len(bare) > _LONGEST:
        bare = f"{bare[: _LONGEST - 1]}…"
    return "".join(_BLANKS.get(character, character) for character in bare)


def element(name: str, /, *inner: str, **attributes: object) -> str:
    """An element; ``inner`` is HTML, attributes are text. ``class_`` stands for class, a trailing
    or inner underscore for a hyphen; an attribute that is None is left out."""
    return f"{tag(name, **attributes)}{''.join(inner)}</{name}>"


def tag(name: str, /, **attributes: object) -> str:
    """An opening tag, or an element that has no inside, such as img."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{said}>"


def section(title: str, *inner: str) -> str:
    """A part of the page under a heading; nothing where there is nothing in it."""
    return element("section", element("h2", text(title)), *inner) if any(inner) else ""


def lines(words: str) -> str:
    """Text as it was written, line by line, each in its own direction; long lines are broken."""
    words = words.strip("\n")
    long = any(len(line) > _WIDEST for line in words.splitlines())
    kind = "prose" if long else None
    return element("pre", text(words), dir="auto", class_=kind) if words.strip() else ""


def data_uri(content: bytes, kind: str) -> str:
    """The content of a file as an address."""
    return f"data:{kind};base64,{b64encode(content).decode('ascii')}"


def joined(parts: Iterable[str]) -> str:
    """Words between middle dots; empty ones are left out."""
    return " · ".join(part for part in parts if part)
