"""Trees of tensors: tuples, named tuples and dicts, nested at will, with tensors as leaves.

A list is not a tree: it would be too easily confused with a sequence over time. A dict is in the
order of its keys, so that a cell may build its new state in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast, overload

import torch
from torch import Tensor

from ostinato._exporting import exporting
from ostinato.errors import DtypeError, StateError
from ostinato.typing import Tree


def children(tree: Tree) -> list[tuple[str, Tree]] | None:
    """The (path step, sub-tree) pairs of an inner node; None for a leaf."""
    if isinstance(tree, tuple):
        items = cast("tuple[Tree, ...]", tree)
        names = getattr(items, "_fields", None)
        if names is None:
            return [(f"[{i}]", item) for i, item in enumerate(items)]
        return [(f".{name}", item) for name, item in zip(names, items, strict=True)]
    if isinstance(tree, dict):
        entries = cast("dict[str, Tree]", tree)
        if not all(isinstance(key, str) for key in entries):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DtypeError(
                "tree",
                wanted="a dict with text as keys",
                got=f"the keys {', '.join(repr(key) for key in entries)}",
                remedy="Name the tensors, as in {'h': h, 'c': c}.",
            )
        return [(f"[{key!r}]", entries[key]) for key in sorted(entries)]
    return None


def rebuild(like: Tree, items: list[Any]) -> Tree:
    """A node of the kind of `like` with these children."""
    if isinstance(like, dict):
        return dict(zip(sorted(cast("dict[str, Tree]", like)), items, strict=True))
    return type(like)(*items) if hasattr(like, "_fields") else tuple(items)


def paths(tree: Tree, prefix: str = "") -> list[tuple[str, Tensor]]:
    """Every leaf with its path, as in ``state[0].h``; another leaf than a tensor is an error."""
    nodes = children(tree)
    if nodes is not None:
        return [leaf for step, node in nodes for leaf in paths(node, prefix + step)]
    if isinstance(tree, Tensor):
        if tree.layout is not torch.strided or tree.is_nested or tree.is_quantized:
            raise DtypeError(
                prefix or "tree",
                wanted="a plain tensor",
                got=describe(tree),
                remedy="Use .to_dense(), .dequantize(), or pad nested rows.",
            )
        return [(prefix, tree)]
    raise StateError(
        prefix or "tree",
        wanted="a tensor, or a tuple, named tuple or dict of tensors",
        got=type(tree).__name__,
        remedy="Use a tuple in place of a list, and () in place of None.",
    )


def tensor(argument: str, given: object) -> Tensor:
    """What is given. Raises DtypeError where it is no plain tensor."""
    if not isinstance(given, Tensor):
        raise DtypeError(
            argument, wanted="a tensor", got=type(given).__name__, remedy="Use torch.as_tensor."
        )
    return paths(given, argument)[0][1]


def leaves(tree: Tree) -> list[Tensor]:
    """The leaves, in the order of `paths`."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, tuple):
        return [leaf for node in cast("tuple[Tree, ...]", tree) for leaf in leaves(node)]
    return [leaf for _, leaf in paths(tree)]


@overload
def map(fn: Callable[[Tensor], Any], tree: Tree) -> Tree: ...
@overload
def map(fn: Callable[[Tensor, Tensor], Any], tree: Tree, other: Tree, /) -> Tree: ...
@overload
def map(fn: Callable[..., Any], tree: Tree, *others: Tree) -> Tree: ...
def map(fn: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """The tree of ``fn(leaf, *leaves of the others at the same place)``."""
    nodes = children(tree)
    if nodes is None:
        return fn(tree, *others)
    rows = [[node for _, node in children(other) or []] for other in others]
    columns = zip((node for _, node in nodes), *rows, strict=True)
    return rebuild(tree, [map(fn, *column) for column in columns])


def apart(tree: Tree, other: Tree) -> Tree:
    """The tree, with copies of the leaves that share memory with a leaf of another tree.

    What is given away may be changed in place by whoever gets it; what is kept must not be. In a
    graph that is exported, where nobody can ask about memory, all leaves are copies.
    """
    if exporting():
        return map(torch.clone, tree)
    kept = leaves(other)
    return map(lambda leaf: leaf.clone() if any(shares(leaf, k) for k in kept) else leaf, tree)


def shares(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors lie in the same memory; in doubt they do."""
    try:
        return a is b or torch._C._is_alias_of(a, b)  # pyright: ignore
    except RuntimeError:
        return True


def describe(tree: Tree) -> str:
    """The shapes of a tree, as in ``([3, 4], [3, 4])``."""
    nodes = children(tree)
    if nodes is None:
        return _described(tree)
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{step[1:-1]}: {describe(node)}" for step, node in nodes) + "}"
    parts = [f"{step[1:]}={describe(n)}" if step[0] == "." else describe(n) for step, n in nodes]
    name = type(tree).__name__ if hasattr(tree, "_fields") else ""
    return f"{name}({', '.join(parts)}{',' if len(parts) == 1 and not name else ''})"


def _described(leaf: object) -> str:
    if not isinstance(leaf, Tensor):
        return type(leaf).__name__
    if leaf.is_nested:
        return "a nested tensor"
    kind = " quantized" if leaf.is_quantized else ""
    layout = "" if leaf.layout is torch.strided else f" {leaf.layout}".replace("torch.", "")
    return f"{list(leaf.shape)}{layout}{kind}"


@dataclass(frozen=True)
class Mismatch:
    """Where two trees differ, and how, in words."""

    path: str
    wanted: str
    got: str
    of_dtype: bool = False

    def __str__(self) -> str:
        return f"{self.path}: wanted {self.wanted}, got {self.got}"


def mismatch(wanted: Tree, got: Tree, path: str) -> Mismatch | None:
    """The first place where two trees differ in structure, shape or dtype; None if nowhere."""
    ours, theirs = children(wanted), children(got)
    if ours is None and theirs is None and isinstance(got, Tensor):
        return _leaf_mismatch(wanted, got, path)
    steps, their_steps = ([step for step, _ in nodes or []] for nodes in (ours, theirs))
    if type(wanted) is not type(got) or steps != their_steps:
        return Mismatch(path, describe(wanted), describe(got))
    pairs = zip(ours or [], theirs or [], strict=True)
    found = (mismatch(a, b, path + step) for (step, a), (_, b) in pairs)
    return next((one for one in found if one is not None), None)


def alike(wanted: Tree, got: Tree) -> bool:
    """Whether two trees have the same structure, shapes and dtypes; in no words, for Dynamo."""
    ours, theirs = children(wanted), children(got)
    if ours is None or theirs is None:
        both = isinstance(wanted, Tensor) and isinstance(got, Tensor)
        return both and wanted.shape == got.shape and wanted.dtype == got.dtype
    same = type(wanted) is type(got) and [step for step, _ in ours] == [step for step, _ in theirs]
    return same and all(alike(a, b) for (_, a), (_, b) in zip(ours, theirs, strict=True))


def _leaf_mismatch(wanted: Tensor, got: Tensor, path: str) -> Mismatch | None:
    if wanted.shape != got.shape:
        return Mismatch(path, f"shape {list(wanted.shape)}", str(list(got.shape)))
    if wanted.dtype != got.dtype:
        return Mismatch(path, f"dtype {wanted.dtype}", str(got.dtype), of_dtype=True)
    return None
