"""Cells written for torch, or by others, as cells of this library; and outputs fed back."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias, cast, final

from torch import Tensor, nn

from ostinato import _tree
from ostinato.cell import Cell, check_module, zeros
from ostinato.errors import ArgumentError, DtypeError
from ostinato.typing import State, Tree, is_whole

Sizes: TypeAlias = "int | list[int] | tuple[Sizes, ...]"
"""The width of a tensor [B, H], the sizes of one [B, ...], or a tuple with one for each."""


class Fed(NamedTuple):
    """What `Recurrence` carries round a cell: the h that it feeds back, and the cell's state."""

    h: Tree
    state: State


@final
class Recurrence(Cell):
    """A module ``(x, h) -> h``, or ``(x, (h, c)) -> (h, c)``, as a cell with y = h.

    ``hidden_size`` is the width of h [B, H], a list of sizes for an h [B, ...] of higher rank, or
    the tuple of those of (h, c, ...), nested at will; the state starts at zero.
    ``torch.nn.LSTMCell(I, H)`` is ``Recurrence(module, (H, H))``, ``torch.nn.GRUCell``
    ``Recurrence(module, H)``, and cells of other packages with these conventions work unchanged.

    A `Cell` in the module's place gives nested recurrence: it reads the pair (x, h) as its x,
    its y is the next h, and its own state is kept beside h, in ``Fed(h, state)``.

    x [B, I], y [B, H]. Torch rnn's ``Recurrence``. Raises ArgumentError for sizes that are not
    positive, DtypeError for what is no module and where it returns something else than h.
    """

    def __init__(self, module: nn.Module, hidden_size: Sizes) -> None:
        super().__init__()
        check_module("module", module)
        if not positive(hidden_size):
            raise ArgumentError(
                "hidden_size",
                wanted="a positive whole number, a list of them, or a tuple of such sizes",
                got=repr(hidden_size),
                remedy="Give one width for each tensor of the module's state.",
            )
        self.module = module
        self.hidden_size = hidden_size
        size = None if isinstance(module, Cell) else getattr(module, "input_size", None)
        self.input_size = int(size) if is_whole(size) else None

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        def start(sizes: Sizes) -> Tree:
            if isinstance(sizes, tuple):
                return tuple(start(one) for one in sizes)
            widths = sizes if isinstance(sizes, list) else [sizes]
            return zeros(self, batch_size, *widths, dtype=dtype, device=device)

        h = start(self.hidden_size)
        if not isinstance(self.module, Cell):
            return h
        return Fed(h, self.module.initial_state(batch_size, dtype=dtype, device=device))

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        if isinstance(self.module, Cell):
            made, inner = self.module((x, state.h), state.state)
            y, h = self._output(made, state.h)
            return y, Fed(h, inner)
        return self._output(self.module(x, state), state)

    def _output(self, made: object, before: Tree) -> tuple[Tree, Tree]:
        """y and h, from what the module returned."""
        several: tuple[Tree, ...] = made if isinstance(made, tuple) else ()  # pyright: ignore
        if len(several) == 2 and _tree.alike(before, several[1]):
            raise DtypeError(
                "module",
                wanted="a module (x, state) -> state",
                got=f"{type(self.module).__name__}, which returned (y, state)",
                remedy="That is a cell: make it a subclass of ostinato.Cell, with its "
                "initial_state, and leave Recurrence out.",
            )
        if isinstance(self.hidden_size, tuple) and isinstance(made, (tuple, list)):
            h = tuple(cast("tuple[Tree, ...]", made))
            return h[0], h
        if not isinstance(self.hidden_size, tuple) and isinstance(made, Tensor):
            return made, made
        got = type(cast("object", made)).__name__
        wanted = "(h, ...) as its new state" if isinstance(self.hidden_size, tuple) else "h"
        raise DtypeError(
            "module",
            wanted=f"a module (x, state) -> {wanted}, for hidden_size={self.hidden_size}",
            got=f"{type(self.module).__name__}, which returned {got}",
            remedy="Give hidden_size the structure of the module's state.",
        )

    def extra_repr(self) -> str:
        return f"hidden_size={self.hidden_size}"


def positive(sizes: object) -> bool:
    """Whether these are sizes, and all at least 1."""
    if isinstance(sizes, (tuple, list)):
        several = cast("tuple[object, ...] | list[object]", sizes)
        flat = isinstance(sizes, tuple) or all(is_whole(n) for n in several)
        return len(several) > 0 and flat and all(map(positive, several))
    return is_whole(sizes) and sizes >= 1
