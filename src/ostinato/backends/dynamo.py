"""Keeps `torch.compile` out of what it must not trace: code that hands addresses to compiled loops.

Traced, an address of memory would become a constant, and later calls would write to memory that is
no longer theirs. So a function that is `closed` is a break in the graph: Dynamo compiles what comes
before and after it, and leaves it alone.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ostinato._exporting import exporting

P = ParamSpec("P")
R = TypeVar("R")

REASON = "ostinato runs compiled loops of its own here"


def closed(run: Callable[P, R]) -> Callable[P, R]:
    """The function as ``torch.compiler.disable`` has it, but only where Dynamo is in use.

    That decorator of Dynamo's own imports all of it, which takes longer than torch itself.
    """
    disabled: list[Callable[P, R]] = []

    def shut(*args: P.args, **kwargs: P.kwargs) -> R:
        if "torch._dynamo" not in sys.modules:
            return run(*args, **kwargs)
        if not disabled:
            dynamo = sys.modules["torch._dynamo"]
            disabled.append(dynamo.disable(run, reason=REASON))
            # nor is there anything to compile here
            dynamo.eval_frame.skip_code(shut.__code__)  # pyright: ignore
            dynamo.eval_frame.skip_code(wrapper.__code__)  # pyright: ignore
        return disabled[0](*args, **kwargs)

    # what Dynamo asks of a function before it looks into it
    shut._torchdynamo_disable = True  # type: ignore[attr-defined]  # pyright: ignore
    shut._torchdynamo_disable_msg = REASON  # type: ignore[attr-defined]  # pyright: ignore

    @functools.wraps(run)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        # what is exported strictly is traced by Dynamo too, and has no such code in it
        return run(*args, **kwargs) if exporting() else shut(*args, **kwargs)

    return wrapper
