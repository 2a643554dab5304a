"""Folders of texts: the files in them that are texts, and those that are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ostinato.data.reading import check_text
from ostinato.data.requirements import require
from ostinato.data.tables.reader import Reader
from ostinato.data.tables.table import Table
from ostinato.errors import ArgumentError


def files_in(folder: Path) -> Iterator[Path]:
    """All files in a folder and the folders in it, by name; hidden ones are left out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def texts_in(folder: Path, encoding: str | None = None) -> tuple[list[Path], list[Path]]:
    """(the texts in a folder, the other files), by what their bytes look like.

    Raises ArgumentError for a folder without a text.
    """
    texts, others = list[Path](), list[Path]()
    for path in files_in(folder):
        try:
            check_text(path, encoding)
            texts.append(path)
        except ArgumentError:
            others.append(path)
    if not texts:
        raise ArgumentError(
            "FILE", wanted="a text, or a folder with texts", got=f"{folder}, which has none"
        )
    return texts, others


def left_out(folder: Path, others: list[Path]) -> str:
    """The files of a folder that are no texts, in words."""
    shown = ", ".join(str(path.relative_to(folder)) for path in others[:3])
    more = f" and {len(others) - 3:,} more" if len(others) > 3 else ""
    return f"{folder}: left out, as they are no texts: {shown}{more}"


def read_folder(folder: Path, reader: Reader, *, labelled: bool) -> Table:
    """A text in each file of a folder; the label is the name of the folder in it.

    Raises ArgumentError where labels are wanted and a text is in no folder, and where all are in
    one.
    """
    paths, others = texts_in(folder, reader.settings.encoding)
    if others:
        reader.say(left_out(folder, others))
    labels = [path.relative_to(folder).parts[:-1] for path in paths]
    if labelled:
        _check_labels(folder, paths, labels)
        reader.say(
            f"{folder}: a text a file, labelled by its folder: "
            f"{', '.join(sorted({parts[0] for parts in labels}))}"
        )
    polars = require("polars", "series")
    frame = polars.DataFrame(
        {
            "text": [reader.text(path) for path in paths],
            "label": [parts[0] if parts else "" for parts in labels],
            "file": [str(path.relative_to(folder)) for path in paths],
        }
    )
    return Table(str(folder), frame)


def _check_labels(folder: Path, paths: list[Path], labels: list[tuple[str, ...]]) -> None:
    for path, parts in zip(paths, labels, strict=True):
        if not parts:
            raise ArgumentError(
                str(folder),
                wanted="a folder for each label, with its texts",
                got=f"the text {path.name} in none of them",
            )
    if len({parts[0] for parts in labels}) < 2:
        raise ArgumentError(
            str(folder),
            wanted="folders of two labels or more",
            got=f"{labels[0][0]} alone",
            remedy="Name the folder that holds them.",
        )
