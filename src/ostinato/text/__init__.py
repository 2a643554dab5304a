"""Language models of text: corpora, tokenisers, the model, its evaluation, and sampling.

`Corpus` turns text into tokens and holds some of it out; `LanguageModel` is a cell from a token to
the scores of the next; `TextTask` is what a solver trains; `evaluate` measures, `sample` writes.
"""

from ostinato.text.corpus import Corpus, CorpusSettings, Tokenized, tokenize
from ostinato.text.evaluation import Evaluation, evaluate
from ostinato.text.model import LanguageModel, ModelSettings
from ostinato.text.sampling import SampleSettings, sample, stream
from ostinato.text.sources import (
    Document,
    default_text,
    files,
    source_name,
    standard_library,
    text,
)
from ostinato.text.task import TextTask
from ostinato.text.tokenizer import Tokenizer

__all__ = [
    "Corpus",
    "CorpusSettings",
    "Document",
    "Evaluation",
    "LanguageModel",
    "ModelSettings",
    "SampleSettings",
    "TextTask",
    "Tokenized",
    "Tokenizer",
    "default_text",
    "evaluate",
    "files",
    "sample",
    "source_name",
    "standard_library",
    "stream",
    "text",
    "tokenize",
]
