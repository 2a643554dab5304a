"""Memory of runs, used again: fresh pages from the system cost more than much of the work."""

from __future__ import annotations

import torch
from torch import Tensor

LIMIT = 1 << 29
"""Bytes that lie ready at most; beyond, the block that was given back first goes."""
SPARE = 1 << 16
"""Bytes by which a block may always be larger than what is asked for."""

free: dict[int, Tensor] = {}
"""Blocks by address. Each step on it is one of the interpreter's, so it needs no lock."""


class Lease:
    """A block of memory, which lies ready for the next one when this object is gone."""

    __slots__ = ("block",)

    def __init__(self, size: int) -> None:
        self.block = take(size)

    @property
    def address(self) -> int:
        return self.block.data_ptr()

    def __del__(self) -> None:
        give(self.block)


def take(size: int) -> Tensor:
    """At least so many bytes, with anything in them."""
    most = 2 * size + SPARE
    fitting = [(n, at) for at, n in sizes() if size <= n <= most]
    for _, at in sorted(fitting):
        block = free.pop(at, None)
        if block is not None and size <= block.numel() <= most:
            return block
        if block is not None:  # another thread has put another block of that address there
            give(block)
    return torch.empty(size, dtype=torch.uint8, device="cpu")


def give(block: Tensor) -> None:
    """Let a block lie ready, and others go where they are too many."""
    free[block.data_ptr()] = block
    total = 0
    for at, n in reversed(sizes()):
        total += n
        if total > LIMIT:
            free.pop(at, None)


def release() -> None:
    """Leave to the system what lies ready."""
    free.clear()


def sizes() -> list[tuple[int, int]]:
    """Address and bytes of what lies ready, the oldest first."""
    return [(at, block.numel()) for at, block in list(free.items())]
