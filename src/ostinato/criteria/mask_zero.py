"""A criterion over the rows that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from ostinato import _padding, _tree
from ostinato.errors import DtypeError, ShapeError
from ostinato.sequence import check
from ostinato.typing import Tree


@final
class MaskZeroCriterion(nn.Module):
    """A criterion over the rows that are there, so that its mean is their mean.

    ``criterion`` gets inputs [N, ...] and targets [N, ...] without the masked rows; where none are
    left the loss is 0, and so is its gradient. Torch rnn's ``MaskZeroCriterion``.
    """

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.criterion = criterion

    def forward(
        self,
        inputs: Tree,
        targets: Tree,
        *,
        mask: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> Tensor:
        """The loss (a number) of inputs [B, n] or [T, B, n] and targets [B, ...] or [T, B, ...].

        ``mask``, bool [B] or [T, B], is False at the rows to leave out; ``lengths`` [B] is its
        short form for inputs [T, B, ...]. Without both, rows of inputs that are zero throughout
        are left out, as `MaskZero` and `unroll` make them. Trees are cut alike, their first
        tensor decides. Raises ShapeError where inputs have no rows, or another number than the
        mask or the targets.
        """
        sample = _tree.leaves(inputs)[0]
        if mask is None and lengths is None:
            rows = nonzero(sample)
        elif isinstance(mask, Tensor) and lengths is None and mask.dim() == 1:
            rows = mask
        else:
            rows = over_time(mask, lengths, sample)
        check_rows(rows, inputs, targets)
        return on_rows(self.criterion, inputs, targets, rows)


def on_rows(criterion: nn.Module, inputs: Tree, targets: Tree, rows: Tensor) -> Tensor:
    """The criterion over the rows where ``rows`` is True; 0 where there are none."""

    def kept(leaf: Tensor) -> Tensor:
        return leaf[rows]

    some = _tree.map(kept, inputs)
    if not rows.any():
        # a sum over nothing is zero, and so is its gradient
        return torch.stack([leaf.sum() for leaf in _tree.leaves(some)]).sum()
    return criterion(some, _tree.map(kept, targets))


def nonzero(sample: Tensor) -> Tensor:
    """Which rows of inputs [..., n] are not zero."""
    if sample.dim() < 2:
        raise ShapeError(
            "inputs",
            wanted="rows of features, [B, n] or [T, B, n], or a mask",
            got=str(list(sample.shape)),
            remedy="Add a batch dimension with x[None], or pass mask=.",
        )
    return _padding.nonzero_rows(sample, sample.dim() - 1)


def over_time(
    mask: Tensor | None, lengths: Tensor | Sequence[int] | None, sample: Tensor
) -> Tensor:
    """The mask [T, B] of inputs [T, B, ...], from either form of it."""
    if sample.dim() < 2:
        raise ShapeError(
            "inputs",
            wanted="[T, B, ...], for lengths or a mask over time",
            got=str(list(sample.shape)),
            remedy="A mask [B] goes with one step.",
        )
    found, _ = check.mask(mask, lengths, sample.shape[0], sample.shape[1], sample.device)
    assert found is not None
    return found


def check_rows(rows: Tensor, inputs: Tree, targets: Tree) -> None:
    """Raise where inputs or targets do not have these rows."""
    if rows.dtype != torch.bool:
        raise DtypeError(
            "mask", wanted="a bool tensor", got=str(rows.dtype), remedy="Write it as a comparison."
        )
    wanted = list(rows.shape)
    for path, leaf in (*_tree.paths(inputs, "inputs"), *_tree.paths(targets, "targets")):
        if list(leaf.shape[: rows.dim()]) != wanted:
            raise ShapeError(
                path,
                wanted=f"[{', '.join(map(str, wanted))}, ...], the rows of the mask",
                got=str(list(leaf.shape)),
                remedy="Inputs, targets and mask have the same leading dimensions.",
            )
