"""What Dynamo must know of a call that becomes an operator, and what the operator needs to make it.

Dynamo asks once for each form of a call. The answer holds numbers and text alone, and is told by
making the call once with a few zeros.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.backends.call import hooked, in_transform
from ostinato.backends.fused.trace.identity import PLAIN_TENSORS, Identity
from ostinato.backends.fused.trace.surroundings import Snapshot, apart
from ostinato.backends.recompute import Place, foreign, put
from ostinato.combine.norm_penalty import penalties
from ostinato.errors import BackendError
from ostinato.typing import State, Tree

Function = Callable[..., tuple[Tree, State]]
"""``(module, *trees of tensors, *options)`` to ys and a state; `closed`."""

Sizes = tuple[int | str, ...]
"""The shape of a tensor, with "T" and "B" for what may differ from call to call."""


class Spec(NamedTuple):
    """What is known of a tensor while Dynamo traces."""

    sizes: Sizes
    dtype: torch.dtype
    device: torch.device
    learns: bool


class Answer(NamedTuple):
    """What Dynamo must know of a call that becomes an operator; constant for it."""

    handle: str
    form: str
    """The form of all results, as the operator is told."""
    kept: tuple[int, ...]
    """Which of the tensors in the modules are passed: each once."""
    plain: tuple[tuple[int, str], ...]
    """Tensors that are plain attributes: the number of their module, and their name."""
    changed: tuple[int, ...]
    """Which of the tensors passed a call changes, as batch norm does."""
    trees: Tree
    """(ys, state), with numbers for leaves."""


@dataclass
class Request:
    """What the operator is to call."""

    function: Function
    module: weakref.ref[nn.Module]
    trees: tuple[Any, ...]
    """The arguments, with the number of each tensor in its place."""
    options: tuple[Any, ...]
    count: int
    """How many tensors the arguments have; those of the modules come after them."""
    places: list[list[Place]]
    """Where each tensor of the modules stands."""
    autocast: tuple[str, torch.dtype, bool] | None
    changed: tuple[int, ...] = ()
    form: str = ""

    def make(self, tensors: Sequence[Tensor], numbers: Sequence[int]) -> tuple[Tree, State]:
        """The call, its modules computing with these tensors."""
        module = self.module()
        assert module is not None
        given = [restored(tree, tensors, numbers) for tree in self.trees]
        pairs = zip(self.places, tensors[self.count :], strict=True)
        with put([(place, t) for places, t in pairs for place in places]), self.surroundings():
            return self.function(module, *given, *self.options)

    def results(self, tensors: Sequence[Tensor], numbers: Sequence[int]) -> list[Tensor]:
        """The leaves of ys and the state, and what the tensors that a call changes become."""
        tensors = [t.clone() if i in self.changed else t for i, t in enumerate(tensors)]
        made = _tree.leaves(self.make(tensors, numbers))
        made += [tensors[i].detach() for i in self.changed]
        sizes = {"T": tensors[0].shape[0], "B": tensors[0].shape[1]}
        for t, (shape, dtype, _) in zip(made, forms(self.form), strict=True):
            if t.shape != sized(shape, sizes) or t.dtype != dtype:
                raise BackendError(
                    "torch.compile",
                    wanted=f"{dtype} {list(shape)} of {type(self.module()).__name__}, as compiled",
                    got=f"{t.dtype} {list(t.shape)}",
                    remedy="The cell has become another one: compile it anew.",
                )
        return made

    def surroundings(self) -> AbstractContextManager[object]:
        """The autocast that the call was traced in, which the graph runs without."""
        return nullcontext() if self.autocast is None else torch.autocast(*self.autocast)


REQUESTS: dict[str, Request] = {}
_handles = itertools.count()


def restored(tree: Any, tensors: Sequence[Tensor], numbers: Sequence[int]) -> Any:
    """An argument as it was before `flattened`."""
    if tree is None:
        return None
    if isinstance(tree, list):
        return list(numbers)
    return _tree.map(lambda number: tensors[cast("int", number)], tree)


def ask(
    function: Function,
    options: tuple[Any, ...],
    trees: tuple[Any, ...],
    specs: tuple[Spec, ...],
    axes: tuple[int, ...],
    one_row: bool,
    training: tuple[bool, ...],
    *modules: nn.Module,
) -> Answer | str:
    """What Dynamo must know of a call; in words where it cannot be an operator.

    Dynamo runs this while it traces, and takes the answer for a constant as long as all modules
    are the same objects and in the same modes.
    """
    # its operators are first needed here
    import_module("ostinato.backends.operator")
    if in_transform():
        return "a functorch transform is under way"
    if any(map(hooked, modules)):
        return "there are hooks"
    own = Owned(modules)
    if any(type(t) not in PLAIN_TENSORS for t in own.tensors):
        return "the parameters are no plain tensors"
    request = Request(
        function,
        weakref.ref(modules[0]),
        trees,
        options,
        len(specs),
        own.places,
        autocast(specs[0]),
    )
    look = Identity()
    look.visit(modules[0])
    before = Snapshot(look)
    try:
        trees = apart(lambda: trial(request, specs, own, axes, one_row))
    except Exception as error:
        return str(error)
    finally:
        before.restore()
    handle = str(next(_handles))
    REQUESTS[handle] = request
    weakref.finalize(modules[0], REQUESTS.pop, handle, None)
    return Answer(handle, request.form, own.kept, own.plain, request.changed, trees)


ask._dynamo_marked_constant = True  # type: ignore[attr-defined]  # pyright: ignore
# as torch.compiler.assume_constant_result does, which imports all of Dynamo


class Owned:
    """The tensors of modules, each once, in the order in which `run` lists them."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.tensors: list[Tensor] = []
        self.places: list[list[Place]] = []
        self.kept: tuple[int, ...] = ()
        self.plain: tuple[tuple[int, str], ...] = ()
        known: dict[int, int] = {}
        number = 0
        for module in modules:
            for held in (module._parameters, module._buffers):  # pyright: ignore
                for name, t in held.items():
                    if t is not None and self._add(t, (held, name), known):
                        self.kept += (number,)
                    number += 1
        for i, module in enumerate(modules):
            for name, t in vars(module).items():
                if isinstance(t, Tensor) and self._add(t, (vars(module), name), known):
                    self.plain += ((i, name),)

    def _add(self, t: Tensor, place: Place, known: dict[int, int]) -> bool:
        """Note where a tensor stands; whether it is a new one."""
        new = id(t) not in known
        if new:
            known[id(t)] = len(self.tensors)
            self.tensors.append(t)
            self.places.append([])
        self.places[known[id(t)]].append(place)
        return new


