"""Numbers, dtypes and lengths of seldom used kinds: equal to torch.nn, or to plain ints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ostinato
from ostinato import cells

KINDS = ["RNN", "LSTM", "GRU"]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_numpy(kind: str) -> None:
    make: Any = getattr(ostinato.nn, kind)
    torch.manual_seed(0)
    plain = make(4, 6, num_layers=2, dropout=0.5, recurrent_dropout=0.25, zoneout=0.125)
    torch.manual_seed(0)
    odd = make(
        np.int64(4), np.int32(6), num_layers=np.int64(2), dropout=np.float32(0.5),
        recurrent_dropout=np.float32(0.25), zoneout=np.float64(0.125),
    )  # fmt: skip
    assert repr(odd) == repr(plain)
    xs = torch.randn(5, 3, 4)
    assert torch.equal(odd.eval()(xs)[0], plain.eval()(xs)[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128, torch.float16])
def test_dtypes_equal_torch(kind: str, dtype: torch.dtype) -> None:
    theirs: Any = getattr(nn, kind)(4, 6, dtype=dtype)
    ours: Any = getattr(ostinato.nn, kind)(4, 6, dtype=dtype)
    ours.load_state_dict(theirs.state_dict())
    xs = torch.randn(5, 3, 4, dtype=dtype)
    got, want = ours(xs)[0], theirs(xs)[0]
    assert got.dtype == dtype
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.int8, torch.int16]
)
def test_lengths_of_any_whole_kind(dtype: torch.dtype) -> None:
    cell, xs = cells.GRU(4, 6), torch.randn(5, 3, 4)
    want, _ = ostinato.unroll(cell, xs, lengths=[1, 5, 0])
    got, _ = ostinato.unroll(cell, xs, lengths=torch.tensor([1, 5, 0]).to(dtype))
    assert torch.equal(got, want)
