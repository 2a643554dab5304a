"""Work on threads: every share once, from several threads, after a fork, without OpenMP."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ostinato.backends.fused.native import dense, parallel


@pytest.fixture(params=["openmp", "pool"])
def way(request, monkeypatch):
    """Both ways to have threads, and work for them however small."""
    if request.param == "pool":
        monkeypatch.setattr(parallel, "find_openmp", lambda: None)
    elif parallel.find_openmp() is None:
        pytest.skip("torch has no OpenMP here")
    monkeypatch.setattr(parallel, "num_threads", lambda: 3)
    monkeypatch.setattr(dense, "SMALL", 0)
    return request.param


def adds_up():
    """A product of many shares, added to what is there: each share must run just once."""
    a, w = torch.randn(301, 40), torch.randn(50, 40)
    out = torch.ones(301, 50)
    dense.matmul(a, w, out, accumulate=True)
    return torch.allclose(out, a @ w.t() + 1, atol=1e-4)


def test_every_share_once(way):
    assert all(adds_up() for _ in range(50))


def test_several_threads_at_once(way):
    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(lambda _: adds_up(), range(100)))


def test_one_thread(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(parallel, "find_openmp", lambda: pytest.fail("started threads"))
    monkeypatch.setattr(dense, "SMALL", 0)
    torch.set_num_threads(1)
    try:
        assert parallel.num_threads() == 1
        assert adds_up()
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork():
    adds_up()
    with warnings.catch_warnings():
        # newer Pythons warn of forks while there are threads
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        torch.set_num_threads(2)
        fine = parallel.num_threads() == 1
        # torch's own operations would hang here on more than one thread
        torch.set_num_threads(1)
        fine = fine and adds_up()
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert parallel.num_threads() == torch.get_num_threads()
