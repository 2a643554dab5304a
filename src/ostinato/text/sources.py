"""Where text comes from: files, strings, and two real texts that come with every Python."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import final

from ostinato.data.folders import left_out, texts_in
from ostinato.data.reading import PIECE, check_text, read_text
from ostinato.data.source import STDIN, existing_source, source_words

# Folders of the standard library that are not its own source, or are written by machines.
_FOREIGN = frozenset(
    {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
)
_GENERATED = frozenset({"pydoc_data", "encodings", "lib-dynload"})


@final
@dataclass(frozen=True)
class Document:
    """One text with a beginning and an end: a name, and its characters in pieces, read anew
    at each call of `pieces`."""

    name: str
    pieces: Callable[[], Iterator[str]]


def text(content: str, name: str = "text") -> Document:
    """A string as a document."""
    starts = range(0, len(content), PIECE)
    return Document(name, lambda: (content[start : start + PIECE] for start in starts))


def files(
    paths: Sequence[str | PathLike[str]],
    encoding: str | None = None,
    *,
    say: Callable[[str], None] | None = None,
) -> list[Document]:
    """Each file as a document, in the order given; read in pieces, never whole.

    A folder gives all texts in it and in its folders, by name, and ``say`` is told of what is left
    out there; ``-`` is standard input. Raises ArgumentError for a path that is no file, with names
    that are near, and for what is no text.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path != STDIN and path.is_dir():
            texts, others = texts_in(path, encoding)
            if others and say is not None:
                say(left_out(path, others))
            found += texts
        else:
            existing_source(path, "FILE")
            check_text(path, encoding)
            found.append(path)
    return [_file(path, encoding) for path in found]


def default_text() -> list[Document]:
    """The reference of the Python language, from the standard library: about 465 000 characters
    of English, 103 different ones, its topics in alphabetical order."""
    from pydoc_data.topics import topics

    ordered = "\n".join(topics[name] for name in sorted(topics))
    return [text(ordered, "the Python language reference")]


def standard_library() -> list[Document]:
    """The standard library's own source: each of its Python files as a document, by name."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    left_out = _FOREIGN | _GENERATED
    paths = sorted(
        path
        for path in folder.rglob("*.py")
        if not left_out.intersection(path.relative_to(folder).parts)
    )
    return [
        Document(f"lib/python/{path.relative_to(folder)}", _file(path, "utf-8").pieces)
        for path in paths
        if _is_utf8(path)
    ]


def count(documents: Iterable[Document]) -> int:
    """The number of characters in all documents."""
    return sum(len(piece) for document in documents for piece in document.pieces())


def source_name(documents: Sequence[Document]) -> str:
    """A name for documents: that of the first, and how many more there are."""
    if not documents:
        return "nothing"
    first = documents[0].name
    return first if len(documents) == 1 else f"{first} and {len(documents) - 1} more"


def _file(path: Path, encoding: str | None) -> Document:
    return Document(source_words(path), lambda: read_text(path, encoding))


def _is_utf8(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True
