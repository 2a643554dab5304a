"""What a recording depends on, as a key: two cells of one key are the same step.

A key is made of the classes, names and plain attributes of all modules, of sizes and dtypes, and
of which tensors are one; never of numbers in tensors. So it is found again for a copy of a cell,
for weights that were swapped, and for drop-ins that make their cells anew at each call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.backends.call import Call
from ostinato.typing import Tree

OWN = frozenset(vars(nn.Module())) - {"training"}
"""Attributes by which nn.Module does its work; what they hold is read one by one."""
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
PLAIN = frozenset((
    int, float, bool, str, bytes, complex, type(None), torch.dtype, torch.Size, torch.device,
))  # fmt: skip


@dataclass
class Identity:
    """The key of a call's cell, and what else the look at it found."""

    parts: list[Any] = field(default_factory=list[Any])
    modules: list[nn.Module] = field(default_factory=list[nn.Module])
    """Each once, in an order that the key says."""
    held: list[Any] = field(default_factory=list[Any])
    """Objects that the key knows by their address: it holds as long as they live."""
    hooked: nn.Module | None = None
    seen: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(self.parts)

    def visit(self, module: nn.Module) -> None:
        """Write down a module and those in it."""
        known = self.seen.get(id(module))
        if known is not None:
            self.parts.append(known)
            return
        self.seen[id(module)] = len(self.seen)
        self.modules.append(module)
        state = module.__dict__
        self.parts.append(type(module))
        for name, value in state.items():
            if name not in OWN:
                self.parts += (name, self.frozen(value))
        for kind in ("_parameters", "_buffers"):
            for name, value in state[kind].items():
                self.parts += (name, self.frozen(value))
        for name, child in state["_modules"].items():
            self.parts.append(name)
            if child is not None:
                self.visit(child)
        self.parts.append(len(state["_modules"]))
        if any(state[hooks] for hooks in HOOKS):
            self.hooked = module

    def frozen(self, value: Any) -> Any:
        """A value as the key knows it: itself, the form of a tensor, or its address."""
        kind = type(value)
        if kind in PLAIN:
            return value
        if isinstance(value, Tensor):
            first = self.seen.setdefault(id(value), len(self.seen))
            return first, value.shape, value.dtype
        if kind is tuple or kind is list:
            return kind, tuple(self.frozen(v) for v in value)
        self.held.append(value)
        return id(value)


def identify(call: Call) -> Identity:
    """The identity of a call's cell, for rows of these sizes."""
    made = Identity()
    made.parts += (form(call.xs, 2), form(call.state, 1))
    made.visit(call.cell)
    return made


def form(tree: Tree, leading: int) -> Any:
    """The structure of a tree, with the features and dtypes of its leaves."""
    if isinstance(tree, Tensor):
        return tree.shape[leading:], tree.dtype
    if isinstance(tree, dict):
        return tuple((name, form(tree[name], leading)) for name in sorted(tree))
    return type(tree), tuple(form(node, leading) for node in tree)
