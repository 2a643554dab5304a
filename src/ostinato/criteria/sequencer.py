"""A criterion applied to each time step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.backends.eager import steps
from ostinato.cell import check_any_module
from ostinato.criteria.mask_zero import on_rows
from ostinato.errors import ArgumentError, ShapeError
from ostinato.sequence import check
from ostinato.typing import Tree


@final
class SequencerCriterion(nn.Module):
    """A criterion applied to each step, with that step's target, and summed over time.

    Torch rnn's ``SequencerCriterion``; ``reduction="mean"``, over the T steps, is its
    ``sizeAverage``. Raises ArgumentError for another reduction than ``"sum"`` and ``"mean"``.
    """

    def __init__(self, criterion: nn.Module, reduction: str = "sum") -> None:
        super().__init__()
        check_any_module("criterion", criterion)
        if reduction not in ("sum", "mean"):
            raise ArgumentError(
                "reduction",
                wanted='"sum" or "mean", over the steps',
                got=repr(reduction),
                remedy="How rows are put together is up to the criterion.",
            )
        self.criterion = criterion
        self.reduction = reduction

    def forward(
        self,
        inputs: Tree,
        targets: Tree,
        *,
        mask: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> Tensor:
        """The loss (a number) of inputs [T, B, ...] and targets [T, B, ...], or lists of T steps.

        Under ``mask``, bool [T, B], or ``lengths`` [B] the criterion of a step sees the rows that
        are there; a step without any counts 0. Raises ShapeError for two numbers of steps, or
        none.
        """
        each, wanted = in_steps("inputs", inputs), in_steps("targets", targets)
        if len(each) != len(wanted):
            raise ShapeError(
                "targets",
                wanted=f"{len(each)} steps, one for each of inputs",
                got=str(len(wanted)),
                remedy="Use RepeaterCriterion for one target at all steps.",
            )
        mask = mask_of(each, mask, lengths)
        if mask is None:
            losses = [self.criterion(x, y) for x, y in zip(each, wanted, strict=True)]
        else:
            rows = zip(each, wanted, mask.unbind(0), strict=True)
            losses = [on_rows(self.criterion, x, y, there) for x, y, there in rows]
        total = torch.stack(losses).sum()
        return total / len(losses) if self.reduction == "mean" else total

    def extra_repr(self) -> str:
        return "" if self.reduction == "sum" else f"reduction={self.reduction!r}"


@final
class RepeaterCriterion(nn.Module):
    """A criterion applied to each step with one and the same target, and summed over time.

    For what a network says of one thing again and again; Torch rnn's ``RepeaterCriterion``. The
    reduction is that of `SequencerCriterion`.
    """

    def __init__(self, criterion: nn.Module, reduction: str = "sum") -> None:
        super().__init__()
        self.each = SequencerCriterion(criterion, reduction)

    def forward(
        self,
        inputs: Tree,
        target: Tree,
        *,
        mask: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> Tensor:
        """The loss (a number) of inputs [T, B, ...], or a list of T steps, and a target [B, ...].

        ``mask`` and ``lengths`` are those of `SequencerCriterion`.
        """
        each = in_steps("inputs", inputs)
        return self.each(each, [target] * len(each), mask=mask, lengths=lengths)


def in_steps(argument: str, given: Tree) -> list[Any]:
    """The steps of a list of them, or of a tree of tensors [T, ...]."""
    if isinstance(given, list):
        found = cast("list[Any]", given)
    else:
        flat = [path for path, leaf in _tree.paths(given, argument) if leaf.dim() == 0]
        found = [] if flat else steps(given)
    if not found:
        raise ShapeError(
            argument,
            wanted="at least one step, [T, ...] or a list of T tensors",
            got=_tree.describe(given) if not isinstance(given, list) else "an empty list",
            remedy="Time is the first dimension.",
        )
    return found


def mask_of(
    each: list[Any], mask: Tensor | None, lengths: Tensor | Sequence[int] | None
) -> Tensor | None:
    """The mask [T, B], from either form of it."""
    if mask is None and lengths is None:
        return None
    sample = _tree.leaves(each[0])[0]
    batch_size = sample.shape[0] if sample.dim() else 0
    return check.mask(mask, lengths, len(each), batch_size, sample.device)[0]
