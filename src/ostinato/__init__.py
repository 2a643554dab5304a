"""ostinato: recurrent neural networks on PyTorch.

Write a cell once, as its equations; run it as a stream, a sequence or a stack, masked, reversed
or truncated. ``ostinato.cells`` holds the cells, ``ostinato.nn`` drop-ins for torch.nn; the
combinators and the functions that run cells over time are here at the root.
"""

from importlib.metadata import PackageNotFoundError, version

from ostinato import cells, errors, init, nn, torch7
from ostinato.backends import backend
from ostinato.cell import Cell, Lift, as_cell
from ostinato.combine import (
    Composite,
    EmitState,
    GateDropout,
    HeldDropout,
    LayerNorm,
    LearnedState,
    Recurrence,
    Recurrent,
    RecurrentDropout,
    Residual,
    Stack,
    WeightDrop,
    Zoneout,
)
from ostinato.flat import flatten_parameters_and_grads
from ostinato.sequence import (
    BiSequencer,
    Explanation,
    Recursor,
    Sequencer,
    chunks,
    detach,
    explain,
    unroll,
)

try:
    __version__ = version("ostinato")
except PackageNotFoundError:  # the source tree without an installation
    __version__ = "0.1.0"

__all__ = [
    "BiSequencer",
    "Cell",
    "Composite",
    "EmitState",
    "Explanation",
    "GateDropout",
    "HeldDropout",
    "LayerNorm",
    "LearnedState",
    "Lift",
    "Recurrence",
    "Recurrent",
    "RecurrentDropout",
    "Recursor",
    "Residual",
    "Sequencer",
    "Stack",
    "WeightDrop",
    "Zoneout",
    "__version__",
    "as_cell",
    "backend",
    "cells",
    "chunks",
    "detach",
    "errors",
    "explain",
    "flatten_parameters_and_grads",
    "init",
    "nn",
    "torch7",
    "unroll",
]
