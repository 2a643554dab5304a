"""One C function on several threads at once, those that torch has.

The function is `void(int64)`, is called by every thread with the same address of data, and has to
find its share of the work itself, by a counter that it advances atomically: threads may be fewer
than expected, and one that comes late finds nothing left. That holds for all ways below.

Torch's own OpenMP is called, so that its products and our loops share one pool of threads: two
pools on the same cores would spin against each other. The team has always torch's size, since
OpenMP ends the threads that a smaller one leaves over and would have to start them again. Where
torch has no OpenMP of that kind (Windows), a pool of Python threads serves, which takes some 100
microseconds a call and not 2. After a fork, where OpenMP hangs or kills the process, the calling
thread does everything, as it does under ``torch.set_num_threads(1)``.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch

forked = False


def note_fork() -> None:
    """Remember that OpenMP must not be touched in this process."""
    global forked
    forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=note_fork)


def num_threads() -> int:
    """How many threads run at once."""
    return 1 if forked else torch.get_num_threads()


def run(function: int, data: int, shares: int) -> None:
    """Call the C function at an address, on threads where there is more than one share of work."""
    threads = num_threads()
    if shares == 1 or threads == 1:
        callable_at(function)(data)
    elif (openmp := find_openmp()) is not None:
        openmp(function, data, threads, 0)
    else:
        run_in_pool(callable_at(function), data, min(shares, threads))


@functools.cache
def callable_at(function: int, arguments: int = 1) -> Any:
    """A C function of int64 as a callable that lets go of the interpreter's lock."""
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * arguments)(function)


@functools.cache
def find_openmp() -> Any:
    """``GOMP_parallel`` of the OpenMP that torch is linked with; LLVM's has it too."""
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    library = Path(torch.__file__).parent / "lib" / f"libtorch_cpu{suffix}"
    try:
        # finds what the libraries export that this one needs
        parallel = ctypes.CDLL(str(library)).GOMP_parallel
    except (OSError, AttributeError):
        return None
    parallel.argtypes = (ctypes.c_int64, ctypes.c_int64, ctypes.c_uint, ctypes.c_uint)
    parallel.restype = None
    return parallel


@functools.cache
def pool() -> ThreadPoolExecutor:
    """Threads for where there is no OpenMP, as many as there are cores."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="ostinato")


def run_in_pool(function: Any, data: int, threads: int) -> None:
    """The calling thread works too, so that a busy pool delays nothing."""
    helpers = [pool().submit(function, data) for _ in range(threads - 1)]
    function(data)
    # what has not begun would find nothing; what has must end before the data goes
    wait([helper for helper in helpers if not helper.cancel()])
