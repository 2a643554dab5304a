"""Less memory for more time: a run in chunks, whose steps the backward runs again.

What is kept is the state before each chunk. Chunks are cut outside composites: all layers of a
chunk are run again together, and no layer keeps its sequence. With chunks of about sqrt(T) steps,
what is kept grows with sqrt(T), and so does what one chunk needs while it is differentiated.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from ostinato import _tree
from ostinato.backends.call import Call, in_transform
from ostinato.backends.plan import backend, execute, resolve
from ostinato.cell import Cell
from ostinato.errors import ArgumentError
from ostinato.typing import State, Tree

Place = tuple[dict[str, Any], str]
"""A dict of a module, and a name in it."""


def execute_in_chunks(call: Call, name: str, length: int) -> tuple[Tree, State]:
    """As `execute`; for the backward only the state before each ``length`` steps is kept."""
    owned = Owned(call.cell)
    given = _tree.leaves(arguments(call))
    if not torch.is_grad_enabled() or not any(t.requires_grad for t in (*given, *owned.tensors)):
        return execute(call, name)
    if in_transform():
        raise ArgumentError(
            "checkpoint",
            wanted="None under functorch transforms and forward-mode AD",
            got=str(length),
            remedy="They keep all steps; leave it out.",
        )
    # split and not sliced: the gradient of a slice is as long as the whole
    pieces = [pieces_of(leaf, length) for leaf in _tree.leaves(call.xs)]
    numbers = range(len(pieces[0]))[:: -1 if call.reverse else 1]
    state, found = call.state, [()] * len(numbers)
    for number in numbers:
        xs = filled(call.xs, [leaf[number] for leaf in pieces])
        part = replace(cut(call, number * length, length), xs=xs, state=state)
        chunk = Chunk(part, resolve(name), owned, checks=number == numbers[-1])
        found[number], state = chunk.apply(arguments(part))
    return _tree.map(lambda *leaves: torch.cat(leaves), *found), state


def pieces_of(leaf: Tensor, length: int) -> tuple[Tensor, ...]:
    """The chunks of a tensor, of so many steps or fewer."""
    return cast("tuple[Tensor, ...]", leaf.split(length))  # pyright: ignore


def arguments(call: Call) -> Tree:
    """All trees of tensors of a call that can have a gradient."""
    return call.xs, call.state, () if call.initial is None else call.initial


def filled(form: Tree, leaves: Iterable[Any]) -> Tree:
    """A tree of this form with these leaves."""
    each = iter(leaves)
    return _tree.map(lambda _: next(each), form)


def cut(call: Call, start: int, length: int) -> Call:
    """The flags of a call for some of its steps."""

    def part(flags: Tensor | None) -> Tensor | None:
        return None if flags is None else flags[start : start + length]

    lengths = call.lengths
    if lengths is not None:
        lengths = (lengths - start).clamp(0, min(length, call.num_steps - start))
    return replace(call, mask=part(call.mask), resets=part(call.resets), lengths=lengths)


class Owned:
    """What a cell computes with beside its arguments: tensors with a gradient, and its modes.

    A plain attribute counts as a parameter does.
    """

    def __init__(self, cell: Cell) -> None:
        self.tensors: list[Tensor] = []
        self.places: list[tuple[Place, int]] = []
        """Where each of the tensors stands; it may have several places."""
        self.modes: list[tuple[Place, bool]] = []
        known: dict[int, int] = {}
        for module in cell.modules():
            own = module.__dict__
            self.modes.append(((own, "training"), module.training))
            for held in (own["_parameters"], own["_buffers"], own):
                for name, value in held.items():
                    if isinstance(value, Tensor) and value.requires_grad:
                        if known.setdefault(id(value), len(self.tensors)) == len(self.tensors):
                            self.tensors.append(value)
                        self.places.append(((held, name), known[id(value)]))

    def restored(self, tensors: Sequence[Tensor]) -> AbstractContextManager[None]:
        """Within the block the cell has these tensors for its own, and its modes of then."""
        return put([*((place, tensors[i]) for place, i in self.places), *self.modes])


@contextmanager
def put(wanted: Sequence[tuple[Place, Any]]) -> Generator[None]:
    """Within the block modules have these tensors and modes in these places."""
    other = [(place, now(place)) for place, value in wanted if now(place) is not value]
    try:
        for (held, name), value in wanted:
            held[name] = value
        yield
    finally:
        for (held, name), value in other:
            held[name] = value


def now(place: Place) -> Any:
    """What stands in a place."""
    held, name = place
    return held.get(name)


class Chunk:
    """Some steps of a run: once without a graph, and once more with one.

    With ``checks`` its backward, the first of all to run, looks for gradients that would be lost.
    """

    def __init__(self, call: Call, name: str, owned: Owned, *, checks: bool) -> None:
        self.name, self.owned, self.checks = name, owned, checks
        given = arguments(call)
        self.given, self.size = _tree.map(lambda _: None, given), len(_tree.leaves(given))
        # the tensors themselves are for autograd to keep
        self.call = replace(call, xs=None, state=None, initial=None)
        self.made: Tree = None
        """The form of ys and the state."""

    def apply(self, given: Tree) -> tuple[Tree, State]:
        """ys and the state after the chunk, in the graph."""
        tensors = (*_tree.leaves(given), *self.owned.tensors)
        found = cast("tuple[Tensor, ...]", Recomputed.apply(self, *tensors))  # pyright: ignore
        return filled(self.made, found)

    def run(self, leaves: Sequence[Tensor]) -> tuple[Tree, State]:
        """ys and the state after the chunk, from the leaves of its arguments."""
        xs, state, initial = filled(self.given, leaves)
        initial = None if self.call.resets is None else initial
        with backend(self.name):
            return execute(replace(self.call, xs=xs, state=state, initial=initial), self.name)

    def inputs(
        self, tensors: Sequence[Tensor], wanted: Sequence[bool], twice: bool
    ) -> list[Tensor]:
        """What stands for the tensors when the steps run again.

        A gradient with respect to a tensor itself would take in what comes to it through earlier
        chunks, and run its hooks; so only leaves without hooks stand for themselves. In the graph
        of a second derivative, which goes on through earlier chunks, not even these.
        """
        own = [None] * self.size + self.owned.tensors
        found: list[Tensor] = []
        for t, want, mine in zip(tensors, wanted, own, strict=True):
            hooked = t._backward_hooks  # pyright: ignore[reportPrivateUsage]
            if t is mine and t.is_leaf and not hooked and not twice:
                found.append(t)
            else:
                found.append(t.view_as(t) if want and twice else t.detach().requires_grad_(want))
        return found


class Recomputed(torch.autograd.Function):
    """(arguments of a chunk, tensors of the cell) to (ys, state), leaf by leaf."""

    @staticmethod
    def forward(ctx: Any, chunk: Chunk, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.chunk, ctx.surroundings = chunk, Surroundings(tensors)
        made = chunk.run(tensors[: chunk.size])
        ctx.surroundings.leave()
        chunk.made = _tree.map(lambda _: None, made)
        leaves = separate(_tree.leaves(made), tensors)
        ctx.save_for_backward(*tensors)
        ctx.mark_non_differentiable(*(t for t in leaves if not smooth(t)))
        ctx.set_materialize_grads(False)
        return tuple(leaves)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        chunk: Chunk = ctx.chunk
        wanted: tuple[bool, ...] = ctx.needs_input_grad[1:]
        twice = torch.is_grad_enabled()
        inputs = chunk.inputs(cast("tuple[Tensor, ...]", ctx.saved_tensors), wanted, twice)
        with torch.enable_grad(), ctx.surroundings.again():
            with chunk.owned.restored(inputs[chunk.size :]):
                made = _tree.leaves(chunk.run(inputs[: chunk.size]))
        if chunk.checks and not twice:
            check_leaves(made, inputs)
        pairs = [(t, g) for t, g in zip(made, grads, strict=True) if g is not None]
        outs = [t for t, _ in pairs if t.requires_grad]
        given = [g for t, g in pairs if t.requires_grad]
        leaves = [t for t, want in zip(inputs, wanted, strict=True) if want]
        found = iter(
            torch.autograd.grad(outs, leaves, given, create_graph=twice, allow_unused=True)
        )
        return None, *(next(found) if want else None for want in wanted)


RandomState = tuple[Tensor, list[int], list[Tensor]]
"""Of the CPU; numbers of other devices, and theirs."""


class Surroundings:
    """What a run depends on beside its tensors: the random state and autocast."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        kind = tensors[0].device.type
        self.random: RandomState | None = random_state(tensors)
        self.autocast: tuple[str, torch.dtype, bool] | None = None
        if torch.amp.is_autocast_available(kind):
            enabled = torch.is_autocast_enabled(kind)
            self.autocast = (kind, torch.get_autocast_dtype(kind), enabled)

    def leave(self) -> None:
        """Drop the random state, which takes 5 KB, where the run has drawn nothing."""
        # a weight cast without a graph must not be found by what comes after
        torch.clear_autocast_cache()
        assert self.random is not None
        cpu, devices, _ = self.random
        if not devices and torch.equal(cpu, torch.get_rng_state()):
            self.random = None

    @contextmanager
    def again(self) -> Generator[None]:
        """Within the block they are as they were before the run."""
        with ExitStack() as stack:
            if self.random is not None:
                cpu, devices, states = self.random
                stack.enter_context(torch.random.fork_rng(devices))  # pyright: ignore
                torch.set_rng_state(cpu)
                devices_of_torch().set_device_states(devices, states)
            if self.autocast is not None:
                torch.clear_autocast_cache()
                stack.callback(torch.clear_autocast_cache)
                stack.enter_context(torch.autocast(*self.autocast))
            yield


