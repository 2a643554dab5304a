"""Whether two trees of what a run leaves behind are the same to the last bit."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import torch


def same(a: Any, b: Any, but: Set[str]) -> bool:
    """Equality of trees of dicts, lists, tensors and plain values, leaving out the keys ``but``."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k], but) for k in a if k not in but)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y, but) for x, y in zip(a, b, strict=True))
    return a == b
