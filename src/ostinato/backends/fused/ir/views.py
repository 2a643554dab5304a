"""How torch's view operations change the reading of a stored value."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ostinato.backends.fused.ir.values import Reading, Shape

Change = Callable[[Reading], Reading | None]
"""Gives the changed reading, or None where strides cannot say it and a copy is needed."""


def narrow(axis: int, start: int, length: int, step: int = 1) -> Change:
    """``length`` entries of an axis from ``start``, every ``step``-th."""

    def change(r: Reading) -> Reading:
        shape, strides = list(r.shape), list(r.strides)
        offset = r.offset + start * strides[axis]
        shape[axis], strides[axis] = length, strides[axis] * step
        return Reading(offset, tuple(shape), tuple(strides))

    return change


def select(axis: int, index: int) -> Change:
    """One entry of an axis, which is gone."""

    def change(r: Reading) -> Reading:
        return Reading(
            r.offset + index * r.strides[axis],
            r.shape[:axis] + r.shape[axis + 1 :],
            r.strides[:axis] + r.strides[axis + 1 :],
        )

    return change


def permute(order: tuple[int, ...]) -> Change:
    """The axes in another order."""

    def change(r: Reading) -> Reading:
        shape, strides = (tuple(t[i] for i in order) for t in (r.shape, r.strides))
        return Reading(r.offset, shape, strides)

    return change


def expand(shape: Shape) -> Change:
    """Broadcasting, aligned at the last axis."""

    def change(r: Reading) -> Reading:
        lead = len(shape) - len(r.shape)
        strides = [0] * lead
        for n, wanted, stride in zip(r.shape, shape[lead:], r.strides, strict=True):
            assert n in (1, wanted), (r.shape, shape)
            strides.append(stride if n == wanted else 0)
        return Reading(r.offset, shape, tuple(strides))

    return change


def reshape(shape: Shape) -> Change:
    """The same entries in row-major order under another shape."""

    def change(r: Reading) -> Reading | None:
        strides = reshaped_strides(r.shape, r.strides, shape)
        return None if strides is None else Reading(r.offset, shape, strides)

    return change


def reshaped_strides(old: Shape, strides: Shape, new: Shape) -> Shape | None:
    """Strides that read the same entries under a new shape; None where no strides do."""
    assert math.prod(old) == math.prod(new), (old, new)
    kept = [(n, s) for n, s in zip(old, strides, strict=True) if n != 1]
    out: list[int] = []
    for n in reversed(new):
        if n == 1:
            out.insert(0, 0)
            continue
        size, stride = kept.pop()
        while size % n and kept:
            # the new axis reaches into the next old one: the two must be one dense run
            more, outer = kept.pop()
            if outer != size * stride:
                return None
            size *= more
        if size % n:
            return None
        out.insert(0, stride)
        if size != n:
            kept.append((size // n, stride * n))
    return tuple(out)


def places(reading: Reading) -> np.ndarray:
    """The entries that a reading reads, one for each index, in row-major order."""
    found = np.array(reading.offset)
    for n, stride in zip(reading.shape, reading.strides, strict=True):
        found = found[..., None] + np.arange(n) * stride
    return found.reshape(-1)
