"""Language models of text: corpora, tokenisers, the model, its evaluation, and sampling.

`Corpus` turns text into tokens and holds some of it out; `LanguageModel` is a cell from a token to
the scores of the next; `TextTask` is what a solver trains; `evaluate` measures, `sample` writes.
`BidirectionalModel` tells each token from both sides of it, with a task and a measure of its own.
"""

from ostinato.text.bidirectional import BidirectionalModel
from ostinato.text.bidirectional_task import BidirectionalTask, passage
from ostinato.text.corpus import Corpus, CorpusSettings, Parts, Tokenized, tokenize
from ostinato.text.evaluation import Evaluation, evaluate
from ostinato.text.model import LanguageModel
from ostinato.text.pseudo import PseudoEvaluation, evaluate_both_ways
from ostinato.text.sampling import SampleSettings, sample, stream, what_next
from ostinato.text.settings import ModelSettings
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
    "BidirectionalModel",
    "BidirectionalTask",
    "Corpus",
    "CorpusSettings",
    "Document",
    "Evaluation",
    "LanguageModel",
    "ModelSettings",
    "Parts",
    "PseudoEvaluation",
    "SampleSettings",
    "TextTask",
    "Tokenized",
    "Tokenizer",
    "default_text",
    "evaluate",
    "evaluate_both_ways",
    "files",
    "passage",
    "sample",
    "source_name",
    "standard_library",
    "stream",
    "text",
    "tokenize",
    "what_next",
]
