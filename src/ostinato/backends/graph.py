"""What runs a call while `torch.export` traces it: parts of a graph, in place of the backends.

Stateless modules are applied to all steps at once, as `Aten` does; the standard cells are ONNX's
own operators where the graph is made for it (`onnx_nodes`); any other cell is a `Scan`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from ostinato.backends.aten import Aten
from ostinato.backends.base import Run
from ostinato.backends.call import Call, hooked
from ostinato.backends.eager import Eager
from ostinato.backends.onnx_nodes import OnnxNodes
from ostinato.backends.scan import Scan
from ostinato.cell import Cell, Lift
from ostinato.combine.composite import Composite
from ostinato.errors import BackendError
from ostinato.typing import State, Tree


def execute(call: Call, name: str) -> tuple[Tree, State]:
    """Put a call into the graph. Raises BackendError for a backend that is no part of one."""
    if name == "eager":
        return Eager().accept(call).run()
    if name != "auto":
        raise BackendError(
            "backend",
            wanted='"auto" while torch.export is tracing, or "eager", which fixes T',
            got=repr(name),
            remedy="Compiled loops and torch's kernels are no parts of a graph.",
        )
    composite = call.cell
    # resets want the parts of the initial state, which a whole scan has
    layered = isinstance(composite, Composite) and composite.layered and not hooked(composite)
    if layered and call.resets is None:
        return execute_layers(call, cast("Composite", composite))
    return choose(call).run()


def execute_layers(call: Call, composite: Composite) -> tuple[Tree, State]:
    """Put a composite into the graph layer by layer."""

    def run(cell: Cell, xs: Tree, before: State) -> tuple[Tree, State]:
        return execute(replace(call, cell=cell, xs=xs, state=before), "auto")

    ys, after = composite.wire(run, call.masked(call.xs), call.state)
    return call.masked(ys), after


def choose(call: Call) -> Run:
    """What a call of one cell becomes."""
    by = Aten() if isinstance(call.cell, Lift) else OnnxNodes()
    taken = by.accept(call)
    return Scan(call) if isinstance(taken, str) else taken
