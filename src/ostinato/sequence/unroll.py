"""A cell over a whole sequence, and the account of how it was run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.backends import in_graph
from ostinato.backends.call import Call, initial_state
from ostinato.backends.dynamo import closed
from ostinato.backends.plan import Segment, check_name, execute
from ostinato.backends.recompute import execute_in_chunks
from ostinato.cell import as_cell
from ostinato.cells import GatedCell, GatedMemory
from ostinato.combine.dropout import keep_masks
from ostinato.combine.norm_penalty import collect
from ostinato.errors import ArgumentError, ShapeError
from ostinato.sequence import check
from ostinato.typing import State, Tree


@overload
def unroll(  # pyright: ignore[reportOverlappingOverload]  # the first that fits counts
    cell: GatedMemory,
    xs: Tensor,
    state: tuple[Tensor, Tensor] | None = None,
    *,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
    resets: Tensor | None = None,
    reverse: bool = False,
    backend: str = "auto",
    checkpoint: int | None = None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...


@overload
def unroll(
    cell: GatedCell,
    xs: Tensor,
    state: Tensor | None = None,
    *,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
    resets: Tensor | None = None,
    reverse: bool = False,
    backend: str = "auto",
    checkpoint: int | None = None,
) -> tuple[Tensor, Tensor]: ...


@overload
def unroll(
    cell: nn.Module,
    xs: Tensor,
    state: State = None,
    *,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
    resets: Tensor | None = None,
    reverse: bool = False,
    backend: str = "auto",
    checkpoint: int | None = None,
) -> tuple[Tensor, State]: ...


@overload
def unroll(
    cell: nn.Module,
    xs: Tree,
    state: State = None,
    *,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
    resets: Tensor | None = None,
    reverse: bool = False,
    backend: str = "auto",
    checkpoint: int | None = None,
) -> tuple[Tree, State]: ...


def unroll(
    cell: nn.Module,
    xs: Tree,
    state: State = None,
    *,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
    resets: Tensor | None = None,
    reverse: bool = False,
    backend: str = "auto",
    checkpoint: int | None = None,
) -> tuple[Tree, State]:
    """Run a cell over a sequence: xs [T, B, ...] to (ys [T, B, ...], the last state).

    Without options it means, on every backend::

        ys = []
        for x in xs:
            y, state = cell(x, state)
            ys.append(y)
        return torch.stack(ys), state

    Args:
        cell: a `Cell`; a stateless module is lifted to one.
        xs: [T, B, ...], time first; or a tuple or dict of such tensors, where the cell takes it.
        state: the state before the first step, a tree with the shapes of
            ``cell.initial_state(B)``, which is also what None stands for. Gradients reach it.
        lengths: [B], whole numbers from 0 to T: row b has its first ``lengths[b]`` steps. The
            short form of a mask; rows need no sorting.
        mask: bool [T, B], gaps allowed. Where it is False the state is held and y is zero, and
            x has no influence on anything, gradients included, even if it is NaN.
        resets: bool [T, B]. Where it is True the state of that row starts again from the initial
            state before that step (in running order), masked or not.
        reverse: run from the last step to the first. ys stay aligned with xs, and masked steps
            are passed over, so padding stays at the end.
        backend: ``"auto"`` (the fastest that accepts, or that of a surrounding
            `ostinato.backend`), ``"eager"``, ``"aten"`` or ``"fused"``.
        checkpoint: k, to keep only every k-th state for the backward, which runs the steps between
            again: less memory for more time. About sqrt(T) needs least. None keeps all steps.

    With T = 0, ys is empty and the state unchanged. Raises ShapeError, DtypeError, DeviceError,
    StateError and ArgumentError for arguments that do not fit, and BackendError where a backend
    that was asked for by name refuses.
    """
    given, options = (xs, state, lengths, mask, resets), (reverse, backend, checkpoint)
    if in_graph.compiling():
        return in_graph.run(_unroll, cell, given, AXES, options)
    return _unroll(cell, *given, *options)


AXES = ((0, 1), (0,), (0,), (0, 1), (0, 1), (0,))
"""Where T and B, or B alone, stand in the tensors given, and in the last state."""


@closed
def _unroll(
    cell: nn.Module,
    xs: Tree,
    state: State,
    lengths: Tensor | Sequence[int] | None,
    mask: Tensor | None,
    resets: Tensor | None,
    reverse: bool,
    backend: str,
    checkpoint: int | None,
) -> tuple[Tree, State]:
    check_name(backend)
    check.checkpoint(checkpoint)
    call = prepare(cell, xs, state, lengths, mask, resets, reverse)
    if call.num_steps == 0:
        return no_steps(call)
    if checkpoint is not None:
        ys, after = execute_in_chunks(call, backend, min(checkpoint, call.num_steps))
    else:
        ys, after = execute(call, backend)
    collect(call.state, after, resets)
    return ys, after


def prepare(
    cell: nn.Module,
    xs: Tree,
    state: State,
    lengths: Tensor | Sequence[int] | None,
    mask: Tensor | None,
    resets: Tensor | None,
    reverse: bool,
) -> Call:
    """The checked call."""
    check.flag("reverse", reverse)
    cell = as_cell(cell)
    num_steps, batch_size = check.sequence(cell, xs)
    sample = _tree.leaves(xs)[0]
    mask, lengths = check.mask(mask, lengths, num_steps, batch_size, sample.device)
    start = initial_state(cell, sample, batch_size) if state is None else state
    if state is not None:
        check.state(cell, state, sample, batch_size)
    initial = None
    if resets is not None:
        resets = check.flags("resets", resets, num_steps, batch_size, sample.device)
        initial = start
        if state is not None:
            initial = keep_masks(initial_state(cell, sample, batch_size), state)
    return Call(cell, xs, start, mask, lengths, resets, initial, reverse)


def no_steps(call: Call) -> tuple[Tree, State]:
    """T = 0: ys of the shape that a step would give, with no steps in it."""
    # a sum over no steps is zero, and keeps xs in the graph
    one = _tree.map(lambda leaf: leaf.sum(0, keepdim=True).to(leaf.dtype), call.xs)
    ys, _ = execute(replace(call, xs=one, mask=None, lengths=None, resets=None), "eager")
    return _tree.map(lambda leaf: leaf[:0], ys), call.state


@dataclass(frozen=True, repr=False)
class Explanation:
    """Which backend runs which part of a cell, and why the faster ones do not."""

    segments: tuple[Segment, ...]

    def __str__(self) -> str:
        return "\n".join(str(segment) for segment in self.segments)

    __repr__ = __str__

    @property
    def account(self) -> str:
        """All that was compiled, to be read: of each cell the products and kernels in order, what
        was hoisted out of the time loop, what is saved for the backward, the arithmetic, and the
        text of the kernels. Empty where nothing is compiled.
        """
        told = [s for s in self.segments if s.account]
        return "\n\n".join(f"{s.title}\n{s.account}" for s in told)


def explain(
    cell: nn.Module,
    xs: Tree = None,
    state: State = None,
    *,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
    resets: Tensor | None = None,
    reverse: bool = False,
    backend: str = "auto",
) -> Explanation:
    """Which backend `unroll` would use for each part of the cell, and why not a faster one.

    Takes the arguments of `unroll` (T >= 1), but for checkpoint, which leaves all with the same
    backends, and runs them once without gradients, leaving the random state as it was. Without xs,
    a sample [2, 3, I] stands for it; ArgumentError where the cell does not say its I. Print the
    result; its ``account`` tells all that was compiled.
    """
    check_name(backend)
    cell = as_cell(cell)
    if xs is None:
        if cell.input_size is None:
            raise ArgumentError(
                "xs",
                wanted=f"a sample input, as {type(cell).__name__} does not say its input_size",
                got="None",
                remedy="Pass explain(cell, xs).",
            )
        sample = next(
            (p for p in cell.parameters() if p.is_floating_point()), torch.empty(0, device="cpu")
        )
        xs = sample.detach().new_zeros(2, 3, cell.input_size)
    journal: list[Segment] = []
    with torch.no_grad(), torch.random.fork_rng():  # pyright: ignore[reportUnknownMemberType]
        call = prepare(cell, xs, state, lengths, mask, resets, reverse)
        if call.num_steps == 0:
            raise ShapeError(
                "xs",
                wanted="at least one step to explain",
                got=str(list(call.sample.shape)),
                remedy="Leave xs out for a sample, where the cell says its input_size.",
            )
        # a step may change its input in place
        call = replace(call, xs=_tree.map(torch.clone, call.xs))
        # batch norm, for one, would count the run in its statistics
        kept = [(buffer, buffer.clone()) for buffer in cell.buffers()]
        execute(call, backend, journal)
        for buffer, before in kept:
            buffer.copy_(before)
    return Explanation(tuple(journal))
