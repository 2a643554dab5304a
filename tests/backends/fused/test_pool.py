"""Memory that is used again: never by two at once, and never more than the limit lying ready."""

import gc

import pytest
import torch

import ostinato
from ostinato import cells
from ostinato.backends.fused.run import pool


@pytest.fixture(autouse=True)
def _empty():
    pool.release()
    yield
    pool.release()


def test_a_block_comes_back_when_its_lease_ends():
    first = pool.Lease(1 << 20)
    address = first.address
    second = pool.Lease(1 << 20)
    assert second.address != address, "one block has two owners"
    del first
    assert pool.Lease(1 << 20).address == address


def test_a_block_is_not_much_larger_than_what_is_asked_for():
    lease = pool.Lease(1 << 22)
    large = lease.address
    del lease
    assert pool.Lease(1 << 16).address != large
    assert pool.Lease(3 << 20).address == large


def test_what_lies_ready_is_limited(monkeypatch):
    monkeypatch.setattr(pool, "LIMIT", 3 << 20)
    leases = [pool.Lease(1 << 20) for _ in range(5)]
    last = leases[-1].address
    while leases:
        del leases[0]
    ready = pool.sizes()
    assert len(ready) == 3
    assert last in [at for at, _ in ready], "the newest stays"


def test_the_memory_of_a_graph_is_its_own_until_it_dies():
    cell, xs = cells.LSTM(3, 5), torch.randn(4, 2, 3)
    first, _ = ostinato.unroll(cell, xs, backend="fused")
    second, _ = ostinato.unroll(cell, 2 * xs, backend="fused")
    grads = [torch.autograd.grad(ys.sum(), list(cell.parameters())) for ys in (second, first)]
    again, _ = ostinato.unroll(cell, xs, backend="fused")
    for a, b in zip(
        grads[1], torch.autograd.grad(again.sum(), list(cell.parameters())), strict=True
    ):
        assert torch.equal(a, b)


def test_a_graph_is_freed_without_the_collector():
    cell, xs = cells.LSTM(3, 5), torch.randn(4, 2, 3)
    ostinato.unroll(cell, xs, backend="fused")
    gc.collect()
    gc.disable()
    try:
        pool.release()
        ys, state = ostinato.unroll(cell, xs, backend="fused")
        ready = len(pool.sizes())
        del ys, state
        assert len(pool.sizes()) == ready + 1, "the record was not given back"
    finally:
        gc.enable()


def test_a_block_that_another_thread_put_in_its_place_is_not_taken(monkeypatch):
    small, other = pool.take(100), pool.take(4096)
    # between the look and the grasp the block of that address was taken, freed, and made anew
    monkeypatch.setattr(pool, "sizes", lambda: [(small.data_ptr(), 4096)])
    pool.free[small.data_ptr()] = small
    taken = pool.take(4096)
    assert taken.numel() == 4096
    assert taken.data_ptr() not in (small.data_ptr(), other.data_ptr())
    assert pool.free[small.data_ptr()] is small
