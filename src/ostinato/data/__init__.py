"""What every task needs of its data: settings with their checks, files, streams and samples.

`setting` and `Settings` state each default once, for Python and for the command line alike;
`existing_file`, `read_text` and `atomic` read and write files with care; `TokenWriter` and
`open_tokens` keep tokens in a memory-mapped file.

A stream becomes batches by `Columns`, many sequences in columns by `SequenceColumns`, a `Series` by
`SeriesData`. Independent sequences are `Samples`, which `Batches` gives out; two of them are
`Pairs`. They come from tables (`read_labelled`, `read_series`), from files in known layouts
(`read_treebank`, `read_sentiment140`, `read_mnist`, `Sentences`), from formulas
(`ostinato.data.problems`) and with the package (`ostinato.data.bundled`).
"""

from ostinato.data.batch import Batch
from ostinato.data.batches import Batches, BatchSettings
from ostinato.data.columns import Columns, ColumnSettings
from ostinato.data.files import atomic, existing_file, near_names, write_json
from ostinato.data.images import Images, ImageSettings, read_idx, read_mnist
from ostinato.data.labelled import Encoding, Labelled, read_labelled
from ostinato.data.pairs import PairBatch, Pairs
from ostinato.data.reading import read_text
from ostinato.data.requirements import require
from ostinato.data.samples import Samples
from ostinato.data.scaling import Scale
from ostinato.data.sentences import Sentences
from ostinato.data.sentiment import Sentiment, SentimentSettings, read_sentiment140
from ostinato.data.sequence_columns import Piece, SequenceColumns
from ostinato.data.sequence_tables import LabelledSettings, Sequences, read_sequences
from ostinato.data.series import Series
from ostinato.data.series_tables import read_series
from ostinato.data.settings import Settings, setting
from ostinato.data.tables import (
    FileSettings,
    NumberSettings,
    Reader,
    ReadSettings,
    Table,
    read_table,
)
from ostinato.data.tokens import TokenWriter, open_tokens
from ostinato.data.treebank import Treebank, read_treebank, treebank_files
from ostinato.data.vocabulary import Vocabulary
from ostinato.data.windows import SeriesData, SeriesSettings, Window, WindowSettings

__all__ = [
    "Batch",
    "BatchSettings",
    "Batches",
    "ColumnSettings",
    "Columns",
    "Encoding",
    "FileSettings",
    "ImageSettings",
    "Images",
    "Labelled",
    "LabelledSettings",
    "NumberSettings",
    "PairBatch",
    "Pairs",
    "Piece",
    "ReadSettings",
    "Reader",
    "Samples",
    "Scale",
    "Sentences",
    "Sentiment",
    "SentimentSettings",
    "SequenceColumns",
    "Sequences",
    "Series",
    "SeriesData",
    "SeriesSettings",
    "Settings",
    "Table",
    "TokenWriter",
    "Treebank",
    "Vocabulary",
    "Window",
    "WindowSettings",
    "atomic",
    "existing_file",
    "near_names",
    "open_tokens",
    "read_idx",
    "read_labelled",
    "read_mnist",
    "read_sentiment140",
    "read_sequences",
    "read_series",
    "read_table",
    "read_text",
    "read_treebank",
    "require",
    "setting",
    "treebank_files",
    "write_json",
]
