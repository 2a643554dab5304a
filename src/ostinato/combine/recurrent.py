"""A simple recurrent network put together from modules, with a start of its own."""

from __future__ import annotations

from typing import Any, NamedTuple, cast, final

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.cell import Cell, check_module, like, zeros
from ostinato.cells.gated import check_size
from ostinato.errors import ArgumentError
from ostinato.typing import State, Tree


class RecurrentState(NamedTuple):
    """What `Recurrent` carries: h, and by row whether it has taken a first step (bool [B, 1])."""

    h: Tree
    started: Tensor


class Bias(nn.Module):
    """x + b with a learned vector b [n], drawn from U(-1/sqrt(n), 1/sqrt(n)); Torch's ``Add``."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = self.bias.numel() ** -0.5
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias

    def extra_repr(self) -> str:
        return str(self.bias.numel())


class Sum(nn.Module):
    """a + b; Torch's ``CAddTable``."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


@final
class Recurrent(Cell):
    """Torch rnn's ``Recurrent(start, input, feedback, transfer, merge)``::

        h = transfer(start(input(x)))                 # the first step of a row
        h = transfer(merge(input(x), feedback(h)))    # every later one
        y = h

    ``start`` is the number of hidden units, which makes it a learned bias, or a module, and then
    ``hidden_size`` says the width of h, or the widths of the tensors of a tuple that serves as h.
    ``transfer`` defaults to sigmoid, ``merge`` (called with two arguments) to the sum. The
    feedback and its bias have no part in the first step, nor the start in later ones; after a
    reset a row starts again. x as ``input`` takes it, y = h [B, H], state (h, whether the row has
    started [B, 1]). Raises ArgumentError where the size of h is not known or not positive,
    DtypeError where a part is no module.
    """

    def __init__(
        self,
        start: int | nn.Module,
        input: nn.Module,
        feedback: nn.Module,
        transfer: nn.Module | None = None,
        merge: nn.Module | None = None,
        *,
        hidden_size: int | tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(start, nn.Module) and hidden_size is None:
            raise ArgumentError(
                "hidden_size",
                wanted="the size of h where start is a module",
                got="None",
                remedy="Pass hidden_size=H.",
            )
        argument, size = "start", start
        if isinstance(start, nn.Module):
            argument, size = "hidden_size", hidden_size
        for width in cast("tuple[int, ...]", size if isinstance(size, tuple) else (size,)):
            check_size(argument, width, least=1)
        parts = {"input": input, "feedback": feedback, "transfer": transfer, "merge": merge}
        for name, part in parts.items():
            if part is not None or name in ("input", "feedback"):
                check_module(name, part)
        self.hidden_size = size
        self.start = start if isinstance(start, nn.Module) else Bias(start)
        self.input, self.feedback = input, feedback
        self.transfer = nn.Sigmoid() if transfer is None else transfer
        self.merge = Sum() if merge is None else merge

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        def leaf(size: int) -> Tensor:
            return zeros(self, batch_size, size, dtype=dtype, device=device)

        device = like(self, dtype, device)["device"]
        started = torch.zeros(batch_size, 1, dtype=torch.bool, device=device)
        return RecurrentState(_tree.map(leaf, self.hidden_size), started)

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        a = self.input(x)
        first = self.transfer(self.start(a))
        later = self.transfer(self.merge(a, self.feedback(state.h)))
        h = _tree.map(lambda f, n: torch.where(state.started, n, f), first, later)
        return h, RecurrentState(h, torch.ones_like(state.started))

    def extra_repr(self) -> str:
        return f"hidden_size={self.hidden_size}"
