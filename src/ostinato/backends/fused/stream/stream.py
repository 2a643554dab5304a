"""One step at a time without gradients, with the state in memory of the compiler's own.

A step is one compiled call. Weights are read where they lie, so that nothing is packed and every
change of their numbers is seen; only y is new memory. What is left for Python is to see that
nothing else has changed: the modules, where their tensors lie, the form of x.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_unflatten

from ostinato import _tree
from ostinato.backends.call import Call, in_transform
from ostinato.backends.fused.explain import summary
from ostinato.backends.fused.native.source.abi import STEP
from ostinato.backends.fused.passes.plan import Plan, multiplications
from ostinato.backends.fused.recordings import Seen
from ostinato.backends.fused.run.execute import dense
from ostinato.backends.fused.run.recipe import Recipe
from ostinato.backends.fused.stream.listing import Listing, runner
from ostinato.backends.fused.trace.identity import identify
from ostinato.backends.fused.trace.unchanged import Watch
from ostinato.typing import State, Tree

PLAIN = (Tensor, nn.Parameter)
GONE = (AttributeError, IndexError, KeyError, ValueError)
"""What is raised where a tensor was, and nothing is any more."""
LONG = 1 << 17
"""Multiplications of a step from which other Python threads may run meanwhile."""


class Stream:
    """The steps of one compiled cell, for x and a state of one form.

    `load` takes a state in, `advance` goes on from it, `read` gives it out. The state lies in two
    halves: a step reads one and writes the other.
    """

    def __init__(self, call: Call, seen: Seen, recipe: Recipe) -> None:
        lowered = seen.lowered
        assert lowered.outside is not None
        self.cell, self.outside = call.cell, lowered.outside
        self.tensors, self.found_at = seen.tensors, identify(call).places
        self.shape, self.dtype = call.xs.shape[1:], call.xs.dtype
        # what is written to in any mode must not be made in inference mode
        with torch.inference_mode(False), torch.no_grad():
            params = self.outside.values(self.tensors)
            self.recipe = recipe
            # first of all, as the text of kernels adds buffers of its own to the plan
            kernels = self.recipe.kernels
            self.half = 0
            self.allocate(self.recipe.forward, call.batch_size)
            self.write(kernels, params, call.batch_size)
            self.place_params(params)
        self.watch = Watch(call.cell, but={(id(p), name) for p, name, _ in self.captured()})

    def allocate(self, plan: Plan, rows: int) -> None:
        """Memory for all buffers, and a model of each output."""
        self.states: dict[int, tuple[Tensor, Tensor]] = {}
        self.memory: dict[tuple[str, int], Tensor] = {}
        for buffer in plan.buffers:
            kind, index = buffer.role
            if kind == "after":
                self.states[index] = (self.room(rows, buffer.width), self.room(rows, buffer.width))
            elif kind not in ("before", "param", "x", "y"):
                self.memory[buffer.role] = self.room(
                    1 if buffer.clock == "shard" else rows, buffer.width
                )
        self.likes = [self.room(rows, *output.value.shape) for output, _ in plan.outputs]
        step = self.recipe.step
        plain = step.y_tree.is_leaf() and step.y_dtypes[0].is_floating_point
        self.like = self.likes[0] if plain else None
        """The model of y, where it is one tensor of numbers."""
        self.draws = [(self.memory["draw", i], draw.kind) for i, draw in enumerate(step.draws)]

    def room(self, *size: int) -> Tensor:
        """Memory that nobody has written to."""
        return torch.empty(*size, dtype=self.dtype, device="cpu")

    def write(self, kernels: dict[str, int], params: list[Tensor], rows: int) -> None:
        """The instructions, and a table of addresses for each half."""
        recipe = self.recipe
        shapes = [p.shape for p in params]
        listing = Listing(recipe.forward, kernels, shapes, recipe.kind, rows)
        code = listing.code()
        self.code = (ctypes.c_int64 * len(code))(*code)
        self.tables = ((ctypes.c_int64 * listing.length)(), (ctypes.c_int64 * listing.length)())
        for half, table in enumerate(self.tables):
            for role, tensor in self.memory.items():
                table[listing.slot(*role)] = tensor.data_ptr()
            for index, halves in self.states.items():
                table[listing.slot("before", index)] = halves[half].data_ptr()
                table[listing.slot("after", index)] = halves[1 - half].data_ptr()
        self.x_slot, self.y_slots = listing.slot("x", 0), listing.outputs
        self.param_slots = [
            (b.number, b.role[1]) for b in recipe.forward.buffers if b.role[0] == "param"
        ]
        start = (len(code) // STEP, ctypes.addressof(self.code))
        self.calls = [
            (ctypes.c_int64 * 4)(*start, ctypes.addressof(table), rows) for table in self.tables
        ]
        self.addresses = [ctypes.addressof(call) for call in self.calls]
        self.run = runner(multiplications(recipe.forward) * rows > LONG)

    def place_params(self, params: list[Tensor]) -> None:
        """Put the addresses of params into the tables, and note where the cell's tensors lie.

        Tensors of the cell, and parts of them, are read where they lie. Others have been computed
        from these, and are to be computed anew for each step.
        """
        self.params = [dense(p, self.dtype) for p in params]
        for slot, index in self.param_slots:
            for table in self.tables:
                table[slot] = self.params[index].data_ptr()
        own = self.captured()
        lasting = {storage(t) for _, _, t in own}
        self.computed = any(storage(p) not in lasting for p in self.params)
        self.places = [(place, name, t, t.data_ptr(), lies_dense(t)) for place, name, t in own]

    def captured(self) -> list[tuple[Any, Any, Tensor]]:
        """The tensors that a step reads, as they are now, and where each is found."""
        found: list[tuple[Any, Any, Tensor]] = []
        for source in self.outside.sources:
            place, name = self.found_at[source] if isinstance(source, int) else ((source,), 0)
            found.append((place, name, place[name]))
        return found

    def suits(self, x: Tree) -> bool:
        """Whether `advance` would take x."""
        form = type(x) is Tensor and x.shape == self.shape and x.dtype is self.dtype
        return form and x.is_cpu and (self.in_place() or self.follow()) and not self.watch.changed()

    def in_place(self) -> bool:
        """Whether the tensors of the cell are where they were."""
        try:
            for place, name, tensor, address, is_dense in self.places:
                if place[name] is not tensor or tensor.data_ptr() != address:
                    return False
                if is_dense is not None and tensor.is_contiguous() is not is_dense:
                    return False
        except GONE:
            return False
        return True

    def follow(self) -> bool:
        """Read the tensors of the cell where they are now; False if some are of another form."""
        try:
            self.tensors = [place[name] for place, name in self.found_at]
            now = [place[name] for place, name, _, _, _ in self.places]
        except GONE:
            return False
        pairs = zip(now, self.places, strict=True)
        if any(type(t) not in PLAIN or form(t) != form(was) for t, (_, _, was, _, _) in pairs):
            return False
        with torch.no_grad():
            self.place_params(self.outside.values(self.tensors))
        return True

    def load(self, state: State) -> None:
        """Go on from this state, of the form that the stream was made for."""
        self.tree, self.given = _tree.map(lambda _: None, state), _tree.leaves(state)
        for i, leaf in enumerate(self.given):
            halves = self.states.get(i)
            target = self.memory.get(("held", i)) if halves is None else halves[self.half]
            if target is not None:
                target.copy_(leaf.detach().reshape(target.shape))

    def read(self, back: int = 0) -> State:
        """The state, or with ``back=1`` the one before the last step."""
        leaves = iter(enumerate(self.given))

        def leaf(_: None) -> Tensor:
            i, given = next(leaves)
            if i not in self.states:
                return given
            made = self.states[i][self.half ^ back].clone().view(given.shape)
            return made if given.is_floating_point() else made != 0

        return _tree.map(leaf, self.tree)

    def advance(self, x: Tree) -> Tree:
        """One step from the state: y. None, and nothing done, where something does not suit."""
        if (
            type(x) is not Tensor
            or x.shape != self.shape
            or x.dtype is not self.dtype
            or not x.is_cpu
            or torch.is_grad_enabled()
            or torch.is_autocast_enabled("cpu")
            or in_transform()
            or not (self.in_place() or self.follow())
            or self.watch.changed()
        ):
            return None
        if self.computed:
            self.place_params(self.outside.values(self.tensors))
        for memory, kind in self.draws:
            memory.uniform_() if kind == "rand" else memory.normal_()
        if not x.is_contiguous() or x.is_neg():
            x = dense(x, self.dtype)
        half = self.half
        table = self.tables[half]
        table[self.x_slot] = x.data_ptr()
        if self.like is None:
            return self.finish(table)
        y = torch.empty_like(self.like)
        table[self.y_slots[0]] = y.data_ptr()
        self.run(self.addresses[half])
        self.half = 1 - half
        return y

    def finish(self, table: Any) -> Tree:
        """The end of a step whose y is a tree or bool."""
        ys = [torch.empty_like(like) for like in self.likes]
        for slot, y in zip(self.y_slots, ys, strict=True):
            table[slot] = y.data_ptr()
        self.run(self.addresses[self.half])
        self.half = 1 - self.half
        step = self.recipe.step
        pairs = zip(ys, step.y_dtypes, strict=True)
        made = [y if dtype.is_floating_point else y != 0 for y, dtype in pairs]
        return tree_unflatten(made, step.y_tree)

    def describe(self) -> str:
        """What a step does, in a few words."""
        return f"a step at a time: {summary(self.recipe)}"


def form(t: Any) -> tuple[torch.Size, torch.dtype, torch.device]:
    """What a recording depends on of a tensor of the cell."""
    return t.shape, t.dtype, t.device


def storage(t: Tensor) -> int:
    """The memory that a tensor is part of."""
    return t.untyped_storage().data_ptr()


def lies_dense(t: Tensor) -> bool | None:
    """Whether a matrix is contiguous; its transpose may have the same address and shape."""
    return t.is_contiguous() if t.dim() > 1 else None


def open_stream(seen: Seen | str, call: Call) -> Stream | str:
    """A stream for a call of one step with one tensor, or why there is none."""
    if isinstance(seen, str):
        return seen
    leaves = call.state_leaves
    lowered = seen.lowered
    step, around = lowered.step, lowered.outside
    assert step is not None
    assert around is not None
    if not leaves:
        return "there is no state to keep"
    if any(v.op != "input" for v in step.states):
        return "a leaf of the state that rows share"
    pairs = zip(step.states, step.after, strict=True)
    if any(before.shape != after.shape for before, after in pairs):
        return "the state changes its shape"
    if any(t.is_floating_point() and t.dtype != call.xs.dtype for t in leaves):
        return f"the state is not {call.xs.dtype}, as x is"
    recipe = lowered.recipe(call, around.values(seen.tensors))
    return recipe if isinstance(recipe, str) else Stream(call, seen, recipe)
