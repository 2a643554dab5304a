"""A call as one operator in the graph of `torch.compile`: what Dynamo traces.

`run` lists the tensors of a call and of its module, has `ask` tell the form of the results, and
calls the operator ``ostinato::run``, of which a graph knows the sizes and nothing else. What cannot
be an operator is a break in the graph, and runs outside of it.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato._exporting import exporting
from ostinato.backends.request import Function, Spec, ask
from ostinato.typing import State, Tree

Axes = tuple[tuple[int, ...], ...]
"""Of each tree of tensors, where T and B, or B alone, stand in the shapes of its leaves."""


def compiling() -> bool:
    """Whether Dynamo is tracing this for `torch.compile`."""
    return torch.compiler.is_dynamo_compiling() and not exporting()


def run(
    function: Function,
    module: nn.Module,
    given: tuple[Any, ...],
    axes: Axes,
    options: tuple[Any, ...],
) -> tuple[Tree, State]:
    """A call within a graph: ``function(module, *given, *options)``; Dynamo traces this.

    ``given`` are trees of tensors, lists of whole numbers, or None, the first one a tree of
    [T, B, ...]; ``axes`` are theirs, and last those of the state that is made. The function is
    `closed`.
    """
    if not fits(given):
        return function(module, *given, *options)  # which says what is wrong
    tensors: list[Tensor] = []
    numbers: list[int] = []
    trees = tuple(flattened(tree, tensors, numbers) for tree in given)
    sizes = tuple(tensors[0].shape[:2])
    # in a graph the comparison itself is no bool
    one_row = True if sizes[1] == 1 else False  # noqa: SIM210
    specs = tuple(
        spec(tensors[i], sizes, where)
        for tree, where in zip(trees, axes, strict=False)
        for i in indices(tree)
    )
    modules = list(module.modules())
    training = tuple(each.training for each in modules)
    answer = ask(function, options, trees, specs, axes[-1], one_row, training, *modules)
    if isinstance(answer, str):
        said = f"{type(module).__name__} runs outside the graph: {answer}"
        torch._dynamo.graph_break(msg=said)  # pyright: ignore
        return function(module, *given, *options)
    places = [held for m in modules for held in (m._parameters, m._buffers)]  # pyright: ignore
    own = [t for held in places for t in held.values()]
    tensors += [cast("Tensor", own[i]) for i in answer.kept]
    tensors += [getattr(modules[i], name) for i, name in answer.plain]
    learns = torch.is_grad_enabled()
    wanted = [learns and t.requires_grad for t in tensors]
    results = torch.ops.ostinato.run(
        answer.handle, answer.form, wanted, numbers, tensors[0], tensors[1:]
    )
    count = len(results) - len(answer.changed) - any(wanted)
    for number, value in zip(answer.changed, results[count:], strict=False):
        tensors[number].detach().copy_(value.detach())
    return _tree.map(lambda number: results[number], answer.trees)


def fits(given: tuple[Any, ...]) -> bool:
    """Whether these are arguments as `run` takes them."""
    for one in given:
        if one is not None and not is_numbers(one) and not all(map(is_tensor, nodes(one))):
            return False
    first = nodes(given[0])
    return bool(first) and first[0].dim() >= 2


def nodes(tree: Any) -> list[Any]:
    """The leaves of a tree, whatever they are."""
    found: list[Any] = []
    _tree.map(found.append, tree)
    return found


def is_tensor(one: object) -> bool:
    """Whether something is a tensor."""
    return isinstance(one, Tensor)


def is_numbers(one: object) -> bool:
    """Whether something is a list or tuple of whole numbers, and at least one."""
    if not isinstance(one, (list, tuple)):
        return False
    items = cast("list[object]", one)
    return len(items) > 0 and all(isinstance(n, int) for n in items)


def flattened(given: Any, tensors: list[Tensor], numbers: list[int]) -> Any:
    """What was given with the number of each tensor in its place, [None] for a list of numbers."""
    if given is None:
        return None
    if is_numbers(given):
        numbers += given
        return [None]

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
