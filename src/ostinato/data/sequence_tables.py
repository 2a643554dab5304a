"""Sequences and labels as they stand in a table."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any, final

import numpy as np

from ostinato.data.requirements import require
from ostinato.data.settings import Settings, setting
from ostinato.data.tables import check_columns, first_row, is_text, read_table
from ostinato.errors import ArgumentError

# What a step of a text is, as patterns of Polars.
TOKENS = {"word": r"\w+(?:['’]\w+)*|[^\w\s]", "space": r"\S+", "char": r"(?s)."}  # noqa: RUF001


@dataclass(frozen=True)
class LabelledSettings(Settings):
    """Where sequences and labels stand in a table, and how they are read."""

    sequence: str = setting(
        "text", "The column of the sequences; with group, the columns of a step, as in x,y,z."
    )
    label: str = setting("label", "The column of the labels.")
    group: str | None = setting(
        None, "Where each row is one step: the column that names the sequence it belongs to."
    )
    tokens: str = setting(
        "word", "What a step of a text is; space cuts at white space alone.", choices=tuple(TOKENS)
    )
    min_frequency: int = setting(1, "Words seen less often than this become <unk>.", least=1)
    max_length: int = setting(
        10_000,
        "Most steps of a sequence; of a longer one the beginning is taken, as it makes its whole "
        "batch as long.",
        least=1,
    )
    held_out: float = setting(
        0.2, "Share of the sequences that is held out, at random.", least=0.001, below=1
    )
    stratified: bool = setting(
        True, "classify: hold out this share of each label, and at least one sequence of it."
    )


@final
@dataclass(frozen=True, eq=False)
class Sequences:
    """N sequences, all S steps joined, with ``lengths`` [N].

    ``steps`` are places [S] among the different ``words``, or numbers [S, C] where ``words`` is
    None. ``labels`` are places, [N] or with ``per_step`` [S], among the label's ``names``; None
    where none were read.
    """

    steps: np.ndarray
    words: tuple[str, ...] | None
    lengths: np.ndarray
    labels: np.ndarray | None
    names: tuple[str, ...]
    per_step: bool


def read_sequences(
    path: str | PathLike[str],
    settings: LabelledSettings | None = None,
    *,
    per_step: bool = False,
    labelled: bool = True,
) -> Sequences:
    """The sequences of a CSV, TSV, Parquet or JSON-lines file, in one of two layouts.

    - A row is a sequence: a column of texts (cut into ``tokens``), or, in Parquet and JSON lines,
      of lists: words, numbers, or lists of C numbers. The label stands beside it; with
      ``per_step`` the labels do, as a list or between spaces, one for each step.
    - With ``group``, a row is a step: a column names its sequence, whose rows come in the order of
      the file; one column holds its word, or several its numbers. The label is that of the step,
      or the same in all rows of the sequence.

    Without ``labelled`` no labels are read. Raises ArgumentError for a path or a column that is
    wrong, with what is near, and for rows that do not fit the layout, by number.
    """
    settings, source = settings or LabelledSettings(), f"{path}"
    table = read_table(path)
    parts = settings.sequence.split(",") if settings.group else [settings.sequence]
    columns = [name.strip() for name in parts]
    check_columns(columns, table, "sequence", source)
    if labelled:
        check_columns([settings.label], table, "label", source)
    if settings.group:
        check_columns([settings.group], table, "group", source)
        table = table.group_by(settings.group, maintain_order=True).agg(
            require("polars", "series").all()
        )
    lists = [_lists(table[name], settings.tokens, source) for name in columns]
    lengths = lists[0].list.len().to_numpy().astype(np.int64)
    steps, words = _steps([_flat(column, source) for column in lists], source)
    labels, names = None, ()
    if labelled:
        column = table[settings.label]
        _refuse_missing(column, source)
        if per_step:
            column = _flat(_label_lists(column, lengths, source), source)
        elif settings.group:
            column = _one_label(column, table[settings.group], source)
        labels, names = _places(column)
    return Sequences(steps, words, lengths, labels, names, per_step)


def _lists(column: Any, tokens: str, source: str) -> Any:
    """A column as lists of steps."""
    _refuse_missing(column, source)
    if is_text(column):
        return column.str.extract_all(TOKENS[tokens])
    if column.dtype.is_nested():
        return _of_any_length(column)
    raise ArgumentError(
        f"column {column.name} of {source}",
        wanted="texts or lists",
        got=str(column.dtype),
        remedy="Where each row is one step, name the column of its sequence with group.",
    )


def _of_any_length(column: Any) -> Any:
    # Polars keeps lists that all have one length as another type
    return column.arr.to_list() if str(column.dtype).startswith("Array") else column


def _flat(lists: Any, source: str) -> Any:
    """All steps, one after another."""
    # an empty list would become a step that is null
    steps = lists.filter(lists.list.len() > 0).explode()
    _refuse_missing(steps, f"the steps of {source}")
    return steps


def _steps(flats: list[Any], source: str) -> tuple[np.ndarray, tuple[str, ...] | None]:
    if len(flats) == 1 and is_text(flats[0]):
        return _places(flats[0])
    return np.concatenate([_numbers(flat, source) for flat in flats], axis=1), None


def _numbers(flat: Any, source: str) -> np.ndarray:
    """Steps [S, C] that are numbers, or lists of C of them."""
    name, count = f"column {flat.name} of {source}", len(flat)
    if flat.dtype.is_nested():
        lengths = _of_any_length(flat).list.len()
        if lengths.n_unique() > 1:
            raise ArgumentError(
                name,
                wanted="as many numbers in each step",
                got=f"{lengths.min()} to {lengths.max()}",
            )
        flat = flat.explode()
    if not flat.dtype.is_numeric():
        raise ArgumentError(
            name, wanted="steps that are numbers, or one column of words", got=str(flat.dtype)
        )
    values = flat.cast(float).to_numpy()
    if not np.isfinite(values).all():
        raise ArgumentError(
            name,
            wanted="finite numbers in each step",
            got=f"{values[~np.isfinite(values)][0]}",
            remedy="Gaps are for read_series.",
        )
    return values.reshape(count, -1)


def _label_lists(column: Any, lengths: np.ndarray, source: str) -> Any:
    """Labels as lists, one label for each step."""
    lists = _lists(column, "space", source)
    wrong = np.flatnonzero(lists.list.len().to_numpy() != lengths)
    if len(wrong):
        row = int(wrong[0])
        raise ArgumentError(
            f"column {column.name} of {source}",
            wanted=f"a label for each of the {lengths[row]} steps of sequence {row + 1}",
            got=str(lists.list.len()[row]),
            remedy="Where words and labels stand between spaces, cut the text there: tokens=space.",
        )
    return lists


def _one_label(column: Any, groups: Any, source: str) -> Any:
    """The label of each sequence, which all its rows have."""
    differing = column.list.n_unique() > 1
    if differing.any():
        row = first_row(differing) - 1
        raise ArgumentError(
            f"column {column.name} of {source}",
            wanted="one label for each sequence",
            got=f"{column[row].unique().sort().to_list()} in sequence {groups[row]}",
            remedy="For a label of each step, read them with per_step.",
        )
    return column.list.first()


def _places(column: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """(the place of each value among the different ones, those in order as text)."""
    column = (
        column if column.dtype.is_numeric() else column.cast(require("polars", "series").String)
    )
    different = column.unique().sort()
    names = different.cast(require("polars", "series").String).to_list()
    return column.rank("dense").to_numpy().astype(np.int64) - 1, tuple(names)


def _refuse_missing(column: Any, source: str) -> None:
    if column.null_count():
        raise ArgumentError(
            f"column {column.name} of {source}",
            wanted="something in every row",
            got=f"nothing in row {first_row(column.is_null())}",
            remedy="Leave such rows out.",
        )
