"""Memory of runs, used again: fresh pages from the system cost more than much of the work."""

from __future__ import annotations

import torch
from torch import Tensor

LIMIT = 1 << 29
"""Bytes that lie ready at most; beyond, the block that was given back first goes."""
SPARE = 1 << 16
"""Bytes by which a block may always be larger than what is asked for."""

SIZES = 64
"""Sizes that are told apart at most, the newest."""

free: dict[int, list[Tensor]] = {}
"""Blocks by their bytes; the size that was given back last is the last. Each step on it is one of
the interpreter's, so it needs no lock: what two threads do at once may lose a block to the system,
but never gives it twice. Nor is it gone through but by its keys, of which a list is made without
the collector, whose work may give blocks back."""


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
    block = take_from(size)
    if block is not None:
        return block
    most = 2 * size + SPARE
    for n in sorted(n for n in list(free) if size < n <= most):
        block = take_from(n)
        if block is not None:
            return block
    return torch.empty(size, dtype=torch.uint8, device="cpu")


def take_from(size: int) -> Tensor | None:
    """A block of exactly this size, if one lies ready."""
    try:
        return free[size].pop()
    except (IndexError, KeyError):
        return None


def give(block: Tensor) -> None:
    """Let a block lie ready, and others go where they are too many."""
    n = block.numel()
    blocks = free.pop(n, [])
    blocks.append(block)
    free[n] = blocks
    if sum([n * len(free.get(n, ())) for n in list(free)]) > LIMIT or len(free) > SIZES:
        trim()


def trim() -> None:
    """Let go what is too much, the sizes first that were not given back for longest."""
    for n in list(free)[:-SIZES]:
        free.pop(n, None)
    surplus = sum(n for _, n in sizes()) - LIMIT
    for n in list(free):
        blocks = free.get(n, [])
        while surplus > 0 and blocks:
            del blocks[:1]
            surplus -= n
        if not blocks:
            free.pop(n, None)


def release() -> None:
    """Leave to the system what lies ready."""
    free.clear()


def sizes() -> list[tuple[int, int]]:
    """Address and bytes of what lies ready."""
    return [(block.data_ptr(), n) for n in list(free) for block in list(free.get(n, ()))]