def autocast(first: Spec) -> tuple[str, torch.dtype, bool] | None:
    """The autocast of the device of a tensor; None where there is none."""
    kind = first.device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return None
    return kind, torch.get_autocast_dtype(kind), True


def trial(
    request: Request, specs: Sequence[Spec], own: Owned, axes: tuple[int, ...], one_row: bool
) -> Tree:
    """Make the call once with two steps of zeros, and note its form; (ys, state) in numbers."""
    small = {"T": 2, "B": 1 if one_row else 2}
    given = [
        torch.zeros(sized(s.sizes, small), dtype=s.dtype, device=s.device).requires_grad_(s.learns)
        for s in specs
    ]
    given = [torch.ones_like(t) if t.dtype == torch.bool else t for t in given]
    # what a step changes is a copy
    held = [t if t.requires_grad else t.clone() for t in own.tensors]
    before = [t._version for t in held]
    numbers = [1] * small["B"]
    with penalties() as added:
        made = request.make([*given, *held], numbers)
    if added:
        raise ValueError("it has a NormPenalty, which adds to the loss")
    leaves = _tree.leaves(made)
    if foreign(leaves, [*given, *held]) is not None:
        raise ValueError("gradients go to tensors that are not its own")
    pairs = enumerate(zip(held, before, strict=True), start=request.count)
    request.changed = tuple(i for i, (t, version) in pairs if t._version != version)
    rows = [with_rows(t, small["B"], axes[0]) for t in _tree.leaves(made[1])]
    shapes: list[Sizes] = [("T", "B", *t.shape[2:]) for t in _tree.leaves(made[0])] + rows
    changed = [held[i - request.count] for i in request.changed]
    shapes += [tuple(t.shape) for t in changed]
    request.form = spelled(zip(shapes, [*leaves, *changed], strict=True))
    numbers = itertools.count()
    return _tree.map(lambda _: next(numbers), made)


def with_rows(t: Tensor, rows: int, axis: int) -> Sizes:
    """The shape of a leaf of a state, which has the rows of the batch or one that they share."""
    return tuple("B" if i == axis and n == rows else n for i, n in enumerate(t.shape))


def sized(shape: Sizes, sizes: dict[str, int]) -> tuple[int, ...]:
    """A shape with numbers for its letters."""
    return tuple(sizes[n] if isinstance(n, str) else n for n in shape)


def spelled(pairs: Iterable[tuple[Sizes, Tensor]]) -> str:
    """Shapes, dtypes and devices, as in ``float32 cpu T B 4;float32 cpu B 4``."""
    return ";".join(
        " ".join(map(str, (str(t.dtype).removeprefix("torch."), t.device, *shape)))
        for shape, t in pairs
    )


@functools.cache
def forms(text: str) -> list[tuple[Sizes, torch.dtype, torch.device]]:
    """What was `spelled`."""
    found: list[tuple[Sizes, torch.dtype, torch.device]] = []
    for dtype, device, *shape in map(str.split, text.split(";") if text else ()):
        sizes = tuple(n if n in "TB?" else int(n) for n in shape)
        found.append((sizes, getattr(torch, dtype), torch.device(device)))
    return found
