"""One step of a cell, written down: every torch operation, its tensors, and the user's line.

The step runs on real small tensors under a `TorchDispatchMode`, so that it sees what the user's
Python does and needs no compiler of torch's. It runs twice, with two unusual batch sizes: what
differs otherwise than by the batch size would be computed wrongly for another one. Where the call
has a single row, it runs a third time with one, as a step may treat that otherwise.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ostinato import _tree
from ostinato.backends.eager import check_step
from ostinato.backends.fused.recording import (
    Captured,
    Op,
    Recording,
    Refusal,
    Where,
    compare_captured,
    compare_numbers,
    compare_one_row,
    names,
)
from ostinato.backends.fused.surroundings import foreign_random_state
from ostinato.cell import Cell
from ostinato.typing import State, Tree

NOT_THE_USERS = (str(Path(__file__).parent), str(Path(torch.__file__).parent))
BATCHES = (17, 19, 23, 29, 31, 37, 41, 43, 47)
READS = frozenset((
    "numpy", "tolist", "__array__", "__dlpack__", "data_ptr", "untyped_storage", "storage",
    "apply_", "map_", "map2_", "__deepcopy__", "__reduce_ex__",
))  # fmt: skip
"""Methods of tensors by which Python gets at their numbers past torch's operations."""
GRADIENTS = frozenset((
    "register_hook", "register_post_accumulate_grad_hook", "backward", "retain_grad", "grad",
    "requires_grad_",
))  # fmt: skip
"""What a step does with autograd."""
GRAPH = frozenset(("requires_grad", "grad_fn", "is_leaf"))
"""What a step asks of autograd, which at the first step of a loop may answer otherwise."""


class Questions(TorchFunctionMode):
    """Refuses what a step asks of tensors where the answer would go into no operation."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Refusal | None = None
        """A question that is no harm if the step is refused for something plainer."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        owner = getattr(func, "__self__", None)
        name = getattr(func, "__name__", "")
        if name in ("__get__", "__set__", "__delete__") and owner is not None:
            name, act = owner.__name__, name
            if act != "__get__":
                raise Refusal(f"sets {name} of a tensor, at {user_line()}")
            if name == "data":
                # an alias that no operation would show
                return args[0].detach()
        if name in GRAPH and self.asked is None:
            self.asked = Refusal(f"asks for {name} of a tensor, at {user_line()}")
        if name in READS:
            raise Refusal(f"reads the numbers of a tensor by {name}, at {user_line()}")
        if name in GRADIENTS:
            raise Refusal(f"uses autograd inside the step ({name}), at {user_line()}")
        return func(*args, **(kwargs or {}))


class Recorder(TorchDispatchMode):
    """Writes the ops of a step into a recording."""

    def __init__(self, cell: Cell, recording: Recording) -> None:
        super().__init__()
        self.cell, self.recording = cell, recording
        self.grad = torch.is_grad_enabled()
        self.known = {id(t) for t in (*recording.xs, *recording.states)}
        self.given = set(self.known)
        self.stale: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would import dynamo and sympy (1.3 s) to keep it from tracing this class
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        where = user_line()
        written = self._written(func, args, kwargs, where)
        grad = torch.is_grad_enabled()
        passes = self.grad and not grad and any(t.requires_grad for t in written)
        op = Op(func, tuple(args), kwargs, (), where, grad or not self.grad, passes)
        for t in op.tensors():
            if id(t) in self.stale:
                raise Refusal(
                    f"{func} reads what was changed in place through another view, at {where}"
                )
            if id(t) not in self.known:
                self.known.add(id(t))
                self.recording.captured[id(t)] = Captured(t, where)
        out = func(*args, **kwargs)
        leaves = tree_leaves(out)
        if any(not isinstance(t, Tensor) and t is not None for t in leaves):
            raise Refusal(f"a Python value is read from a tensor by {func}, at {where}")
        for t in written:
            self.stale |= {id(other) for other in self._aliases(t) if overlap(t, other)}
        self.known.update(id(t) for t in leaves if t is not None)
        self.recording.ops.append(replace(op, results=tuple(leaves)))
        return out

    def _written(self, func: Any, args: Any, kwargs: Any, where: Where) -> list[Tensor]:
        """What an op changes in place; refuses where the step did not make it."""
        if "_local_scalar_dense" in func.__name__:
            raise Refusal(f"a Python value is read from a tensor (a branch on data?) at {where}")
        given = dict(zip((a.name for a in func._schema.arguments), args, strict=False)) | kwargs
        changed = {a.name for a in func._schema.arguments if a.alias_info and a.alias_info.is_write}
        written = tree_leaves([v for name, v in given.items() if name in changed])
        for t in written:
            if id(t) not in self.known or id(t) in self.given or id(t) in self.recording.captured:
                what = owners(self.cell).get(id(t), "a tensor")
                raise Refusal(
                    f"{func} changes {what} in place, which the step did not make, at {where}"
                )
        return written

    def _aliases(self, target: Tensor) -> list[Tensor]:
        """Other tensors of the step in the same memory."""
        storage = target.untyped_storage()._cdata
        made = (t for op in self.recording.ops for t in op.results if t is not None)
        given = (*self.recording.xs, *self.recording.states)
        return [
            t for t in (*made, *given) if t is not target and t.untyped_storage()._cdata == storage
        ]


