"""The compiled time loop, and how many ranges of rows it runs at once."""

from __future__ import annotations

import functools

from ostinato.backends.fused.native import parallel
from ostinato.backends.fused.native.compile import compile_text

TEXT = "from ostinato.backends.fused.native.source.loop import write_llvm\n"


def num_shards(rows: int) -> int:
    """How many ranges of rows to run at once."""
    return max(1, min(parallel.num_threads(), rows))


@functools.cache
def loop_address() -> int:
    """The address of the compiled loop."""
    return compile_text(TEXT, {"run_loop": 1})["run_loop"]
