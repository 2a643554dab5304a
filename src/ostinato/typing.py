"""The types of the library's signatures, and the legend of the letters in its shapes.

========  ==========================================
letter    size
========  ==========================================
T         time steps
B         rows of the batch (independent sequences)
I         features of one input step
H         hidden features of a cell
R         projected features (``proj_size``)
G         gates of a cell (LSTM 4, GRU 3, Elman 1)
========  ==========================================

``x`` and ``y`` are one step, [B, ...]; ``xs`` and ``ys`` a sequence, [T, B, ...].
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard

from torch import Tensor

Tree: TypeAlias = Any
"""A tensor, or a tuple, named tuple or dict (with string keys) of trees; ``()`` is a tree."""

State: TypeAlias = Tree
"""What a cell carries from step to step: a tree of tensors.

Every leaf has B as its leading dimension, or 1 where the rows of the batch share it
(such as a mask over weights).
"""

Initialiser: TypeAlias = str | Callable[[Tensor], Any]
"""The name of a rule of `ostinato.init`, or a function that fills one matrix [H, n] in place."""


def is_whole(value: object) -> TypeGuard[int]:
    """Whether something is a whole number, of Python's or NumPy's; True and False are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_real(value: object) -> TypeGuard[float]:
    """Whether something is a number, of Python's or NumPy's; True and False are none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


__all__ = ["Initialiser", "State", "Tensor", "Tree"]
