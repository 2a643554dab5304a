"""MaskZero, beside what tests/checklist/test_masking.py asks of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from catalogue import MinimalGated, PairCell, gru, lstm
from ostinato import (
    BiSequencer,
    HeldDropout,
    LearnedState,
    MaskZero,
    RecurrentDropout,
    Sequencer,
    Stack,
    WeightDrop,
    explain,
    nonzero_rows,
    unroll,
)
from ostinato.errors import ShapeError


def with_gaps(num_steps: int = 6, batch_size: int = 4) -> torch.Tensor:
    xs = torch.randn(num_steps, batch_size, 3)
    xs[torch.rand(num_steps, batch_size) < 0.4] = 0
    return xs


@pytest.mark.parametrize("trim", [False, True])
def test_a_masked_row_has_the_initial_state_afterwards(trim: bool) -> None:
    cell = LearnedState(gru())
    nn.init.uniform_(cell.start[0])
    x = torch.randn(3, 3)
    x[1] = 0
    _, h = MaskZero(cell, trim=trim)(x, torch.randn(3, 5))
    assert torch.equal(h[1], cell.start[0][0])
    h[1].sum().backward()
    assert torch.equal(cell.start[0].grad, torch.ones(1, 5))


@pytest.mark.parametrize("trim", [False, True])
def test_masks_that_hold_for_a_sequence_are_kept(trim: bool) -> None:
    for cell in (HeldDropout(3, 0.5), RecurrentDropout(gru(), 0.5)):
        wrapped = MaskZero(cell, trim=trim)
        xs = with_gaps()
        xs[2] = 0
        state = wrapped.initial_state(4)
        _, after = unroll(wrapped, xs, state)
        assert torch.equal(after.mask, state.mask)


def test_trimming_leaves_what_rows_share_alone() -> None:
    """One row is left of four; the mask over the weights has one row too."""
    cell = WeightDrop(lstm(), 0.5)
    x = torch.zeros(4, 3)
    x[2] = 1
    state = cell.initial_state(4)
    y, after = MaskZero(cell, trim=True)(x, state)
    want, want_after = MaskZero(cell)(x, state)
    torch.testing.assert_close(y, want)
    torch.testing.assert_close(after.state, want_after.state)
    assert torch.equal(after.mask[0], state.mask[0])


@pytest.mark.parametrize("trim", [False, True])
def test_the_first_tensor_of_a_tree_decides(trim: bool) -> None:
    cell = PairCell(3, 7)
    xs = with_gaps(), torch.randint(7, (6, 4))
    ys, _ = unroll(MaskZero(cell, trim=trim), xs)
    mask = nonzero_rows(xs)
    want, _ = unroll(cell, xs, mask=mask, resets=~mask)
    torch.testing.assert_close(ys, want)
    assert not ys["square"][~mask].any()


def test_a_tiny_number_and_nan_are_no_zeros() -> None:
    x = torch.zeros(3, 3)
    x[0, 1], x[1, 2] = 1e-40, float("nan")  # whose squares are 0 and NaN
    y, _ = MaskZero(nn.Linear(3, 2))(x, ())
    assert y[0].any()
    assert y[1].isnan().all()
    assert not y[2].any()


def test_index_0_is_a_row_of_zeros() -> None:
    table = nn.Embedding(5, 3)
    y, _ = MaskZero(table)(torch.tensor([2, 0, 4]), ())
    assert torch.equal(y[0], table.weight[2])
    assert not y[1].any()


def test_with_a_mask_of_its_own_and_in_reverse() -> None:
    """Masked steps hold the state; rows of zeros start again, whichever way time runs."""
    cell, xs = MinimalGated(3, 5), with_gaps()
    there, mask = nonzero_rows(xs), torch.rand(6, 4) < 0.7
    for reverse in (False, True):
        options = {"reverse": reverse}
        ys, state = unroll(MaskZero(cell), xs, mask=mask, **options)
        want = unroll(cell, xs, mask=mask & there, resets=mask & ~there, **options)
        torch.testing.assert_close((ys, state), want)


def test_both_directions() -> None:
    xs, mask = with_gaps(), None
    mask = nonzero_rows(xs)
    both = BiSequencer(lstm(), gru(), merge="sum")
    wrapped = BiSequencer(MaskZero(both.forward_cell), MaskZero(both.backward_cell), merge="sum")
    torch.testing.assert_close(wrapped(xs), both(xs, mask=mask, resets=~mask))


def test_a_separator_at_the_end_of_a_call_holds_for_the_next() -> None:
    cell = gru()
    xs = torch.randn(4, 2, 3)
    xs[1, 0] = 0
    shell = Sequencer(MaskZero(cell), remember="both")
    ys = torch.cat([shell(xs[:2]), shell(xs[2:])])
    torch.testing.assert_close(ys, unroll(MaskZero(cell), xs)[0])
    torch.testing.assert_close(ys[2:, :1], unroll(cell, xs[2:, :1])[0])


def test_trimming_is_left_to_the_loop_and_says_so() -> None:
    xs = with_gaps()
    assert "eager" in str(explain(MaskZero(lstm(), trim=True), xs))
    assert "compiled" in str(explain(MaskZero(lstm()), xs, backend="fused"))
    assert "trim=True" in repr(Stack(MaskZero(lstm(), trim=True)))


def test_a_step_without_rows_is_refused() -> None:
    for x, got in ((torch.tensor(1.0), "a number"), ((), "no tensor")):
        with pytest.raises(
            ShapeError, match=rf"x: wanted one step \[B, \.\.\.\].*{got}.*x\[None\]"
        ):
            MaskZero(nn.Identity())(x, ())
