"""What a cell is: the page that the author of a cell reads.

A cell says what one time step does. Everything else (time, masks, stacks, direction, speed) is
done to it from outside, by `ostinato.unroll` and the combinators::

    class MinimalGated(Cell):                     # Zhou et al. 2016
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.input_size, self.hidden_size = input_size, hidden_size
            self.f = nn.Linear(input_size + hidden_size, hidden_size)
            self.n = nn.Linear(input_size + hidden_size, hidden_size)

        def initial_state(self, batch_size, *, dtype=None, device=None):
            return zeros(self, batch_size, self.hidden_size, dtype=dtype, device=device)

        def forward(self, x, h):                  # x [B, I], h [B, H]
            f = torch.sigmoid(self.f(torch.cat([x, h], -1)))
            n = torch.tanh(self.n(torch.cat([x, f * h], -1)))
            h = (1 - f) * h + f * n
            return h, h
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NoReturn, Self, final

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.errors import (
    ArgumentError,
    BackendError,
    DeviceError,
    DtypeError,
    ShapeError,
    StateError,
)
from ostinato.typing import State, Tree


class Cell(nn.Module, ABC):
    """One step of a recurrent network: ``(x, state) -> (y, state)``.

    A subclass defines `forward` and `initial_state`, and may set ``input_size``, so that a wrong
    input is refused in words. The step must be pure: what lives longer than a step is state,
    random masks included. Rows of the batch must not see each other.
    """

    input_size: int | None = None
    """Features I of one step x [B, I]; None where the cell takes other inputs."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if lacking := getattr(cls, "__abstractmethods__", None):
            raise DtypeError(
                "cell",
                wanted="a class of cells that can be made",
                got=f"{cls.__name__}, which is abstract: it lacks {' and '.join(sorted(lacking))}",
                remedy="Write a subclass that does; ostinato.cells has many.",
            )
        return super().__new__(cls)

    @abstractmethod
    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        """One step: x [B, ...] and the state before it to y [B, ...] and the state after it."""

    @abstractmethod
    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        """The state before the first step: a tree of tensors [B, ...].

        ``dtype`` and ``device`` default to those of the cell's parameters.
        """

    def __prepare_scriptable__(self) -> NoReturn:
        refuse_script(self)

    def __call__(self, x: Tree, state: State) -> tuple[Tree, State]:
        if self.input_size is not None:
            check_step(self, x, self.input_size)
        if state is None and type(self).__module__.startswith("ostinato."):
            raise StateError(
                "state",
                wanted=f"the state before the step of {type(self).__name__}",
                got="None",
                remedy="A cell begins with cell.initial_state(B).",
            )
        try:
            return super().__call__(x, state)
        except RuntimeError:
            _check_kind(self, x)
            raise


def check_step(cell: Cell, x: Tree, input_size: int) -> None:
    """Raise ShapeError where x is not one step [B, I]."""
    whole = isinstance(x, Tensor) and x.layout is torch.strided
    if whole and x.dim() == 2 and x.shape[1] == input_size:
        return
    got = _tree.describe(x)
    raise ShapeError(
        "x",
        wanted=f"one step [B, {input_size}] for {type(cell).__name__}",
        got=got,
        remedy="To run a cell over a whole sequence [T, B, ...], use unroll(cell, xs).",
    )


def _check_kind(cell: Cell, x: Tree) -> None:
    """Raise DtypeError or DeviceError where a step failed on an x of another kind than weights."""
    weight = next((p for p in cell.parameters() if p.is_floating_point()), None)
    if cell.input_size is None or weight is None or not isinstance(x, Tensor):
        return
    if x.dtype != weight.dtype:
        raise DtypeError(
            "x",
            wanted=f"{weight.dtype}, the dtype of {type(cell).__name__}",
            got=str(x.dtype),
            remedy=f"Use x.to({weight.dtype}), or cell.to({x.dtype}).",
        )
    if x.device != weight.device:
        raise DeviceError(
            "x",
            wanted=f"a tensor on {weight.device}, where the cell is",
            got=str(x.device),
            remedy="Move one of them with .to(device).",
        )


