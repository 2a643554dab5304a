"""nonzero_rows."""

from __future__ import annotations

import pytest
import torch

from ostinato import nonzero_rows
from ostinato.errors import ShapeError

MASK = torch.tensor([[True, False], [True, True], [False, False]])


def test_rows_of_any_kind() -> None:
    floats = torch.randn(3, 2, 4)
    floats[~MASK] = 0
    floats[0, 0, :3] = 0  # one that is not zero is enough
    images = floats.reshape(3, 2, 2, 2)
    index = MASK.long() * 5
    for xs in (floats, images, index, floats.requires_grad_(), -floats, floats.bfloat16()):
        assert torch.equal(nonzero_rows(xs), MASK)
        assert not nonzero_rows(xs).requires_grad


def test_the_first_tensor_of_a_tree_decides() -> None:
    ones = torch.ones(3, 2)
    assert torch.equal(nonzero_rows((MASK.float(), ones)), MASK)
    assert torch.equal(nonzero_rows({"b": ones, "a": MASK.float()}), MASK)


def test_minus_zero_nan_and_no_rows() -> None:
    assert not nonzero_rows(-torch.zeros(2, 2, 3)).any()
    assert nonzero_rows(torch.full((2, 2, 3), float("nan"))).all()
    assert nonzero_rows(torch.zeros(0, 2, 3)).shape == (0, 2)
    assert nonzero_rows(torch.zeros(3, 0, 3)).shape == (3, 0)


@pytest.mark.parametrize("xs", [torch.zeros(3), (torch.zeros(3), torch.zeros(3, 2)), ()])
def test_no_sequence_is_refused(xs: object) -> None:
    with pytest.raises(ShapeError, match=r"xs.*\[T, B, \.\.\.\].*\[:, None\]"):
        nonzero_rows(xs)
