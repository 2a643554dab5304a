"""Tables in files that say what is in them: Parquet and JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ostinato.data.reading import read_text
from ostinato.data.requirements import require
from ostinato.data.source import kind_of, open_bytes, source_words
from ostinato.data.tables.table import Table
from ostinato.errors import ArgumentError


def read_parquet(path: Path) -> Table:
    """A Parquet file. Raises ArgumentError for a damaged one."""
    polars = require("polars", "series")
    try:
        with open_bytes(path) as file:
            return Table(source_words(path), polars.read_parquet(file.read()))
    except (polars.exceptions.PolarsError, OSError) as error:
        with open_bytes(path) as file:
            kind = kind_of(file.read(64))
        raise ArgumentError(
            source_words(path),
            wanted="a table as Parquet",
            got="a file that is damaged or cut off" if kind else "a file that is no Parquet",
        ) from error


def read_json_lines(path: Path, encoding: str | None) -> tuple[Table, list[str]]:
    """(a JSON object in each line, the columns in which texts and others are mixed).

    Raises ArgumentError for a line that is none, and for a column of other mixtures.
    """
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    text = "".join(read_text(path, encoding))
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        rows.append(_object(line, number, path))
        lines.append(number)
    names = dict.fromkeys(name for row in rows for name in row)
    polars = require("polars", "series")
    mixed: list[str] = []
    columns = [_column(name, [row.get(name) for row in rows], path, mixed) for name in names]
    return Table(source_words(path), polars.DataFrame(columns), lines), mixed


def _object(line: str, number: int, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        shown = line.strip()
        raise ArgumentError(
            source_words(path),
            wanted="a JSON object in each line",
            got=f"{shown[:40]!r} in line {number}",
        )
    return found


def _column(name: str, values: list[Any], path: Path, mixed: list[str]) -> Any:
    """A column of one type; numbers among texts become texts, and its name is kept as mixed."""
    polars = require("polars", "series")
    kinds = {type(value) for value in values} - {type(None)}
    if str in kinds and len(kinds) > 1 and kinds <= {str, int, float, bool}:
        mixed.append(name)
        values = [
            value if value is None or isinstance(value, str) else json.dumps(value)
            for value in values
        ]
    elif bool in kinds and len(kinds) > 1:
        raise _mixed(name, kinds, path)
    try:
        numbers = _leaves(values) <= {int, float}
        return polars.Series(name, values, strict=not numbers)
    except (polars.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise _mixed(name, kinds, path) from error


def _leaves(values: list[Any]) -> set[type]:
    """The types of what is in lists of any depth."""
    found: set[type] = set()
    for value in values:
        if isinstance(value, list):
            found |= _leaves(value)
        elif value is not None:
            found.add(type(value))
    return found


def _mixed(name: str, kinds: set[type], path: Path) -> ArgumentError:
    words = {str: "texts", int: "numbers", float: "numbers", bool: "truths", list: "lists"}
    found = sorted({words.get(kind, "objects") for kind in kinds})
    return ArgumentError(
        f"column {name} of {source_words(path)}",
        wanted="one kind of value",
        got=" and ".join(found) if len(found) > 1 else f"{found[0]} of several kinds",
    )
