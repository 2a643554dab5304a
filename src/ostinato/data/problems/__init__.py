"""Problems that a formula makes, each drawn by its seed, for models to be compared on.

`adding`, `copy_memory`, `inverse_fixed` with its variants and `drawn_from_pools` give a `Batch` of
N sequences, which `Samples.of` turns into samples; `repeating` and `permuted` a stream of tokens
for `Columns`; `cosine` and `bells` a `Series`; `dates` and `reversed_words` pairs of texts.
"""

from ostinato.data.problems.adding import adding
from ostinato.data.problems.copying import copy_memory
from ostinato.data.problems.dates import dates
from ostinato.data.problems.inverse import (
    InverseSettings,
    curve,
    inverse_direct,
    inverse_fixed,
    inverse_grid,
    inverse_variable,
    make_inverse,
    read_inverse,
    write_inverse,
)
from ostinato.data.problems.pools import drawn_from_pools
from ostinato.data.problems.repeating import permuted, repeating
from ostinato.data.problems.reversing import reversed_words
from ostinato.data.problems.waves import bells, cosine

__all__ = [
    "InverseSettings",
    "adding",
    "bells",
    "copy_memory",
    "cosine",
    "curve",
    "dates",
    "drawn_from_pools",
    "inverse_direct",
    "inverse_fixed",
    "inverse_grid",
    "inverse_variable",
    "make_inverse",
    "permuted",
    "read_inverse",
    "repeating",
    "reversed_words",
    "write_inverse",
]
