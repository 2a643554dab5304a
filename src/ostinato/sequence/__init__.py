"""What needs the whole sequence: running a cell over time, and shells that keep its state."""

from ostinato.sequence.bidirectional import BiSequencer
from ostinato.sequence.chunk import chunks, detach
from ostinato.sequence.nonzero_rows import nonzero_rows
from ostinato.sequence.recursor import Recursor
from ostinato.sequence.sequencer import Sequencer
from ostinato.sequence.unroll import Explanation, explain, unroll

__all__ = [
    "BiSequencer",
    "Explanation",
    "Recursor",
    "Sequencer",
    "chunks",
    "detach",
    "explain",
    "nonzero_rows",
    "unroll",
]
