"""What every task needs of its data: settings with their checks, files, and token columns.

`setting` and `Settings` state each default once, for Python and for the command line alike;
`existing_file`, `read_text` and `atomic` read and write files with care; `TokenWriter` and
`open_tokens` keep tokens in a memory-mapped file; `Columns` cuts them into training batches.
"""

from ostinato.data.columns import Columns, ColumnSettings
from ostinato.data.files import atomic, existing_file, near_names, write_json
from ostinato.data.reading import read_text
from ostinato.data.requirements import require
from ostinato.data.settings import Settings, setting
from ostinato.data.tokens import TokenWriter, open_tokens

__all__ = [
    "ColumnSettings",
    "Columns",
    "Settings",
    "TokenWriter",
    "atomic",
    "existing_file",
    "near_names",
    "open_tokens",
    "read_text",
    "require",
    "setting",
    "write_json",
]
