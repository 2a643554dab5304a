"""Criteria over steps and rows, beside what tests/checklist/test_criteria.py asks of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato.criteria import (
    MaskZeroCriterion,
    RepeaterCriterion,
    SequencerCriterion,
    partial_cross_entropy,
)
from ostinato.errors import ArgumentError, DtypeError, OstinatoError, ShapeError

MASK = torch.tensor([[True, False, True], [True, False, False], [False, False, False]])
SCORES = torch.randn(3, 3, 4, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([[0, 1, 2], [3, 2, 1], [0, 0, 0]])
NLL = nn.CrossEntropyLoss()


def test_a_mask_over_time_and_rows() -> None:
    want = F.cross_entropy(SCORES[MASK], TARGETS[MASK])
    torch.testing.assert_close(MaskZeroCriterion(NLL)(SCORES, TARGETS, mask=MASK), want)
    rows = torch.tensor([True, False, True])
    want = F.cross_entropy(SCORES[0][rows], TARGETS[0][rows])
    torch.testing.assert_close(MaskZeroCriterion(NLL)(SCORES[0], TARGETS[0], mask=rows), want)


def test_lengths_are_its_short_form() -> None:
    mask = torch.arange(3)[:, None] < torch.tensor([3, 0, 2])
    for criterion in (
        MaskZeroCriterion(NLL),
        SequencerCriterion(NLL),
        SequencerCriterion(NLL, "mean"),
    ):
        want = criterion(SCORES, TARGETS, mask=mask)
        assert torch.equal(criterion(SCORES, TARGETS, lengths=[3, 0, 2]), want)


def test_zero_rows_over_time_are_left_out() -> None:
    scores = SCORES.masked_fill(~MASK[..., None], 0.0)
    want = MaskZeroCriterion(NLL)(scores, TARGETS, mask=MASK)
    torch.testing.assert_close(MaskZeroCriterion(NLL)(scores, TARGETS), want)


def test_masked_rows_have_no_influence_even_if_they_are_nan() -> None:
    scores = SCORES.masked_fill(~MASK[..., None], float("nan")).requires_grad_()
    for criterion in (MaskZeroCriterion(NLL), SequencerCriterion(NLL)):
        loss = criterion(scores, TARGETS, mask=MASK)
        (got,) = torch.autograd.grad(loss, scores)
        assert loss.isfinite()
        assert got.isfinite().all()
        assert not got[~MASK].any()


def test_nothing_left_is_a_loss_of_zero() -> None:
    scores = torch.full((3, 2, 4), float("inf"), requires_grad=True)
    none = torch.zeros(3, 2, dtype=torch.bool)
    targets = torch.zeros(3, 2, dtype=torch.long)
    for criterion in (
        MaskZeroCriterion(NLL),
        SequencerCriterion(NLL),
        SequencerCriterion(NLL, "mean"),
    ):
        loss = criterion(scores, targets, mask=none)
        (got,) = torch.autograd.grad(loss, scores)
        assert loss.item() == 0
        assert not got.any()


def test_a_mask_in_each_step_is_a_mean_over_its_rows() -> None:
    want = F.cross_entropy(SCORES[0][MASK[0]], TARGETS[0][MASK[0]]) + F.cross_entropy(
        SCORES[1, :1], TARGETS[1, :1]
    )
    torch.testing.assert_close(SequencerCriterion(NLL)(SCORES, TARGETS, mask=MASK), want)
    mean = SequencerCriterion(NLL, "mean")(SCORES, TARGETS, mask=MASK)
    torch.testing.assert_close(mean, want / 3)
    target = TARGETS[0]
    repeated = target.expand(3, 3)
    torch.testing.assert_close(
        RepeaterCriterion(NLL)(SCORES, target, mask=MASK),
        SequencerCriterion(NLL)(SCORES, repeated, mask=MASK),
    )


def test_trees_are_cut_alike() -> None:
    class Two(nn.Module):
        """Of a pair of scores, the sum of both losses."""

        def forward(self, inputs: tuple[Tensor, Tensor], targets: dict[str, Tensor]) -> Tensor:
            a, b = inputs
            return F.cross_entropy(a, targets["class"]) + F.mse_loss(b, targets["value"])

    values = torch.randn(3, 3, 2)
    inputs, targets = (SCORES, values + 1), {"class": TARGETS, "value": values}
    want = F.cross_entropy(SCORES[MASK], TARGETS[MASK]) + 1
    torch.testing.assert_close(MaskZeroCriterion(Two())(inputs, targets, mask=MASK), want)
    per_step = SequencerCriterion(Two())(inputs, targets)
    torch.testing.assert_close(per_step, SequencerCriterion(NLL)(SCORES, TARGETS) + 3)


def test_a_criterion_may_have_parameters() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.log_scale = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return ((x - y) * self.log_scale.exp()).square().mean() - self.log_scale

    criterion = SequencerCriterion(Scaled())
    criterion(SCORES, SCORES + 1).backward()
    (scale,) = criterion.parameters()
    assert scale.grad.item() == pytest.approx(3 * (2 - 1))


def test_repr_says_the_reduction() -> None:
    assert "reduction" not in repr(SequencerCriterion(NLL))
    assert "reduction='mean'" in repr(RepeaterCriterion(NLL, "mean"))


ROWS: dict[str, tuple[Callable[[], Any], type[OstinatoError], str, str, str]] = {
    "reduction": (
        lambda: SequencerCriterion(NLL, "none"), ArgumentError, "reduction", '"mean"', "'none'",
    ),
    "two numbers of steps": (
        lambda: SequencerCriterion(NLL)(SCORES, TARGETS[:2]), ShapeError, "targets", "3 steps", "2",
    ),
    "no steps": (
        lambda: SequencerCriterion(NLL)(SCORES[:0], TARGETS[:0]),
        ShapeError, "inputs", "one step", "[0, 3, 4]",
    ),
    "no steps in a list": (
        lambda: RepeaterCriterion(NLL)([], TARGETS[0]),
        ShapeError, "inputs", "one step", "an empty list",
    ),
    "a number for steps": (
        lambda: SequencerCriterion(NLL)(torch.tensor(1.0), TARGETS),
        ShapeError, "inputs", "[T, ...]", "[]",
    ),
    "mask of another size": (
        lambda: SequencerCriterion(NLL)(SCORES, TARGETS, mask=MASK[:2]),
        ShapeError, "mask", "[3, 3]", "[2, 3]",
    ),
    "both": (
        lambda: SequencerCriterion(NLL)(SCORES, TARGETS, mask=MASK, lengths=[1, 1, 1]),
        ArgumentError, "lengths", "either", "both",
    ),
    "no batch": (
        lambda: MaskZeroCriterion(NLL)(SCORES[0, 0], TARGETS[0, 0]),
        ShapeError, "inputs", "rows of features", "[4]",
    ),
    "lengths without time": (
        lambda: MaskZeroCriterion(NLL)(SCORES[0, 0], TARGETS[0, 0], lengths=[1]),
        ShapeError, "inputs", "[T, B, ...]", "[4]",
    ),
    "lengths too long": (
        lambda: MaskZeroCriterion(NLL)(SCORES, TARGETS, lengths=[1, 2, 4]),
        ArgumentError, "lengths", "T=3", "1 to 4",
    ),
    "mask of numbers": (
        lambda: MaskZeroCriterion(NLL)(SCORES[0], TARGETS[0], mask=torch.ones(3)),
        DtypeError, "mask", "bool", "float32",
    ),
    "mask of another kind": (
        lambda: MaskZeroCriterion(NLL)(SCORES[0], TARGETS[0], mask=[True, False, True]),
        DtypeError, "mask", "bool tensor", "list",
    ),
    "rows of the mask": (
        lambda: MaskZeroCriterion(NLL)(SCORES[0], TARGETS[0], mask=MASK[0, :2]),
        ShapeError, "inputs", "[2, ...]", "[3, 4]",
    ),
    "rows of the targets": (
        lambda: MaskZeroCriterion(NLL)(SCORES[0], TARGETS[0, :2], mask=MASK[0]),
        ShapeError, "targets", "[3, ...]", "[2]",
    ),
    "class twice": (
        lambda: partial_cross_entropy(SCORES, TARGETS, [0, 1, 1]),
        ArgumentError, "classes", "different", "[0, 1, 1]",
    ),
    "class out of range": (
        lambda: partial_cross_entropy(SCORES, TARGETS, [0, 4]),
        ArgumentError, "classes", "0 to 3", "[0, 4]",
    ),
    "target not among the classes": (
        lambda: partial_cross_entropy(SCORES, TARGETS, [0, 1]),
        ArgumentError, "targets", "among the classes", "[2, 3]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_says_what_and_what_to_do(name: str) -> None:
    call, kind, argument, wanted, got = ROWS[name]
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert error.argument.startswith(argument)
    assert wanted in error.wanted
    assert got in error.got
    assert error.remedy.endswith((".", ")"))
