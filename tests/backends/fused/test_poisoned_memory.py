"""Memory that nobody has written to is never read: with NaN in all of it, results are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from compare import assert_equal
from torch import Tensor

from catalogue import ENTRIES, Entry
from ostinato import Recursor, _tree
from ostinato.backends.fused.run import pool
from ostinato.errors import BackendError

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "reverse": {"reverse": True},
    "lengths": {"lengths": [2, 0, 5]},
    "all": {
        "mask": torch.tensor([[1, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 1], [1, 0, 1]]).bool(),
        "resets": torch.tensor([[0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 1], [0, 1, 0]]).bool(),
        "reverse": True,
    },
}


def poisoned(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same allocation, with NaN in it; as bytes, with what is NaN in any precision."""

    def filled(*args: Any, **kwargs: Any) -> Tensor:
        made = make(*args, **kwargs)
        if made.is_floating_point():
            made.fill_(torch.nan)
        return made.fill_(255) if made.dtype == torch.uint8 else made

    return filled


@pytest.fixture(autouse=True)
def _poison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "empty", poisoned(torch.empty))
    monkeypatch.setattr(torch, "empty_like", poisoned(torch.empty_like))
    monkeypatch.setattr(Tensor, "new_empty", poisoned(Tensor.new_empty))
    # what a run gave back lies ready for the next one
    monkeypatch.setattr(pool, "take", poisoned(pool.take))


def test_the_poison_is_there() -> None:
    like = torch.zeros(3, dtype=torch.float64)
    for made in (torch.empty(2, 5), torch.empty_like(like), like.new_empty(7)):
        assert made.isnan().all()
    assert pool.Lease(64).block[:64].view(torch.float64).isnan().all()


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_equal_to_eager(entry: Entry) -> None:
    cell, xs = entry.build(torch.float64), entry.inputs(5, 3, torch.float64)
    state = cell.initial_state(3, dtype=torch.float64)
    xs, state = _tree.map(lambda t: t.clone().detach(), (xs, state))
    for t in _tree.leaves((xs, state)):
        t.requires_grad_(t.is_floating_point())
    try:
        for option in OPTIONS.values():
            assert_equal(cell, xs, state, **option)
            with torch.no_grad():
                assert_equal(cell, xs, state, **option)
    except BackendError as refusal:
        pytest.skip(str(refusal))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_streams(entry: Entry, batch: int) -> None:
    cell = entry.build(torch.float64)
    state = cell.initial_state(batch, dtype=torch.float64)
    stream, plain = Recursor(cell), Recursor(cell, backend="eager")
    stream.state = plain.state = state
    xs = entry.inputs(4, batch, torch.float64)
    with torch.no_grad():
        for t in range(4):
            x = _tree.map(lambda leaf, t=t: leaf[t], xs)
            for a, b in zip(_tree.leaves(stream(x)), _tree.leaves(plain(x)), strict=True):
                torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
