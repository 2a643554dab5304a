"""A recurrent network that decides at each step where to look at its input."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from ostinato import _tree
from ostinato.attention.reinforce import Sample
from ostinato.cell import Cell, OverTime, as_cell, zeros
from ostinato.cells.gated import check_size
from ostinato.errors import ShapeError
from ostinato.sequence import unroll
from ostinato.typing import State, Tree


@final
class RecurrentAttention(OverTime):
    """Looks at one input ``num_steps`` times, each time where the step before decided::

        a = action(h)              # h = 0 before the first step
        h, state = rnn((x, a), state)

    ``rnn`` is a cell that takes the pair (x, a), such as `Recurrent` round a module of two inputs,
    and gives h [B, H] with H = ``hidden_size``; ``action`` a module or cell that takes h. Where
    the action is a `Sample`, the network reads its value, so that it learns from a reward alone;
    gradients flow back through any other action. Every call starts from the initial state. Mnih et
    al. 2014; Torch rnn's ``RecurrentAttention``. Raises ArgumentError for sizes that are not
    positive.
    """

    def __init__(self, rnn: Cell, action: nn.Module, num_steps: int, hidden_size: int) -> None:
        super().__init__()
        check_size("num_steps", num_steps, least=1)
        self.cell = Attending(rnn, action, hidden_size)
        self.num_steps = num_steps

    def forward(self, x: Tree) -> tuple[Tensor, Tree]:
        """x [B, ...] to the outputs of all steps [T, B, H] and the actions, a tree [T, B, ...].

        The actions of `Reinforce` are a `Sample` with value [T, B, ...] and log_prob [T, B].
        """

        def repeated(leaf: Tensor) -> Tensor:
            return leaf.expand(self.num_steps, *leaf.shape)

        (ys, actions), _ = unroll(self.cell, _tree.map(repeated, x))
        return ys, actions

    def extra_repr(self) -> str:
        return f"num_steps={self.num_steps}"


@final
class Attending(Cell):
    """A step of `RecurrentAttention`: x [B, ...] to (h [B, H], action)."""

    def __init__(self, rnn: Cell, action: nn.Module, hidden_size: int) -> None:
        super().__init__()
        check_size("hidden_size", hidden_size, least=1)
        self.rnn, self.action = as_cell(rnn), as_cell(action)
        self.hidden_size = hidden_size

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        like = {"dtype": dtype, "device": device}
        h = zeros(self, batch_size, self.hidden_size, **like)
        before = [cell.initial_state(batch_size, **like) for cell in (self.rnn, self.action)]
        return (h, *before)

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        h, before, decided = state
        action, decided = self.action(h, decided)
        h, after = self.rnn((x, action.value if isinstance(action, Sample) else action), before)
        if h.shape[1:] != (self.hidden_size,):
            raise ShapeError(
                "hidden_size",
                wanted=f"the width of what the rnn gives, {list(h.shape)}",
                got=str(self.hidden_size),
                remedy="The action reads it.",
            )
        return (h, action), (h, after, decided)

    def extra_repr(self) -> str:
        return f"hidden_size={self.hidden_size}"
