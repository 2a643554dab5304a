"""Tables in files: CSV and its like, Parquet and JSON lines, in columns of texts or of types.

`Reader` reads them by `ReadSettings` and says what it has decided. A `Table` of delimited text has
texts alone: whoever wants numbers of a column (`read_numbers`) or dates (`find_dates`) asks for
them, and so no label and no text is taken for a number.
"""

from os import PathLike

from ostinato.data.tables.reader import Reader
from ostinato.data.tables.settings import FileSettings, NumberSettings, ReadSettings
from ostinato.data.tables.table import Table, check_columns, is_text, refuse_missing

__all__ = [
    "FileSettings",
    "NumberSettings",
    "ReadSettings",
    "Reader",
    "Table",
    "check_columns",
    "is_text",
    "read_table",
    "refuse_missing",
]


def read_table(path: str | PathLike[str], settings: FileSettings | None = None) -> Table:
    """A file as a `Table`. Raises ArgumentError as `Reader.table` does."""
    return Reader(settings).table(path)
