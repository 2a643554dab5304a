"""ONNX's own operators for the standard cells, in a graph that is made for ONNX.

A runtime has kernels for `LSTM`, `GRU` and `RNN`, which are faster than a scan of their equations.
Letters of ONNX: weights W [1, G*H, I] and R [1, G*H, H], their biases side by side in B [1, 2*G*H].
"""

from __future__ import annotations

from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor
from torch.nn.utils.parametrize import is_parametrized

from ostinato import _tree
from ostinato._exporting import is_for_onnx
from ostinato.backends.aten import overridden
from ostinato.backends.base import Backend, Run
from ostinato.backends.call import Call, hooked
from ostinato.backends.eager import select
from ostinato.cells import GRU, LSTM, Elman, GatedCell
from ostinato.typing import State, Tree

GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}
"""Where ONNX's gates are among ours: i, o, f, g of i, f, g, o; z, r, n of r, z, n."""

OPSET = 18
"""The version of the operators; they are the same in all later ones."""


@final
class OnnxNodes(Backend):
    """Nodes LSTM, GRU and RNN of ONNX."""

    name: ClassVar[str] = "onnx"

    def accept(self, call: Call) -> Run | str:
        if not is_for_onnx():
            return "the graph is not for ONNX"
        return refuse_cell(call) or refuse_call(call) or Node(call)


def refuse_cell(call: Call) -> str | None:
    """Why ONNX has no operator for this cell."""
    cell = call.cell
    if not isinstance(cell, (Elman, LSTM, GRU)):
        return f"ONNX has no operator for {type(cell).__name__}"
    if overridden(cell) or is_parametrized(cell) or any(map(hooked, cell.modules())):
        return "its step is not the standard one"
    if cell.layer_norm or (isinstance(cell, LSTM) and cell.proj_size):
        return "ONNX's operators have no layer norm and no projection"
    if isinstance(cell, (Elman, GRU)) and not isinstance(cell.activation, str):
        return "its activation is a module"
    return None


def refuse_call(call: Call) -> str | None:
    """Why ONNX's operators cannot run the call."""
    if call.resets is not None or (call.mask is not None and call.lengths is None):
        return "ONNX's operators have lengths, but neither resets nor masks"
    if call.sample.dtype not in (torch.float32, torch.float64):
        return "runtimes have them in float32 and float64 alone"
    return None


@final
class Node(Run):
    """A standard cell as one node."""

    def __init__(self, call: Call) -> None:
        self.call, self.cell = call, cast("GatedCell", call.cell)

    def describe(self) -> str:
        return "ONNX's own operator"

    def run(self) -> tuple[Tree, State]:
        call = self.call
        kind = "RNN" if isinstance(self.cell, Elman) else type(self.cell).__name__
        xs, state = call.masked(call.xs), call.state_leaves
        lengths = None if call.lengths is None else call.lengths.clamp(0, call.num_steps).int()
        given = [xs, *self._weights(kind), lengths, *(leaf[None] for leaf in state)]
        sizes = [(call.num_steps, 1), *[(1,)] * len(state)]
        made = torch.onnx.ops.symbolic_multi_out(
            kind,
            given,
            self._attributes(),
            dtypes=[xs.dtype] * len(sizes),
            shapes=[(*size, call.batch_size, self.cell.hidden_size) for size in sizes],
            version=OPSET,
        )
        leaves = iter(leaf[0] for leaf in made[1:])
        after = _tree.map(lambda _: next(leaves), call.state)
        if lengths is not None:  # of a row without steps they give a state of zeros
            after = select(lengths > 0, after, call.state)
        return call.masked(made[0][:, 0]), after

    def _weights(self, kind: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """W, R and B."""
        cell = self.cell

        def ordered(weight: Tensor) -> Tensor:
            gates = weight.chunk(cell.num_gates)
            return torch.cat([gates[place] for place in GATES[kind]])

        weights = ordered(cell.weight_ih)[None], ordered(cell.weight_hh)[None]
        if cell.bias_ih is None or cell.bias_hh is None:
            return *weights, None
        return *weights, torch.cat([ordered(cell.bias_ih), ordered(cell.bias_hh)])[None]

    def _attributes(self) -> dict[str, Any]:
        cell = self.cell
        said: dict[str, Any] = {"hidden_size": cell.hidden_size}
        said["direction"] = "reverse" if self.call.reverse else "forward"
        if isinstance(cell, Elman):
            said["activations"] = [cast("str", cell.activation).capitalize()]
        if isinstance(cell, GRU):
            said["activations"] = ["Sigmoid", cast("str", cell.activation).capitalize()]
            said["linear_before_reset"] = int(cell.reset == "after")
        return said
