"""What needs the whole sequence: running a cell over time, and shells that keep its state."""

from ostinato.sequence.bidirectional import BiSequencer, BiSequencerLM
from ostinato.sequence.chunk import chunks, detach
from ostinato.sequence.last import last
from ostinato.sequence.nonzero_rows import nonzero_rows
from ostinato.sequence.recursor import Recursor
from ostinato.sequence.repeater import Repeater
from ostinato.sequence.reverse import reverse
from ostinato.sequence.sequencer import Sequencer
from ostinato.sequence.unroll import Explanation, explain, unroll

__all__ = [
    "BiSequencer",
    "BiSequencerLM",
    "Explanation",
    "Recursor",
    "Repeater",
    "Sequencer",
    "chunks",
    "detach",
    "explain",
    "last",
    "nonzero_rows",
    "reverse",
    "unroll",
]
