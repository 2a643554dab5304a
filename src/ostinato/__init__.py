"""ostinato: recurrent neural networks on PyTorch.

Write a cell once, as its equations; run it as a stream, a sequence or a stack, masked, reversed
or truncated. ``ostinato.cells`` holds the cells, ``ostinato.nn`` drop-ins for torch.nn; the
combinators and the functions that run cells over time are here at the root.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

# before anything imports torch
import ostinato._before_torch  # noqa: F401
from ostinato import cells, errors, init, nn
from ostinato.backends import backend
from ostinato.cell import Cell, Lift, as_cell
from ostinato.combine import (
    Composite,
    EmitState,
    GateDropout,
    HeldDropout,
    LayerNorm,
    LearnedState,
    MaskZero,
    NormPenalty,
    Recurrence,
    Recurrent,
    RecurrentDropout,
    Residual,
    Stack,
    WeightDrop,
    Zoneout,
    penalties,
)
from ostinato.flat import flatten_parameters_and_grads
from ostinato.importance import permutation_importance, shuffled
from ostinato.sequence import (
    BiSequencer,
    BiSequencerLM,
    Explanation,
    Recursor,
    Repeater,
    Sequencer,
    chunks,
    detach,
    explain,
    last,
    nonzero_rows,
    reverse,
    unroll,
)
from ostinato.sequence.compare import Comparison, check

if TYPE_CHECKING:
    from ostinato import attention, criteria, torch7
    from ostinato.drawing import Picture, draw, draw_on_error
    from ostinato.runs import Loaded, load

try:
    __version__ = version("ostinato")
except PackageNotFoundError:  # the source tree without an installation
    __version__ = "0.1.0"

__all__ = [
    "BiSequencer",
    "BiSequencerLM",
    "Cell",
    "Comparison",
    "Composite",
    "EmitState",
    "Explanation",
    "GateDropout",
    "HeldDropout",
    "LayerNorm",
    "LearnedState",
    "Lift",
    "Loaded",
    "MaskZero",
    "NormPenalty",
    "Picture",
    "Recurrence",
    "Recurrent",
    "RecurrentDropout",
    "Recursor",
    "Repeater",
    "Residual",
    "Sequencer",
    "Stack",
    "WeightDrop",
    "Zoneout",
    "__version__",
    "as_cell",
    "attention",
    "backend",
    "cells",
    "check",
    "chunks",
    "criteria",
    "detach",
    "draw",
    "draw_on_error",
    "errors",
    "explain",
    "flatten_parameters_and_grads",
    "init",
    "last",
    "load",
    "nn",
    "nonzero_rows",
    "penalties",
    "permutation_importance",
    "reverse",
    "shuffled",
    "torch7",
    "unroll",
]

_ON_FIRST_USE = {
    **dict.fromkeys(("Picture", "draw", "draw_on_error"), "ostinato.drawing"),
    **dict.fromkeys(("Loaded", "load"), "ostinato.runs"),
}
_MODULES_ON_FIRST_USE = ("attention", "criteria", "torch7")
"""What is imported when it is first used, so that importing ostinato stays cheap."""


def __getattr__(name: str) -> Any:
    if name in _MODULES_ON_FIRST_USE:
        return import_module(f"ostinato.{name}")
    if name not in _ON_FIRST_USE:
        raise AttributeError(f"module 'ostinato' has no attribute {name!r}")
    return getattr(import_module(_ON_FIRST_USE[name]), name)
