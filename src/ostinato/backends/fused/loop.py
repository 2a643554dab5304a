"""The compiled time loop, and how many ranges of rows it runs at once."""

from __future__ import annotations

import functools

from ostinato.backends.fused import parallel
from ostinato.backends.fused.compile import compile_text

TEXT = "from ostinato.backends.fused.loop_code import run_loop\n"
CODE = 13
"""Numbers an instruction."""
HEAD = 8
"""Numbers before the addresses of blocks in what a script is run with."""
SPARE = 16
"""Numbers between the addresses of one shard and the next: two threads never share a cache line."""


def num_shards(rows: int) -> int:
    """How many ranges of rows to run at once."""
    return max(1, min(parallel.num_threads(), rows))


@functools.cache
def loop_address() -> int:
    """The address of the compiled loop."""
    return compile_text(TEXT, {"run_loop": "void(int64)"})["run_loop"]
