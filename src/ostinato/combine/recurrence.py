"""Cells written for torch, or by others, as cells of this library."""

from __future__ import annotations

from typing import Any, cast, final

from torch import Tensor, nn

from ostinato.cell import Cell, zeros
from ostinato.errors import ArgumentError, DtypeError
from ostinato.typing import State, Tree


@final
class Recurrence(Cell):
    """A module ``(x, h) -> h``, or ``(x, (h, c)) -> (h, c)``, as a cell with y = h.

    ``hidden_size`` is the width of h, or the tuple of the widths of (h, c, ...); the state starts
    at zero. ``torch.nn.LSTMCell(I, H)`` is ``Recurrence(module, (H, H))``, ``torch.nn.GRUCell``
    ``Recurrence(module, H)``, and cells of other packages with these conventions work unchanged.
    x [B, I], y [B, H]. Torch rnn's ``Recurrence``. Raises ArgumentError for sizes that are not
    positive, DtypeError where the module returns something else than the state.
    """

    def __init__(self, module: nn.Module, hidden_size: int | tuple[int, ...]) -> None:
        super().__init__()
        sizes = hidden_size if isinstance(hidden_size, tuple) else (hidden_size,)
        if not sizes or any(not isinstance(n, int) or n < 1 for n in sizes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError(
                "hidden_size",
                wanted="a positive whole number, or a tuple of them",
                got=repr(hidden_size),
                remedy="Give one width for each tensor of the module's state.",
            )
        self.module = module
        self.hidden_size = hidden_size
        size = getattr(module, "input_size", None)
        self.input_size = size if isinstance(size, int) else None

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        def start(size: int) -> Tensor:
            return zeros(self, batch_size, size, dtype=dtype, device=device)

        if isinstance(self.hidden_size, int):
            return start(self.hidden_size)
        return tuple(start(size) for size in self.hidden_size)

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        after = self.module(x, state)
        if isinstance(self.hidden_size, tuple) and isinstance(after, (tuple, list)):
            after = tuple(cast("tuple[Tensor, ...]", after))
            return after[0], after
        if isinstance(self.hidden_size, int) and isinstance(after, Tensor):
            return after, after
        wanted = "h" if isinstance(self.hidden_size, int) else "(h, ...) as its new state"
        raise DtypeError(
            "module",
            wanted=f"a module (x, state) -> {wanted}, for hidden_size={self.hidden_size}",
            got=f"{type(self.module).__name__}, which returned {type(after).__name__}",
            remedy="Give hidden_size the structure of the module's state.",
        )

    def extra_repr(self) -> str:
        return f"hidden_size={self.hidden_size}"
