"""A cell over time in a graph that `torch.export` makes: one scan, whatever T and B will be.

Tracing a loop in Python would fix T and repeat the cell T times. `Scan` traces the step once, with
the operator ``scan`` of torch round it, which ONNX has too; its parameters, and what holds at all
steps, go in as further inputs, as the operator wants them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast, final

import torch
from torch import Tensor
from torch.func import functional_call

from ostinato import _tree
from ostinato.backends.base import Run
from ostinato.backends.call import Call
from ostinato.backends.eager import check_step, select
from ostinato.cell import Lift
from ostinato.errors import BackendError
from ostinato.typing import State, Tree

NEEDED = "2.13"
"""The torch that this is tried with; earlier ones that have the operators are let in."""


@final
class Scan(Run):
    """A call as one scan."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.form: Tree = None
        """A y of a step, for its tree."""

    def describe(self) -> str:
        return "torch's scan, in an exported graph"

    def run(self) -> tuple[Tree, State]:
        call = self.call
        xs, flags = _tree.leaves(call.masked(call.xs)), self._flags()
        over = [t.flip(0) if call.reverse else t for t in (*xs, *flags)]
        # the operator wants something to carry, and no tensor twice
        start = [whole(leaf) for leaf in call.state_leaves] or [xs[0].new_zeros(1)]
        fixed = [*self._held().values()]
        if call.resets is not None:
            fixed += map(whole, _tree.leaves(call.initial))
        if torch.compiler.is_dynamo_compiling():
            # which forbids to tell the form from within; this step is not used, and so left out
            self.form, _ = call.cell(_tree.map(lambda leaf: leaf[0], call.xs), call.state)
        after, stacked = scan(self._step, start, over, fixed)
        if call.reverse:
            stacked = [ys.flip(0) for ys in stacked]
        ys = filled(self.form, stacked)
        return call.masked(ys), filled(call.state, after[: len(call.state_leaves)])

    def _flags(self) -> list[Tensor]:
        """The mask and the resets [T, B], where there are some."""
        return [t for t in (self.call.mask, self.call.resets) if t is not None]

    def _held(self) -> dict[str, Tensor]:
        """The parameters and buffers of the cell by name."""
        cell = self.call.cell
        return {**dict(cell.named_parameters()), **dict(cell.named_buffers())}

    def _step(
        self, carried: list[Tensor], now: list[Tensor], fixed: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """One step: the leaves of the state, of x and the flags, and what holds at all steps."""
        call, held, steps = self.call, self._held(), iter(now)
        before = filled(call.state, carried)
        x = filled(call.xs, steps)
        mask = None if call.mask is None else next(steps)
        if call.resets is not None:
            before = select(next(steps), filled(call.initial, fixed[len(held) :]), before)
        if isinstance(call.cell, Lift):  # a module that works in place does so on a step of its own
            x = _tree.map(torch.clone, x)
        made = functional_call(call.cell, dict(zip(held, fixed, strict=False)), (x, before))
        check_step(call.cell, before, made, call.batch_size)
        y, after = cast("tuple[Tree, State]", made)
        if not torch.compiler.is_dynamo_compiling():
            self.form = y
        after = after if mask is None else select(mask, after, before)
        # what goes out must lie apart from what came in
        return [*map(whole, _tree.leaves(after) or carried)], [*map(whole, _tree.leaves(y))]


def whole(leaf: Tensor) -> Tensor:
    """A copy of a tensor in memory of its own, one number after the other."""
    return leaf.clone(memory_format=torch.contiguous_format)


def filled(form: Tree, leaves: list[Tensor] | Iterator[Tensor]) -> Tree:
    """The tree with these leaves in the place of its own."""
    given = iter(leaves)
    return _tree.map(lambda _: next(given), form)


Step = Callable[[list[Tensor], list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]
"""(carried, now, fixed) -> (carried, ys), all lists of tensors."""


def scan(
    step: Step, start: list[Tensor], over: list[Tensor], fixed: list[Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Run a step over the leading dimension of some tensors: (carried at the end, ys stacked)."""
    operator = scan_operator()
    strict = torch.compiler.is_dynamo_compiling()
    first, last = len(start), len(start) + len(over)

    def flat(*given: Tensor) -> Any:
        made = step([*given[:first]], [*given[first:last]], [*given[last:]])
        # Dynamo has the operator take and give what is carried and what is stacked apart
        return made if strict else (*made[0], *made[1])

    if strict:
        # torch fails to differentiate a scan that it traces so, where the state is not all floats
        start, over, fixed = ([t.detach() for t in each] for each in (start, over, fixed))
        return operator(partial(called, combine_fn=flat), start, over, tuple(fixed))
    graph, constants = traced(flat, start, over, fixed)
    made = operator(graph, start, over, (*fixed, *constants))
    return [*made[:first]], [*made[first:]]


def traced(
    flat: Callable[..., Any], start: list[Tensor], over: list[Tensor], fixed: list[Tensor]
) -> tuple[torch.fx.GraphModule, list[Tensor]]:
    """A step as a graph, and the constants in it, which become its last inputs.

    Such are tensors that a step makes of numbers or has as plain attributes. Within the graph of a
    step torch would lose them; those of the whole program it keeps.
    """
    from torch._higher_order_ops.utils import (
        first_slice_copy,
        materialize_as_graph,  # pyright: ignore[reportUnknownVariableType]
    )
    from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing

    with disable_proxy_modes_tracing():  # these are no parts of the program
        samples = [t.clone() for t in start], [first_slice_copy(t) for t in over]
    graph = materialize_as_graph(flat, (*samples[0], *samples[1], *fixed))
    constants: list[Tensor] = []
    for node in [*graph.graph.nodes]:
        found = getattr(graph, str(node.target), None) if node.op == "get_attr" else None
        if isinstance(found, Tensor):
            with graph.graph.inserting_before(first_of_no_input(graph)):
                given = graph.graph.placeholder(f"constant_{len(constants)}")
            given.meta.update(node.meta)
            node.replace_all_uses_with(given)
            graph.graph.erase_node(node)
            constants.append(found.clone())
    graph.recompile()
    return graph, constants


def first_of_no_input(graph: torch.fx.GraphModule) -> torch.fx.Node:
    """The first node that is no input."""
    return next(node for node in graph.graph.nodes if node.op != "placeholder")


def called(*given: Tensor, combine_fn: Callable[..., Any]) -> Any:
    """What Dynamo wants the operator to be given: a partial of that name."""
    return combine_fn(*given)


def scan_operator() -> Any:
    """The operator of torch. Raises BackendError where this torch has none that will do."""
    try:
        from torch._higher_order_ops.scan import scan_op
    except ImportError:
        scan_op = None
    if scan_op is None or not hasattr(torch.onnx, "ops"):
        raise BackendError(
            "torch.export",
            wanted=f"torch {NEEDED} or later, whose scan a cell over time becomes",
            got=f"torch {torch.__version__}",
            remedy="Update torch.",
        )
    return scan_op
