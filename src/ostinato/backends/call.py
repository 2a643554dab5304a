"""One run of a cell over time, checked and ready for any backend."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_file

from ostinato import _padding, _tree
from ostinato.cell import Cell
from ostinato.typing import State, Tree


@dataclass(frozen=True)
class Call:
    """What `ostinato.unroll` was asked, with every argument checked.

    ``xs`` is a tree of [T, B, ...] with T >= 1; ``mask`` and ``resets`` are bool [T, B] or None;
    ``lengths`` [B] is set where the mask is that of right padding. ``state`` is the state before
    the first step, ``initial`` what a reset goes back to (None without resets).
    """

    cell: Cell
    xs: Tree
    state: State
    mask: Tensor | None = None
    lengths: Tensor | None = None
    resets: Tensor | None = None
    initial: State = None
    reverse: bool = False

    # properties that are not cached, as Dynamo cannot trace the lock of those that are
    @property
    def x_leaves(self) -> list[Tensor]:
        """The leaves of xs."""
        return _tree.leaves(self.xs)

    @property
    def state_leaves(self) -> list[Tensor]:
        """The leaves of the state."""
        return _tree.leaves(self.state)

    @property
    def sample(self) -> Tensor:
        """A leaf of xs, for sizes and the device."""
        return self.x_leaves[0]

    @property
    def num_steps(self) -> int:
        """T."""
        return self.sample.shape[0]

    @property
    def batch_size(self) -> int:
        """B."""
        return self.sample.shape[1]

    def masked(self, tree: Tree) -> Tree:
        """A tree of [T, B, ...] with zeros at masked steps; itself without a mask."""
        mask = self.mask
        if mask is None:
            return tree
        return _tree.map(lambda xs: _padding.zero_masked(xs, mask), tree)


class Memo:
    """What one thread remembers from call to call, and could as well make anew.

    An attribute of a module that changes nothing about it: it is not looked at by the compiler, and
    a copy of the module, or one that is read from a file, begins with an empty one.
    """

    __slots__ = ("noted",)

    def __init__(self) -> None:
        self.noted: tuple[int, Any] = (0, None)

    def found(self) -> Any:
        """What this thread has noted last; None if it was another one."""
        thread, value = self.noted
        return value if thread == threading.get_ident() else None

    def note(self, value: Any) -> None:
        """Remember this in place of what was noted before."""
        self.noted = threading.get_ident(), value

    def __reduce__(self) -> tuple[type[Memo], tuple[()]]:
        return Memo, ()


def initial_state(
    cell: Cell, sample: Tensor, batch_size: int, device: torch.device | str | None = None
) -> State:
    """The cell's initial state, in the dtype of its parameters, else of xs; where xs is."""
    first = first_parameter(cell, is_numeric)
    dtype = None if first is None else first.dtype
    if dtype is None and is_numeric(sample):
        dtype = sample.dtype
    return cell.initial_state(batch_size, dtype=dtype, device=device or sample.device)


def first_parameter(cell: nn.Module, suits: Callable[[Tensor], bool]) -> Tensor | None:
    """The first parameter of a kind, of the cell's own or of the modules in it."""
    for own in cell._parameters.values():  # pyright: ignore[reportPrivateUsage]
        # the usual case, in a tenth of the time
        if own is not None and suits(own):
            return own
    return next(filter(suits, cell.parameters()), None)


def is_numeric(t: Tensor) -> bool:
    """Whether a tensor holds numbers that a state may be made of: floats, or complex ones."""
    return t.is_floating_point() or t.is_complex()


def in_autocast(device: torch.device) -> bool:
    """Whether autocast is on for a device; False for those that have none, such as meta."""
    kind = device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""Where a module keeps what is called before and after it; those of all modules have such names."""


def observer(hook: Callable[..., None]) -> Callable[..., None]:
    """Mark a hook of ours that only looks on: the calls are run as they are without it."""
    hook.observes = True  # pyright: ignore[reportFunctionMemberAccess]
    return hook


def hooked(module: nn.Module) -> bool:
    """Whether a module has hooks, or all modules have: they are to be called at every step."""
    own = module.__dict__
    return any(acts(own[name]) or acts(getattr(module_file, f"_global{name}")) for name in HOOKS)


def acts(hooks: dict[int, Callable[..., object]]) -> bool:
    """Whether some of these hooks do more than look on."""
    return bool(hooks) and not all(hasattr(hook, "observes") for hook in hooks.values())


def in_trace() -> bool:
    """Whether `torch.jit.trace` is writing down operations."""
    return torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def in_transform() -> bool:
    """Whether a functorch transform (vmap, grad, jvp) or forward-mode AD is under way."""
    # torch has no public way to ask; torch.autograd.Function asks the first like this itself
    functorch: bool = torch._C._are_functorch_transforms_active()  # pyright: ignore
    return functorch or torch.autograd.forward_ad._current_level >= 0  # pyright: ignore
