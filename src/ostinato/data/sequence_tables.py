"""Sequences and labels as they stand in files: tables, lines, folders, a token a line."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, final

import numpy as np

from ostinato.data.label_names import in_order, note_missing_words
from ostinato.data.requirements import require
from ostinato.data.sequence_files import DEFAULT_LABEL, DEFAULT_SEQUENCE, Found, find_rows
from ostinato.data.settings import setting
from ostinato.data.tables.cells import kind_of_column
from ostinato.data.tables.numbers import NumberStyle, number_style, read_numbers
from ostinato.data.tables.reader import Reader
from ostinato.data.tables.settings import NumberSettings
from ostinato.data.tables.table import Table, check_columns, is_text, refuse_missing
from ostinato.data.tables.way_out import refuse_cells
from ostinato.errors import ArgumentError

# What a step of a text is, as patterns of Polars.
TOKENS = {"word": r"\w+(?:['’]\w+)*|[^\w\s]", "space": r"\S+", "char": r"(?s)."}  # noqa: RUF001


@dataclass(frozen=True)
class LabelledSettings(NumberSettings):
    """Where sequences and labels stand in a table, and how they are read."""

    sequence: str = setting(
        DEFAULT_SEQUENCE,
        "The column of the sequences; with group, the columns of a step, as in x,y,z.",
    )
    label: str = setting(DEFAULT_LABEL, "The column of the labels.")
    group: str | None = setting(
        None, "Where each row is one step: the column that names the sequence it belongs to."
    )
    tokens: str = setting(
        "word", "What a step of a text is; space cuts at white space alone.", choices=tuple(TOKENS)
    )
    step_kind: str | None = setting(
        None,
        "What the cells of a step are, where each row is one: by default numbers where all of the "
        "column are numbers.",
        choices=("words", "numbers"),
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
    where none were read. ``texts`` are the sequences as the file has them, where they are texts.
    """

    steps: np.ndarray
    words: tuple[str, ...] | None
    lengths: np.ndarray
    labels: np.ndarray | None
    names: tuple[str, ...]
    per_step: bool
    texts: tuple[str, ...] | None = None


def read_sequences(
    path: str | PathLike[str],
    settings: LabelledSettings | None = None,
    *,
    per_step: bool = False,
    labelled: bool = True,
    words: bool | None = None,
    reader: Reader | None = None,
) -> Sequences:
    """The sequences of a file, in one of these layouts.

    - A row of a table (CSV and its like, Parquet, JSON lines) is a sequence: a column of texts (cut
      into ``tokens``), or, in Parquet and JSON lines, of lists: words, numbers, or lists of C
      numbers. The label stands beside it; with ``per_step`` the labels do, as a list or between
      spaces, one for each step.
    - With ``group``, a row is a step: a column names its sequence, whose rows come in the order of
      the file; one column holds its word, or several its numbers. The label is that of the step,
      or the same in all rows of the sequence. A name that is given on the first row of its sequence
      alone counts for the rows below it.
    - With ``per_step``, a row is a step where blank lines part the sequences, as in CoNLL files.
    - A folder holds a text a file: the labels are the names of the folders in it.
    - Without labels, a text file or standard input (``-``) holds a sequence a line.

    Texts and labels are texts, whatever they look like: 0234 and 234 are two labels. ``words`` says
    that steps are words (or numbers), where the file leaves it open. Without ``labelled`` no labels
    are read. Raises ArgumentError for a path or a column that is wrong, with what is near, and for
    rows that do not fit the layout, by number.
    """
    settings, reader = settings or LabelledSettings(), reader or Reader(settings)
    found = find_rows(Path(path), settings, reader, per_step=per_step, labelled=labelled)
    table, source = found.table, found.table.name
    check_columns(found.sequence, table, "sequence", source)
    if labelled:
        check_columns([found.label], table, "label", source)
        note_missing_words(reader, table, found.label)
    lists, texts = _steps_of(found, settings, reader, words=words)
    lengths = lists[0].list.len().to_numpy().astype(np.int64)
    steps, different = _steps([_flat(column, source) for column in lists], source)
    labels, names = None, ()
    if labelled:
        labels, names = _labels(found, lengths, reader, per_step=per_step)
    return Sequences(steps, different, lengths, labels, names, per_step, texts)


