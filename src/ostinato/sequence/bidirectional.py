"""Two cells over one sequence, in both directions."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast, final

import torch
from torch import Tensor, nn

from ostinato import _padding, _tree
from ostinato.cell import Cell, OverTime, as_cell
from ostinato.errors import ArgumentError
from ostinato.sequence import check
from ostinato.sequence.unroll import unroll
from ostinato.typing import Tree


@final
class BiSequencer(OverTime):
    """One cell forward and one backward in time, merged: xs [T, B, ...] to ys [T, B, ...].

    Schuster and Paliwal 1997; Torch rnn's ``BiSequencer``. ``backward`` defaults to a copy of
    ``forward`` with parameters drawn anew. ``merge`` is ``"concat"`` (features side by side),
    ``"sum"``, or a module that is called with both outputs [T, B, ...]. Under lengths and masks
    the backward cell starts at each row's own last step, and ys is zero at masked steps. Neither
    cell remembers: a backward one would have to know the future. Raises ArgumentError for an
    unknown merge, or where the copy cannot be drawn anew.
    """

    def __init__(
        self,
        forward: nn.Module,
        backward: nn.Module | None = None,
        merge: str | nn.Module = "concat",
    ) -> None:
        super().__init__()
        if not isinstance(merge, nn.Module) and merge not in ("concat", "sum"):
            raise ArgumentError(
                "merge",
                wanted='"concat", "sum" or a module of two arguments',
                got=repr(merge),
                remedy="Write any other merge as a module.",
            )
        self.forward_cell = as_cell(forward)
        self.backward_cell = redrawn(self.forward_cell) if backward is None else as_cell(backward)
        self.merge = merge

    def forward(
        self,
        xs: Tree,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        mask: Tensor | None = None,
        resets: Tensor | None = None,
        checkpoint: int | None = None,
    ) -> Tree:
        """xs [T, B, ...] to ys [T, B, ...].

        ``resets`` [T, B] mark the first step of a new sequence; the backward cell starts again
        on the other side of the same border. The options are else those of `ostinato.unroll`.
        """
        num_steps, batch_size = check.sequence(self.forward_cell, xs)
        device = _tree.leaves(xs)[0].device
        mask, _ = check.mask(mask, lengths, num_steps, batch_size, device)
        before = None
        if resets is not None:
            resets = check.flags("resets", resets, num_steps, batch_size, device)
            before = torch.cat([resets[1:], resets.new_zeros(min(num_steps, 1), batch_size)])
        given = mask if lengths is None else None
        run = partial(unroll, xs=xs, lengths=lengths, mask=given, checkpoint=checkpoint)
        ahead, _ = run(self.forward_cell, resets=resets)
        back, _ = run(self.backward_cell, resets=before, reverse=True)
        return self._merged(ahead, back, mask)

    def _merged(self, ahead: Tree, back: Tree, mask: Tensor | None) -> Tree:
        if isinstance(self.merge, nn.Module):
            ys: Tree = self.merge(ahead, back)
        elif self.merge == "concat":
            ys = _tree.map(lambda a, b: torch.cat([a, b], dim=-1), ahead, back)
        else:
            ys = _tree.map(torch.add, ahead, back)
        if mask is None or not isinstance(self.merge, nn.Module):
            return ys
        return _tree.map(lambda leaf: _padding.zero_masked(leaf, mask), ys)

    def extra_repr(self) -> str:
        return f"merge={self.merge!r}" if isinstance(self.merge, str) else ""


def redrawn(cell: Cell) -> Cell:
    """A copy of a cell with its parameters drawn anew by their modules' ``reset_parameters``."""
    twin = copy.deepcopy(cell)
    modules = cast("Iterator[tuple[str, nn.Module]]", twin.named_modules())
    for name, module in modules:
        own = list(module.parameters(recurse=False))
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
        elif own:
            raise ArgumentError(
                "backward",
                wanted=f"a cell, as {type(module).__name__} ({name or 'the cell itself'}) has "
                "no reset_parameters() to draw a copy anew",
                got="None",
                remedy="Pass BiSequencer(forward, backward).",
            )
    return twin