def owners(cell: Cell) -> dict[int, str]:
    """What the cell's own tensors are, by id, as in ``running_mean of BatchNorm1d norm_ih``."""
    found: dict[int, str] = {}
    for path, module in cell.named_modules():
        tensors = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        kind = "batch norm in training" if isinstance(module, _BatchNorm) else type(module).__name__
        found |= {id(t): f"{name} of {path or 'the cell'} ({kind})" for name, t in tensors}
    return found


def overlap(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors of one storage have an entry in common."""
    size = a.untyped_storage().nbytes() // a.element_size()
    used = torch.zeros(size, dtype=torch.bool, device="cpu")
    used.as_strided(a.shape, a.stride(), a.storage_offset()).fill_(True)
    return bool(used.as_strided(b.shape, b.stride(), b.storage_offset()).any())


def user_line() -> Where:
    """The innermost line that is neither torch's nor of the compiler."""
    frame = sys._getframe(2)
    found = frame
    while frame is not None:
        if not frame.f_code.co_filename.startswith(NOT_THE_USERS):
            found = frame
            break
        frame = frame.f_back
    return Where(found.f_code.co_filename, found.f_lineno, found.f_code.co_name)


def record(cell: Cell, x: Tree, state: State, batch_size: int = 2) -> Recording:
    """The recording of one step of the cell, for calls of this batch size: of one row, or more.

    ``x`` and ``state`` say sizes, as leaves [T, B, ...] and [B, ...]. Raises Refusal.
    """
    leaves = (*_tree.leaves(x), *_tree.leaves(state))
    sizes = {n for t in (*leaves, *cell.parameters(), *cell.buffers()) for n in t.shape}
    rare = [b for b in BATCHES if all(n % b for n in sizes)]
    if len(rare) < 2:
        raise Refusal("its sizes leave no batch size to record it with")
    first, second = (run(cell, x, state, b) for b in rare[:2])
    if names(first) != names(second):
        if names(first) != names(run(cell, x, state, rare[0])):
            raise Refusal("it takes other operations each time (a scripted function, or noise?)")
        raise Refusal("it takes other operations for another batch size")
    compare_numbers(first, second)
    compare_captured(first, second)
    if batch_size == 1:
        compare_one_row(first, run(cell, x, state, 1))
    return first


def run(cell: Cell, x: Tree, state: State, batch_size: int) -> Recording:
    """One step on a batch of this size."""
    full = max((t.shape[0] for t in _tree.leaves(state)), default=1)

    def state_leaf(t: Tensor) -> Tensor:
        shared = t.shape[0] == 1 and full != 1
        return small(t, 1 if shared else batch_size, tuple(t.shape[1:]))

    one = _tree.map(lambda t: small(t, batch_size, tuple(t.shape[2:])), x)
    before = _tree.map(state_leaf, state)
    recording = Recording(batch_size, _tree.leaves(one), _tree.leaves(before))
    recorder = Recorder(cell, recording)
    elsewhere = foreign_random_state()
    questions = Questions()
    with questions, recorder:
        recording.y, recording.after = step(cell, one, before, batch_size)
    if foreign_random_state() != elsewhere:
        raise Refusal("the step draws random numbers of Python's or NumPy's, anew at each step")
    if any(id(t) in recorder.stale for t in tree_leaves((recording.y, recording.after))):
        raise Refusal("the step gives what was changed in place through another view")
    refuse_functions(recording)
    if questions.asked is not None:
        raise questions.asked
    return recording


def small(t: Tensor, rows: int, features: tuple[int, ...]) -> Tensor:
    """A few rows of numbers of this form, which have a gradient, as they will have in a loop."""
    if not t.is_floating_point():
        return torch.ones(rows, *features, dtype=t.dtype, device=t.device)
    made = torch.rand(rows, *features, dtype=t.dtype, device=t.device) + 0.5
    # no leaf: a step may not change one of those in place, and is to be refused in other words
    return made.requires_grad_().clone() if torch.is_grad_enabled() else made


def step(cell: Cell, x: Tree, state: State, batch_size: int) -> tuple[Tree, State]:
    """One step that keeps the rules. One that does not is left to the eager loop, to say so."""
    try:
        made: Any = cell(x, state)
        check_step(cell, state, made, batch_size)
    except Refusal:
        raise
    except Exception as error:
        raise Refusal(
            f"its step fails on a small batch: {type(error).__name__}: {error}"
        ) from error
    return made


def refuse_functions(recording: Recording) -> None:
    """Refuse a step with derivatives of the user's own, which a recording does not show."""
    seen: set[Any] = {c.tensor.grad_fn for c in recording.captured.values()}
    seen |= {t.grad_fn for t in (*recording.xs, *recording.states)}
    made = [t for t in tree_leaves((recording.y, recording.after)) if isinstance(t, Tensor)]
    stack = [t.grad_fn for t in made]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            name = getattr(node, "_forward_cls", type(node)).__qualname__
            raise Refusal(
                f"the step uses {name}, a torch.autograd.Function: a derivative of its own"
            )
        stack += [function for function, _ in node.next_functions]
