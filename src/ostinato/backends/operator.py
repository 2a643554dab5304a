"""A call as one operator in the graph of `torch.compile`, which knows its sizes and nothing else.

Dynamo traces `run`: that lists the tensors of a call and of its module, has `ask` tell the form of
the results, and calls the operator ``ostinato::run``. When the compiled graph runs, the operator
makes the very call that is made without `torch.compile`. A compiler that takes the backward apart
(all but ``backend="eager"``) gets ``ostinato::pull`` for it, which reads the graph of autograd
that the forward has left.

What cannot be an operator is a break in the graph, and runs outside of it.
"""

from __future__ import annotations

import functools
import itertools
import sys
import weakref
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.backends.call import hooked, in_transform
from ostinato.backends.fused.trace.identity import PLAIN_TENSORS, Identity
from ostinato.backends.fused.trace.surroundings import Snapshot, apart
from ostinato.backends.recompute import Place, foreign, put, smooth
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


def compiling() -> bool:
    """Whether Dynamo is tracing this for `torch.compile`."""
    return torch.compiler.is_dynamo_compiling() and not torch.compiler.is_exporting()


def run(
    function: Function,
    module: nn.Module,
    given: tuple[Any, ...],
    axes: tuple[tuple[int, ...], ...],
    options: tuple[Any, ...],
) -> tuple[Tree, State]:
    """A call within a graph: ``function(module, *given, *options)``; Dynamo traces this.

    ``given`` are trees of tensors, lists of whole numbers, or None, the first one a tree of
    [T, B, ...]; ``axes`` tell of each tree where T and B, or B alone, stand in the shapes of its
    leaves, and last where B stands in those of the state that is made.
    """
    tensors: list[Tensor] = []
    numbers: list[int] = []
    trees = tuple(flattened(tree, tensors, numbers) for tree in given)
    sizes = tuple(tensors[0].shape[:2])
    one_row = True if sizes[1] == 1 else False  # noqa: SIM210  (in a graph the comparison is no bool)
    specs = tuple(
        spec(tensors[i], sizes, where)
        for tree, where in zip(trees, axes, strict=False)
        for i in indices(tree)
    )
    modules = list(module.modules())
    training = tuple(each.training for each in modules)
    answer = ask(function, options, trees, specs, axes[-1], one_row, training, *modules)
    if isinstance(answer, str):
        torch._dynamo.graph_break(msg=f"{type(module).__name__} runs outside the graph: {answer}")
        return function(module, *given, *options)
    own = [t for m in modules for t in (*m._parameters.values(), *m._buffers.values())]
    tensors += [own[i] for i in answer.kept]
    tensors += [getattr(modules[i], name) for i, name in answer.plain]
    learns = torch.is_grad_enabled()
    wanted = [learns and t.requires_grad for t in tensors]
    results = torch.ops.ostinato.run(
        answer.handle, answer.form, wanted, numbers, tensors[0], tensors[1:]
    )
    count = len(results) - len(answer.changed) - any(wanted)
    for number, value in zip(answer.changed, results[count:], strict=False):
        tensors[number].detach().copy_(value)
    return _tree.map(lambda number: results[number], answer.trees)


def flattened(given: Any, tensors: list[Tensor], numbers: list[int]) -> Any:
    """What was given with the number of each tensor in its place; of a list how long it is."""
    if given is None:
        return None
    if isinstance(given, list):
        numbers += given
        return [len(given)]

    def leaf(t: Tensor) -> int:
        tensors.append(t)
        return len(tensors) - 1

    return _tree.map(leaf, given)


def indices(tree: Any) -> list[int]:
    """The numbers in what `flattened` made."""
    found: list[int] = []
    if tree is not None and not isinstance(tree, list):
        _tree.map(found.append, tree)
    return found


