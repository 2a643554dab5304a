"""The tables of the time loop, and its launch on threads."""

from __future__ import annotations

import functools

import numpy as np

from ostinato.backends.fused import parallel
from ostinato.backends.fused.compile import compile_text

TEXT = "from ostinato.backends.fused.loop_code import run_loop\n"
CODE = 13
"""Numbers an instruction."""


def num_shards(rows: int) -> int:
    """How many ranges of rows to run at once."""
    return max(1, min(parallel.num_threads(), rows))


@functools.cache
def loop_address() -> int:
    """The address of the compiled loop."""
    return compile_text(TEXT, {"run_loop": "void(int64)"})["run_loop"]


def launch(buffers: np.ndarray, clocks: np.ndarray, code: np.ndarray) -> None:
    """Run the instructions for all steps and shards of a clock table [T, shards, 8]."""
    steps, shards, _ = clocks.shape
    cur = np.empty(shards * len(buffers), np.int64)
    # the last number counts the shards that threads have taken
    data = np.array(
        (
            steps, len(buffers), buffers.ctypes.data, clocks.ctypes.data, code.ctypes.data,
            len(code), cur.ctypes.data, shards, 0,
        ),
        np.int64,
    )  # fmt: skip
    parallel.run(loop_address(), data.ctypes.data, shards)
