"""Tables in files: CSV, TSV, Parquet and JSON lines, read with Polars."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

from ostinato.data.files import existing_file
from ostinato.data.requirements import require
from ostinato.errors import ArgumentError

# What each kind of file is read with; its first suffix is its name in errors.
READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".parquet": "read_parquet",
    ".jsonl": "read_ndjson",
    ".ndjson": "read_ndjson",
}


def read_table(
    path: str | PathLike[str], *, missing: Sequence[str] = (), as_text: bool = False
) -> Any:
    """A file as a `polars.DataFrame`, read as its suffix says; ``.csv.gz`` works too.

    In CSV an empty field is missing, and so is one of the words ``missing``; dates are found by
    their look, or, ``as_text``, all fields are texts as they stand. Raises ArgumentError for a path
    that is no file, with names that are near, for another suffix, and for a damaged file;
    MissingPackage without Polars.
    """
    path = existing_file(path, "FILE")
    suffix = next((part for part in reversed(path.suffixes) if part != ".gz"), "").lower()
    if suffix not in READERS:
        raise ArgumentError(
            "FILE",
            wanted=f"a table whose name ends in {', '.join(READERS)}",
            got=str(path),
            remedy="Its name says how it is to be read.",
        )
    polars = require("polars", "series")
    options: dict[str, Any] = {}
    if READERS[suffix] == "read_csv":
        options = {"try_parse_dates": True, "null_values": list(missing)}
        options |= {"separator": "\t" if suffix == ".tsv" else ",", "infer_schema_length": None}
        if as_text:
            options |= {"try_parse_dates": False, "infer_schema": False}
    try:
        table = getattr(polars, READERS[suffix])(path, **options)
    except polars.exceptions.PolarsError as error:
        raise ArgumentError(
            str(path),
            wanted=f"a table as {suffix[1:]}",
            got=f"one that cannot be read ({error})",
        ) from error
    if table.height == 0:
        raise ArgumentError(str(path), wanted="a table with rows", got="none")
    return table


def check_columns(
    names: Iterable[str], table: Any, argument: str, path: str | PathLike[str]
) -> None:
    """Raise ArgumentError for a name that is no column of a table, with the one that is near."""
    for name in names:
        if name in table.columns:
            continue
        near = difflib.get_close_matches(name, table.columns, n=1, cutoff=0.5)
        raise ArgumentError(
            argument,
            wanted=f"a column of {path}: {', '.join(table.columns)}",
            got=repr(name),
            remedy=f"Did you mean {near[0]}?" if near else "",
        )


def is_text(column: Any) -> bool:
    """Whether a column holds texts."""
    return column.dtype == require("polars", "series").String


def first_row(rows: Any) -> int:
    """The number, from 1, of the first row of a table's data for which a boolean column is True."""
    return int(rows.arg_true()[0]) + 1