def _labels(
    found: Found, lengths: np.ndarray, reader: Reader, *, per_step: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    table, source = found.table, found.table.name
    refuse_missing(table, found.label)
    column = table[found.label]
    if found.groups is not None:
        column = found.grouped(column)
        column = _flat(column, source) if per_step else _one_label(column, found, source)
    elif per_step:
        column = _flat(_label_lists(column, lengths, table), source)
    return _places(column)


def _steps_of(
    found: Found, settings: LabelledSettings, reader: Reader, *, words: bool | None
) -> tuple[list[Any], tuple[str, ...] | None]:
    """(the columns of the steps as lists, a list for each sequence; the texts where they are)."""
    table = found.table
    for name in found.sequence:
        refuse_missing(table, name)
    if found.groups is not None:
        columns = _step_cells(found, settings, reader, words)
        return [found.grouped(column) for column in columns], None
    (name,) = found.sequence
    column = table[name]
    if is_text(column):
        note_missing_words(reader, table, name)
        return [column.str.extract_all(TOKENS[settings.tokens])], tuple(column.to_list())
    return [_lists(table, name)], None


def _step_cells(
    found: Found, settings: LabelledSettings, reader: Reader, words: bool | None
) -> list[Any]:
    """The cells of the steps: numbers of one or several columns, or the words of one."""
    table, names = found.table, found.sequence
    if settings.step_kind is not None:
        words = settings.step_kind == "words"
    texts = [name for name in names if is_text(table[name])]
    if len(names) > 1 or not texts:
        words = False
    if words or (words is None and kind_of_column(table[names[0]].to_list()) != "number"):
        return [table[names[0]]]
    style = number_style(reader, table, texts)
    made: list[Any] = []
    for name in names:
        column = table[name]
        if not is_text(column):
            made.append(column)
            continue
        numbers = read_numbers(column, style)
        wrong = numbers.bad | np.isnan(numbers.values)
        if wrong.any():
            raise _no_number(table, name, wrong, style, open=words is None)
        if words is None:
            reader.say(f"{table.name}: the steps in {name} are read as numbers (--step-kind words)")
        made.append(require("polars", "series").Series(name, numbers.values))
    return made


def _no_number(
    table: Table, name: str, wrong: np.ndarray, style: NumberStyle, *, open: bool
) -> ArgumentError:
    error = refuse_cells(table, name, wrong, style)
    remedy = error.remedy
    if open:
        remedy = f"{remedy} If the steps are words: --step-kind words."
    return ArgumentError(
        error.argument, wanted="numbers in all steps", got=error.got, remedy=remedy
    )


def _lists(table: Table, name: str) -> Any:
    """A column of lists of steps."""
    column = table[name]
    if column.dtype.is_nested():
        return _of_any_length(column)
    raise ArgumentError(
        table.column(name),
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
    if steps.null_count():
        raise ArgumentError(
            f"column {lists.name} of the steps of {source}",
            wanted="something in every step",
            got=f"nothing in step {int(steps.is_null().arg_true()[0]) + 1}",
            remedy="Leave such rows out.",
        )
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
            remedy="Gaps are for series (ostinato train series).",
        )
    return values.reshape(count, -1)


def _label_lists(column: Any, lengths: np.ndarray, table: Table) -> Any:
    """Labels as lists, one label for each step."""
    texts = is_text(column)
    lists = column.str.extract_all(TOKENS["space"]) if texts else _lists(table, column.name)
    wrong = np.flatnonzero(lists.list.len().to_numpy() != lengths)
    if len(wrong):
        row = int(wrong[0])
        raise ArgumentError(
            table.column(column.name),
            wanted=f"a label for each of the {lengths[row]} steps of sequence {row + 1}",
            got=f"{lists.list.len()[row]} in {table.row(row)}",
            remedy="Where words and labels stand between spaces, cut there: --tokens space.",
        )
    return lists


def _one_label(column: Any, found: Found, source: str) -> Any:
    """The label of each sequence, which all its rows have."""
    differing = column.list.n_unique() > 1
    if differing.any():
        row = int(differing.arg_true()[0])
        raise ArgumentError(
            f"column {column.name} of {source}",
            wanted="one label for each sequence",
            got=f"{column[row].unique().sort().to_list()} in sequence {found.name_of(row)}",
            remedy="For a label of each step, train a tagger (ostinato train tag).",
        )
    return column.list.first()


def _places(column: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """(the place of each value among the different ones, those in order as text)."""
    polars = require("polars", "series")
    if column.dtype.is_numeric():
        names = column.unique().sort().cast(polars.String).to_list()
        return column.rank("dense").to_numpy().astype(np.int64) - 1, tuple(names)
    column = column.cast(polars.String)
    names = in_order(column.unique().to_list())
    numbers = {name: number for number, name in enumerate(names)}
    places = np.fromiter((numbers[text] for text in column.to_list()), np.int64, len(column))
    return places, tuple(names)