def random_state(tensors: Sequence[Tensor]) -> RandomState:
    """The random state of the CPU, and of the other devices of these tensors."""
    devices, states = devices_of_torch().get_device_states(*tensors)
    return torch.get_rng_state(), devices, states


def devices_of_torch() -> Any:
    """The module of torch that knows the random states of devices, which is slow to import."""
    from torch.utils import checkpoint

    return checkpoint


def smooth(t: Tensor) -> bool:
    """Whether a tensor can have a gradient."""
    return t.is_floating_point() or t.is_complex()


def separate(leaves: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
    """The leaves without any that is part of what was given, or that is there already.

    What has no gradient may be; masks over weights are large.
    """
    known = {t.untyped_storage().data_ptr() for t in given}
    found: list[Tensor] = []
    for t in leaves:
        shared = t.untyped_storage().data_ptr() in known or any(t is other for other in found)
        found.append(t.clone() if shared and smooth(t) else t)
    return found


def check_leaves(made: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
    """Raise where a result depends on a tensor with a gradient that is none of the inputs."""
    other = foreign(made, inputs)
    if other is not None:
        raise ArgumentError(
            "checkpoint",
            wanted="a cell whose gradients go to its arguments and its own tensors",
            got=f"a tensor {list(other.shape)} from elsewhere",
            remedy="Make it a parameter or an attribute of the cell, or leave checkpoint out.",
        )


def foreign(made: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor | None:
    """A tensor that gradients of results go to, and that is none of the inputs."""
    known = {id(t) for t in inputs}
    stack, seen = [t.grad_fn for t in made], set[Any]()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None and id(variable) not in known:
            return variable
        stack += [parent for parent, _ in node.next_functions]
    return None
