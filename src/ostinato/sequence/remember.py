"""What the stateful shells share: a state that is kept between calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato._exporting import exporting
from ostinato.backends import in_graph
from ostinato.backends.stepping import Live
from ostinato.cell import Cell, OverTime, as_cell
from ostinato.combine.stack import Stack
from ostinato.errors import ArgumentError, StateError
from ostinato.sequence.chunk import detach
from ostinato.typing import State

MODES = ("neither", "train", "eval", "both")


class Remembering(OverTime):
    """A shell round a cell that keeps the state after a call for the next one.

    ``remember`` says in which mode it does: ``"train"``, ``"eval"``, ``"both"`` or ``"neither"``.
    Going from training to evaluation or back always forgets. A shell among the modules stands for
    its cell: the outermost shell keeps the state.
    """

    def __init__(self, modules: tuple[nn.Module, ...], remember: str) -> None:
        super().__init__()
        inner = [m.cell if isinstance(m, Remembering) else m for m in modules]
        self.cell: Cell = as_cell(inner[0]) if len(inner) == 1 else Stack(*inner)
        self._mode = checked_mode(remember)
        self._state: State = None
        self._given = False
        self._live: Live | None = None
        """Who has the state, in place of `_state`, while it streams."""

    def remember(self, mode: str = "both") -> Self:
        """Set in which mode the state is kept from call to call; returns self."""
        self._mode = checked_mode(mode)
        return self

    def forget(self) -> Self:
        """Drop the state, so that the next call starts from the initial state; returns self."""
        self.state = None
        return self

    @property
    def state(self) -> State:
        """The state after the last call, or that was set for the next one; None if neither.

        A state that is set is used by the next call in any mode, and gradients reach it.
        """
        if self._live is not None:
            self._state, self._live = self._live.read(), None
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state, self._given, self._live = state, state is not None, None

    def train(self, mode: bool = True) -> Self:
        if mode != self.training:
            self.forget()
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # .double(), .to(device) and their kin: what is carried goes with the parameters
        state = self.state
        super()._apply(fn, recurse)  # pyright: ignore[reportUnknownMemberType]
        if state is not None:
            self._state = _tree.map(fn, state)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # a copy, or a saved file, has the values of the state: a graph cannot be copied
        kept = None if self.state is None else detach(self.state)
        return {**self.__dict__, "_state": kept}

    def _before(self, batch_size: int, *, cut: bool) -> State:
        """The state to start a call from; ``cut`` takes a carried state by value."""
        if exporting():
            self._refuse_export()
            return None
        state = self.state
        # neither can be asked in a graph of torch.compile
        if not in_graph.compiling() and torch.is_grad_enabled():
            state = usable(state)
        if self._given:
            return state
        if not self._carries() or state is None:
            return None
        check_rows(state, batch_size)
        return detach(state) if cut else state

    def _carries(self) -> bool:
        """Whether a call goes on from the state after the last one."""
        return self._mode == "both" or self._mode == ("train" if self.training else "eval")

    def _refuse_export(self) -> None:
        """Raise ArgumentError where the graph would have to keep a state, which none can."""
        if self._given or self._carries():
            raise ArgumentError(
                f"{type(self).__name__}",
                wanted='remember="neither" and no state that was set, as a graph keeps none',
                got=f"remember={self._mode!r}" + (" and a state" if self._given else ""),
                remedy="Export unroll(cell, xs, state), or use ostinato.export.stream, where "
                "states are inputs and outputs.",
            )

    def _after(self, state: State, live: Live | None = None) -> None:
        if exporting():
            return
        self._state, self._given, self._live = state, False, live

    def extra_repr(self) -> str:
        return f"remember={self._mode!r}"


def usable(state: State) -> State:
    """A state that autograd can save: what was made in inference mode is copied."""
    if torch.is_inference_mode_enabled() or state is None:
        return state
    if not any(leaf.is_inference() for leaf in _tree.leaves(state)):
        return state
    return _tree.map(lambda leaf: leaf.clone() if leaf.is_inference() else leaf, state)


def checked_mode(mode: str) -> str:
    """The mode itself; ArgumentError where there is no such mode."""
    if mode not in MODES:
        raise ArgumentError(
            "remember",
            wanted=f"one of {', '.join(map(repr, MODES))}",
            got=repr(mode),
            remedy='"both" keeps the state in training and in evaluation.',
        )
    return mode


def check_rows(state: State, batch_size: int) -> None:
    """Raise StateError where a remembered state has another batch size."""
    rows = max([leaf.shape[0] for leaf in _tree.leaves(state)] or [batch_size])
    # one by one: in a graph the sizes may be symbols, which a tuple does not find
    if (rows != batch_size and rows != 1) or (rows == 1 and batch_size != 1 and _single(state)):
        raise StateError(
            "xs",
            wanted=f"the batch size {rows} of the remembered state",
            got=str(batch_size),
            remedy="Call forget() before a batch of another size.",
        )


def _single(state: State) -> bool:
    return all(leaf.shape[0] == 1 for leaf in _tree.leaves(state))
