"""Sequences to sequences: pairs, an encoder and its decoder, attention, search.

`read_pairs` reads pairs of texts, `EXAMPLES` come with ostinato, `PairData` holds some of them out
and `PairEncoding` makes ids of them; `EncoderDecoder` is the model, `Seq2SeqTask` what a solver
trains; `greedy` and `beam_search` find targets for sources, `evaluate` measures, and
`draw_alignments` shows where the decoder looks.
"""

from ostinato.data.pairs import BOS, EOS, UNKNOWN, PairBatch, Pairs
from ostinato.seq2seq.attention import Attention, Memory
from ostinato.seq2seq.data import (
    PairData,
    PairSettings,
    read_pairs,
    read_sources,
    tell_long,
    within_length,
)
from ostinato.seq2seq.drawing import alignment, draw_alignments
from ostinato.seq2seq.encoding import Pair, PairEncoding
from ostinato.seq2seq.evaluation import Evaluation, evaluate
from ostinato.seq2seq.examples import EXAMPLES, Example
from ostinato.seq2seq.model import Encoded, EncoderDecoder, Seq2SeqModelSettings
from ostinato.seq2seq.search import Hypothesis, SearchSettings, beam_search, greedy
from ostinato.seq2seq.task import Seq2SeqTask

__all__ = [
    "BOS",
    "EOS",
    "EXAMPLES",
    "UNKNOWN",
    "Attention",
    "Encoded",
    "EncoderDecoder",
    "Evaluation",
    "Example",
    "Hypothesis",
    "Memory",
    "Pair",
    "PairBatch",
    "PairData",
    "PairEncoding",
    "PairSettings",
    "Pairs",
    "SearchSettings",
    "Seq2SeqModelSettings",
    "Seq2SeqTask",
    "alignment",
    "beam_search",
    "draw_alignments",
    "evaluate",
    "greedy",
    "read_pairs",
    "read_sources",
    "tell_long",
    "within_length",
]
