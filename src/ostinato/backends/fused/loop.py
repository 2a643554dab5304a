"""The tables of the time loop, and its launch on threads.

Threads are those of torch's own OpenMP, so that one pool serves both. After a fork, where OpenMP
would hang or die, and under ``torch.set_num_threads(1)``, the calling thread does everything.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import torch

from ostinato.backends.fused.compile import compile_text

TEXT = "from ostinato.backends.fused.loop_code import run_loop\n"
CODE = 13
"""Numbers an instruction."""

forked = False


def note_fork() -> None:
    """Remember that OpenMP must not be touched in this process."""
    global forked
    forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=note_fork)


def num_shards(rows: int) -> int:
    """How many ranges of rows to run at once."""
    return 1 if forked else max(1, min(torch.get_num_threads(), rows))


@functools.cache
def loop_address() -> int:
    """The address of the compiled loop."""
    return compile_text(TEXT, {"run_loop": "void(int64)"})["run_loop"]


@functools.cache
def loop_function() -> Any:
    """The loop as a callable that lets go of the interpreter's lock."""
    return ctypes.CFUNCTYPE(None, ctypes.c_int64)(loop_address())


@functools.cache
def parallel() -> Any:
    """``GOMP_parallel`` of the OpenMP that torch has loaded, None where there is none."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return None
    paths = {line.split(maxsplit=5)[-1] for line in maps.splitlines() if "libgomp" in line}
    for path in sorted(paths, key=lambda p: "torch" not in p):
        function = getattr(ctypes.CDLL(path), "GOMP_parallel", None)
        if function is not None:
            function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
            function.restype = None
            return function
    return None


def launch(buffers: np.ndarray, clocks: np.ndarray, code: np.ndarray) -> None:
    """Run the instructions for all steps and shards of a clock table [T, shards, 8]."""
    steps, shards, _ = clocks.shape
    cur = np.empty(shards * len(buffers), np.int64)
    data = np.array(
        [
            steps, len(buffers), buffers.ctypes.data, clocks.ctypes.data, code.ctypes.data,
            len(code), cur.ctypes.data, shards, 0,
        ],
        np.int64,
    )  # fmt: skip
    if shards == 1:
        loop_function()(data.ctypes.data)
        return
    openmp = parallel()
    if openmp is not None:
        openmp(loop_address(), data.ctypes.data, shards, 0)
        return
    helpers = [Thread(target=loop_function(), args=(data.ctypes.data,)) for _ in range(shards - 1)]
    for helper in helpers:
        helper.start()
    loop_function()(data.ctypes.data)
    for helper in helpers:
        helper.join()
