"""How older libraries lay out the parameters of their cells, as data.

A layout is the order of ``module:parameters()`` there, and of the arguments of a step in MinPy. A
`Part` is one tensor of it: which rows of which of our parameters it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from ostinato.cell import Cell
from ostinato.cells import GRU, LSTM, BatchNormLSTM, Elman, MuFuRu, PeepholeLSTM


@dataclass(frozen=True)
class Part:
    """One tensor of an old module.

    ``names`` are our parameters that stand in it, side by side along their columns; ``gates`` the
    gates whose rows it holds, from the top, or none where the parameter has no gates. Old
    libraries for row vectors have it ``transposed``; a ``negated`` one has the opposite sign.
    """

    names: tuple[str, ...]
    gates: tuple[str, ...]
    transposed: bool = False
    negated: bool = False

    def __str__(self) -> str:
        rows = f" of gate{'s' * (len(self.gates) > 1)} {', '.join(self.gates)}"
        said = " beside ".join(self.names) + (rows if self.gates else "")
        return said + (", transposed" if self.transposed else "")


Parts = tuple[Part, ...]


@dataclass(frozen=True)
class Layout:
    """The parameters of an old module that is a cell of ours.

    ``variants`` gives the orders in which they may come; ``here`` says how our cell is made,
    ``options`` what it must have been made with, and ``unused`` which parameters of ours the old
    module lacks: they become zero, which leaves them without effect.
    """

    kind: type[Cell]
    here: str
    variants: Callable[[Any], Sequence[Parts]]
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    unused: tuple[str, ...] = ("bias_hh",)


def part(names: str, gates: Sequence[str], **form: bool) -> Part:
    """A part of parameters whose names are separated by spaces."""
    return Part(tuple(names.split()), tuple(gates), **form)


def parts(names: str, gates: Sequence[str], **form: bool) -> Parts:
    """One part for each name, all of the same gates."""
    return tuple(part(name, gates, **form) for name in names.split())


def always(*variants: Parts) -> Callable[[Any], Sequence[Parts]]:
    """Variants that do not depend on the cell."""
    return lambda _: variants


LINEAR = "weight_ih bias_ih weight_hh"
"""Linear on x, then LinearNoBias on h."""

BIASED = "weight_ih bias_ih weight_hh bias_hh"
"""Linear on x, then Linear on h."""


def each(names: str, gates: str, **form: bool) -> Parts:
    """The parts of the first gate, then those of the second, and so on."""
    return tuple(one for gate in gates for one in parts(names, gate, **form))


def peeping(gates: str) -> Parts:
    """Gate by gate, those that have a peephole with it."""
    named = [LINEAR + (" weight_ch" if gate in "ifo" else "") for gate in gates]
    return tuple(
        one for names, gate in zip(named, gates, strict=True) for one in parts(names, gate)
    )


FAST_LSTM = parts(LINEAR, "igfo")
DROPOUT_LSTM = (*each("weight_ih bias_ih", "igfo"), *each("weight_hh", "igfo"))
BATCH_NORM_LSTM = (
    *parts("weight_ih bias_ih norm_x.weight norm_x.bias", "igfo"),
    *parts("weight_hh norm_h.weight norm_h.bias bias_hh", "igfo"),
    *parts("norm_c.weight norm_c.bias", ""),
)
MEMORY_CELL = (*parts(BIASED, "ifgo"), *each("weight_ch bias_ch", "ifo"))
SEQ_LSTM = (
    part("weight_ih weight_hh", "ifog", transposed=True),
    part("bias_ih", "ifog"),
)
SEQ_LSTMP = (*SEQ_LSTM, part("weight_hr", "", transposed=True))
STEP_GRU = (*parts(LINEAR, "rz"), *parts(LINEAR, "n"))
DROPOUT_GRU = (*each("weight_ih bias_ih", "rz"), *each("weight_hh", "rz"), *parts(LINEAR, "n"))
SEQ_GRU = (part("weight_ih weight_hh", "rzn", transposed=True), part("bias_ih", "rzn"))
# there z weighs the candidate, here the old state: sigmoid(-a) = 1 - sigmoid(a)
GRU_CELL = (*parts(BIASED, "z", negated=True), *parts(BIASED, "r"), *parts(BIASED, "n"))
# the same cell as a graph lists its modules: the candidate's map of x comes before r
GRU_CELL_GRAPH = (
    *parts(BIASED, "z", negated=True),
    *parts("weight_ih bias_ih", "n"),
    *parts(BIASED, "r"),
    *parts("weight_hh bias_hh", "n"),
)
UNIT_RNN = (part("weight_hh weight_ih", "h"), part("bias_ih", "h"))


def row_vectors(gates: str) -> Parts:
    """(Wx [I, G*H], Wh [H, G*H], b) of MinPy, which multiplies row vectors by matrices."""
    return (*parts("weight_ih weight_hh", gates, transposed=True), part("bias_ih", gates))


def mufuru(cell: MuFuRu) -> Sequence[Parts]:
    """Reset with two biases, then the feature and the operations as maps of [x, h]."""
    v, p = (parts("bias_ih", gates) for gates in (("v",), cell.operations))
    w_v, w_p = (part("weight_ih weight_hh", gates) for gates in (("v",), cell.operations))
    return ((*parts(BIASED, "r"), w_v, *v, w_p, *p),)


BEFORE = {"reset": "before"}
GRU_HERE = 'cells.GRU(I, H, reset="before")'
FULL = {"peepholes": "full"}
TANH = {"activation": "tanh"}

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "nn.LSTM": (
        Layout(PeepholeLSTM, "cells.PeepholeLSTM(I, H)", always(peeping("figo"))),
        Layout(LSTM, "cells.LSTM(I, H) for cell2gate=false", always(each(LINEAR, "figo"))),
    ),
    "nn.FastLSTM": (
        Layout(LSTM, "cells.LSTM(I, H)", always(FAST_LSTM, DROPOUT_LSTM)),
        Layout(BatchNormLSTM, "cells.BatchNormLSTM(I, H) for bn", always(BATCH_NORM_LSTM)),
    ),
    "nn.GRU": (Layout(GRU, GRU_HERE, always(STEP_GRU, DROPOUT_GRU), BEFORE),),
    "nn.MuFuRu": (Layout(MuFuRu, "cells.MuFuRu(I, H, operations=...)", mufuru),),
    "nn.SeqLSTM": (Layout(LSTM, "cells.LSTM(I, H)", always(SEQ_LSTM)),),
    "nn.SeqLSTMP": (
        Layout(LSTM, "cells.LSTM(I, H, proj_size=R) for R < H", always(SEQ_LSTMP)),
        Layout(
            PeepholeLSTM,
            "cells.PeepholeLSTM(I, H, proj_size=R) for any R, its peepholes at zero",
            always(SEQ_LSTMP),
            unused=("bias_hh", "weight_ch"),
        ),
    ),
    "nn.SeqGRU": (Layout(GRU, GRU_HERE, always(SEQ_GRU), BEFORE),),
    "nn.SeqBRNN": (Layout(LSTM, "BiSequencer(cells.LSTM(I, H), merge=...)", always(SEQ_LSTM)),),
    "lstm.MemoryCell": (
        Layout(
            PeepholeLSTM, 'cells.PeepholeLSTM(I, H, peepholes="full")', always(MEMORY_CELL), FULL
        ),
    ),
    "lstm.GRUCell": (Layout(GRU, GRU_HERE, always(GRU_CELL), BEFORE),),
    "lstm.GRUCell graph": (Layout(GRU, GRU_HERE, always(GRU_CELL_GRAPH), BEFORE),),
    "nngraph RNN": (Layout(Elman, "cells.Elman(I, H)", always(UNIT_RNN), TANH),),
    "minpy.rnn_step": (Layout(Elman, "cells.Elman(I, H)", always(row_vectors("h")), TANH),),
    "minpy.lstm_step": (Layout(LSTM, "cells.LSTM(I, H)", always(row_vectors("ifog"))),),
    "minpy.gru_step": (
        Layout(GRU, GRU_HERE, always((*row_vectors("rz"), *row_vectors("n"))), BEFORE),
    ),
}
"""Layouts by the name of the old class or function."""

KINDS = tuple({layout.kind for known in LAYOUTS.values() for layout in known})
"""The cells of ours that old modules can become."""


def order(cell: Cell, name: str) -> tuple[str, ...]:
    """The gates of one of our parameters, from the top; none for one without gates."""
    if name in ("weight_hr", "norm_c.weight", "norm_c.bias"):
        return ()
    if name in ("weight_ch", "bias_ch"):
        return tuple("ifo")
    if isinstance(cell, MuFuRu):
        return ("r", *cell.operations, "v")
    gates = {Elman: "h", GRU: "rzn"}.get(cast("Any", type(cell)), "ifgo")
    return tuple(gates)