def spec(t: Tensor, sizes: tuple[int, ...], axes: tuple[int, ...]) -> Spec:
    """What is known of a tensor with T and B, or B alone, at these axes."""
    letters = dict(zip(reversed(axes), (("B", sizes[1]), ("T", sizes[0])), strict=False))
    shape = tuple(
        # in a graph int(n) may stay a symbol
        letters[i][0] if i in letters and n == letters[i][1] else len(range(n))
        for i, n in enumerate(t.shape)
    )
    return Spec(shape, t.dtype, t.device, t.requires_grad)


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
            for held in (module._parameters, module._buffers):
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


class Saved(bytearray):
    """What a forward leaves for its backward; it lives as long as the tensor made of it."""

    inputs: list[Tensor]
    outputs: list[Tensor]


SAVED: weakref.WeakValueDictionary[int, Saved] = weakref.WeakValueDictionary()
_numbers = itertools.count()


def keep(inputs: list[Tensor], outputs: list[Tensor]) -> Tensor:
    """A tensor that holds the graph between inputs and outputs: its number, which finds it."""
    number = next(_numbers)
    saved = Saved(number.to_bytes(8, sys.byteorder))
    saved.inputs, saved.outputs = inputs, outputs
    SAVED[number] = saved
    return torch.frombuffer(saved, dtype=torch.int64)


def run_now(
    handle: str,
    form: str,
    wanted: list[bool],
    numbers: list[int],
    first: Tensor,
    others: list[Tensor],
) -> list[Tensor]:
    """The call itself. Nothing that it gives shares memory with what it got or keeps."""
    request, tensors = REQUESTS[handle], [first, *others]
    if not any(wanted):
        with torch.no_grad():
            return separate(request.results(tensors, numbers), tensors)
    # the graph outlives them: who has the memory of an intermediate result may use it again
    given = [t.clone() for t in tensors[: request.count]]
    inputs = [
        t if t.is_leaf and t.requires_grad == want and not t._backward_hooks
        else t.detach().requires_grad_(want)
        for t, want in zip((*given, *tensors[request.count :]), wanted, strict=True)
    ]  # fmt: skip
    with recording():
        made = request.results(inputs, numbers)
    learned = [t for t, want in zip(inputs, wanted, strict=True) if want]
    return [*(t.detach().clone() for t in made), keep(learned, made)]


@contextmanager
def recording() -> Generator[None]:
    """Within the block autograd records, wherever in the run of an operator this is."""
    keys = torch._C.DispatchKey  # pyright: ignore
    inside = torch._C._dispatch_tls_local_include_set()  # pyright: ignore
    outside = torch._C._dispatch_tls_local_exclude_set()  # pyright: ignore
    for key in (keys.AutogradFunctionality, keys.AutogradOther, keys.AutogradNestedTensor):
        outside = outside.remove(key)
    with torch._C._ForceDispatchKeyGuard(inside, outside), torch.enable_grad():  # pyright: ignore
        yield


def separate(made: list[Tensor], given: list[Tensor]) -> list[Tensor]:
    """Results that share no memory with what was given, nor with each other."""
    known = {t.untyped_storage().data_ptr() for t in given}
    found: list[Tensor] = []
    for t in made:
        place = t.untyped_storage().data_ptr()
        found.append(t.clone() if place in known else t.contiguous())
        known.add(place)
    return found


def run_in_graph(
    handle: str,
    form: str,
    wanted: list[bool],
    numbers: list[int],
    first: Tensor,
    others: list[Tensor],
) -> list[Tensor]:
    """The call in the graph of autograd: an ordinary one, or one that is traced."""
    traced = any(type(t) not in PLAIN_TENSORS for t in (first, *others))
    if not torch.is_grad_enabled() or not any(wanted):
        if not traced:
            return run_now(handle, form, wanted, numbers, first, others)
        with torch._C._AutoDispatchBelowAutograd():  # pyright: ignore
            return torch.ops.ostinato.run(handle, form, wanted, numbers, first, others)
    if traced:
        return list(Traced.apply(handle, form, wanted, numbers, first, *others))  # pyright: ignore
    token = torch.zeros(1, dtype=torch.int64, device="cpu")
    return [*REQUESTS[handle].results([first, *others], numbers), token]


