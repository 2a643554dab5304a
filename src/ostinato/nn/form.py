"""The forms in which a sequence comes and goes: batched, unbatched, packed.

Each function here brings the input to xs [T, B, I] and the state to leaves [L*D, B, ...], calls
``run(xs, state, lengths)`` on them, and brings what it gives, ys [T, B, n] and the state, to the
form of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ostinato import _tree
from ostinato.typing import State

Lengths: TypeAlias = Tensor | Sequence[int] | None
Run: TypeAlias = Callable[[Tensor, State, Lengths], tuple[Tensor, State]]


def batched(
    run: Run, x: Tensor, hx: State, lengths: Lengths, batch_first: bool
) -> tuple[Tensor, State]:
    """x [T, B, I], or [B, T, I] where the batch is first."""
    ys, state = run(x.transpose(0, 1) if batch_first else x, hx, lengths)
    return ys.transpose(0, 1) if batch_first else ys, state


def unbatched(run: Run, x: Tensor, hx: State) -> tuple[Tensor, State]:
    """x [T, I] and leaves [L*D, ...]: a batch of one, which comes and goes without being seen."""
    before = None if hx is None else _tree.map(lambda leaf: leaf.unsqueeze(1), hx)
    ys, state = run(x.unsqueeze(1), before, None)
    return ys.squeeze(1), _tree.map(lambda leaf: leaf.squeeze(1), state)


def packed(run: Run, x: PackedSequence, hx: State) -> tuple[PackedSequence, State]:
    """x with data [N, I], its rows run in the order in which they are packed.

    The state comes and goes in the order in which the rows were before.
    """
    there, back = x.sorted_indices, x.unsorted_indices
    xs, lengths = pad_packed_sequence(PackedSequence(x.data, x.batch_sizes))
    ys, state = run(xs, permuted(hx, there), lengths)
    data = pack_padded_sequence(ys, lengths).data
    return PackedSequence(data, x.batch_sizes, there, back), permuted(state, back)


def permuted(state: State, order: Tensor | None) -> State:
    """The state with its rows in another order; leaves that all rows share stay."""
    if state is None or order is None:
        return state

    def leaf(t: Tensor) -> Tensor:
        return t.index_select(1, order) if t.shape[1] == order.shape[0] else t

    return _tree.map(leaf, state)