@final
class Lift(Cell):
    """A stateless module as a cell: ``y = module(x)``, with the empty state ``()``.

    Takes and gives whatever the module does, x [B, ...] to y [B, ...].
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        return self.module(x), state

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        return ()

    def __repr__(self) -> str:
        return repr(self.module)  # a printed stack shows what its author wrote


class OverTime(nn.Module):
    """Base of modules that run a whole sequence or keep a state themselves, and so are no cells."""

    def __prepare_scriptable__(self) -> NoReturn:
        refuse_script(self)


def refuse_script(module: nn.Module) -> NoReturn:
    """Raise BackendError where torch.jit.script, which asks every module, meets one of ours."""
    raise BackendError(
        "torch.jit.script",
        wanted="modules whose Python it can compile",
        got=f"{type(module).__name__}, which takes any cell and runs compiled loops of its own",
        remedy="Use torch.export, or torch.jit.trace for sequences of one length; within Python "
        "torch.compile.",
    )


def as_cell(module: nn.Module) -> Cell:
    """The module itself when it is a cell, a `Lift` of it when it is a stateless module.

    Raises DtypeError for what is no module, and for modules whose state a lift would lose:
    torch's own recurrent modules, `OverTime` ones, and an ``nn.Sequential`` with cells in it.
    """
    if isinstance(module, Cell):
        return module
    check_module("module", module)
    if isinstance(module, nn.Sequential) and any(isinstance(m, Cell) for m in module.modules()):
        raise DtypeError(
            "module",
            wanted="a Cell or a stateless module",
            got="torch.nn.Sequential with a cell in it",
            remedy="Use ostinato.Stack(*layers), which carries their states.",
        )
    if isinstance(module, nn.RNNCellBase):
        raise DtypeError(
            "module",
            wanted="a Cell or a stateless module",
            got=f"torch.nn.{type(module).__name__}, which has a state",
            remedy=f"Use Recurrence(module, {recurrence_size(module)}).",
        )
    return Lift(module)


def check_any_module(argument: str, module: object) -> None:
    """Raise DtypeError for what is no module."""
    if not isinstance(module, nn.Module):
        raise DtypeError(
            argument,
            wanted="a Cell or a torch.nn.Module",
            got=repr(module),
            remedy="Wrap a function in a module.",
        )


def check_module(argument: str, module: object) -> None:
    """Raise DtypeError for what is no module, and for modules that run over time themselves."""
    check_any_module(argument, module)
    if isinstance(module, (nn.RNNBase, OverTime)):
        ours = "ostinato" if isinstance(module, OverTime) else "torch.nn"
        raise DtypeError(
            argument,
            wanted="a Cell or a stateless module, which take one step",
            got=f"{ours}.{type(module).__name__}, which runs over time itself",
            remedy="Use a cell of ostinato.cells, or Recurrence round a torch.nn cell.",
        )


def recurrence_size(module: nn.RNNCellBase) -> str:
    """The ``hidden_size`` that `Recurrence` wants for one of torch's own cells, as text."""
    size = module.hidden_size
    return f"({size}, {size})" if isinstance(module, nn.LSTMCell) else str(size)


def like(
    module: nn.Module, dtype: torch.dtype | None, device: torch.device | str | None
) -> dict[str, Any]:
    """dtype and device for a new tensor: those given, else those of the module's parameters."""
    if dtype is not None and device is not None:
        return {"dtype": dtype, "device": device}
    numeric = (p for p in module.parameters() if p.is_floating_point() or p.is_complex())
    sample = next(numeric, None)
    if sample is None:
        return {"dtype": dtype, "device": device}
    return {"dtype": dtype or sample.dtype, "device": device or sample.device}


def zeros(
    module: nn.Module,
    *size: int,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """A state of zeros of this size, with the dtype and device of the module's parameters.

    Raises ArgumentError where that is none, or too large.
    """
    try:
        return torch.zeros(*size, **like(module, dtype, device))
    except (TypeError, RuntimeError) as error:
        raise ArgumentError(
            "batch_size",
            wanted="a whole number of rows, and a state of them that fits into memory",
            got=repr(size[0]),
            remedy="The state of a cell is [B, ...].",
        ) from error