def run_fake(
    handle: str,
    form: str,
    wanted: list[bool],
    numbers: list[int],
    first: Tensor,
    others: list[Tensor],
) -> list[Tensor]:
    """Results without numbers."""
    sizes = {"T": first.shape[0], "B": first.shape[1]}
    made = [torch.empty(sized(s, sizes), dtype=d, device=at) for s, d, at in forms(form)]
    return [*made, torch.empty(1, dtype=torch.int64, device="cpu")] if any(wanted) else made


class Traced(torch.autograd.Function):
    """The operator with its backward, as a compiler sees it."""

    @staticmethod
    def forward(
        ctx: Any, handle: str, form: str, wanted: list[bool], numbers: list[int], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        with torch._C._AutoDispatchBelowAutograd():  # pyright: ignore
            made = torch.ops.ostinato.run(
                handle, form, wanted, numbers, tensors[0], list(tensors[1:])
            )
        learned = [t for t, want in zip(tensors, wanted, strict=True) if want]
        ctx.form = spelled((("?",) * t.dim(), t) for t in learned)
        ctx.sizes = [n for t in learned for n in t.shape]
        ctx.wanted = wanted
        ctx.save_for_backward(made[-1])
        ctx.mark_non_differentiable(*(t for t in made if not smooth(t)))
        ctx.set_materialize_grads(False)
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        (token,) = ctx.saved_tensors
        found = iter(torch.ops.ostinato.pull(token, ctx.form, ctx.sizes, list(grads[:-1])))
        return (None,) * 4 + tuple(next(found) if want else None for want in ctx.wanted)


def pull_now(
    token: Tensor, form: str, sizes: list[int], grads: list[Tensor | None]
) -> list[Tensor]:
    """The gradients of the tensors that a forward was to learn."""
    saved = SAVED.get(int(token))
    if saved is None:
        raise BackendError(
            "torch.compile",
            wanted="the graph that the forward has left",
            got="a copy of what stands for it",
            remedy="Leave out hooks that copy saved tensors, such as save_on_cpu.",
        )
    pairs = zip(saved.outputs, grads, strict=False)
    pulled = [(t, g) for t, g in pairs if g is not None and t.requires_grad]
    found = torch.autograd.grad(
        [t for t, _ in pulled], saved.inputs, [g for _, g in pulled],
        retain_graph=True, allow_unused=True, materialize_grads=True,
    )  # fmt: skip
    return separate(list(found), [])


def pull_fake(
    token: Tensor, form: str, sizes: list[int], grads: list[Tensor | None]
) -> list[Tensor]:
    """Gradients without numbers."""
    each = iter(sizes)
    return [
        torch.empty([next(each) for _ in shape], dtype=dtype, device=device)
        for shape, dtype, device in forms(form)
    ]


torch.library.define(
    "ostinato::run",
    "(str handle, str form, bool[] wanted, SymInt[] numbers, Tensor first, Tensor[] others)"
    " -> Tensor[]",
    # two calls of the same tensors may draw different numbers
    tags=(torch.Tag.nondeterministic_seeded,),
)
torch.library.define(
    "ostinato::pull", "(Tensor token, str form, SymInt[] sizes, Tensor?[] grads) -> Tensor[]"
)
for name, key, kernel in (
    ("run", "CompositeExplicitAutograd", run_now),
    ("run", "Autograd", run_in_graph),
    ("pull", "CompositeExplicitAutograd", pull_now),
):
    torch.library.impl(f"ostinato::{name}", key, kernel)
torch.library.register_fake("ostinato::run", run_fake)
torch.library.register_fake("ostinato::pull", pull_fake)
