"""Cell times cell gives cell: everything here takes cells and is a cell, for one time step.

What needs the whole sequence lives in `ostinato.sequence`.
"""

from ostinato.combine.composite import Composite
from ostinato.combine.dropout import HeldDropout, RecurrentDropout
from ostinato.combine.emit_state import EmitState
from ostinato.combine.gate_dropout import GateDropout
from ostinato.combine.layer_norm import LayerNorm
from ostinato.combine.learned_state import LearnedState
from ostinato.combine.mask_zero import MaskZero
from ostinato.combine.norm_penalty import NormPenalty, penalties
from ostinato.combine.recurrence import Recurrence
from ostinato.combine.recurrent import Recurrent
from ostinato.combine.residual import Residual
from ostinato.combine.stack import Stack
from ostinato.combine.weight_drop import WeightDrop
from ostinato.combine.zoneout import Zoneout

__all__ = [
    "Composite",
    "EmitState",
    "GateDropout",
    "HeldDropout",
    "LayerNorm",
    "LearnedState",
    "MaskZero",
    "NormPenalty",
    "Recurrence",
    "Recurrent",
    "RecurrentDropout",
    "Residual",
    "Stack",
    "WeightDrop",
    "Zoneout",
    "penalties",
]
