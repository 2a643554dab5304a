"""Arguments for fuzzed calls: good ones, and ones that nobody should give."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

IN, H = 3, 4
"""Features that the cells that are called read, and have."""


class Values:
    """Draws arguments by a generator of random numbers."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def maybe(self, share: float) -> bool:
        """True so often."""
        return self.chance.random() < share

    def numbers(self, *size: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """A tensor of this size: mostly plain numbers, now and then others, or laid out oddly."""
        made = torch.randn(*size, dtype=dtype)
        kind = self.chance.randrange(12)
        if kind == 0 and made.numel():
            made.flatten()[self.chance.randrange(made.numel())] = self.chance.choice(
                [float("nan"), float("inf"), -float("inf"), 1e6, 1e-40, 0.0]
            )
        elif kind == 1:
            made = torch.zeros(*size, dtype=dtype)
        elif kind == 2 and len(size) > 1:
            made = torch.randn(*size[::-1], dtype=dtype).permute(*reversed(range(len(size))))
        elif kind == 3:
            made = torch.randn(*(2 * n for n in size), dtype=dtype)[
                tuple([slice(None, None, 2)] * len(size))
            ]
        elif kind == 4:
            made = torch.randn(1, dtype=dtype).expand(*size)
        elif kind == 5:
            made.requires_grad_()
        return made

    def wrong(self, like: Any = None) -> Any:
        """Something that is no good argument, perhaps nearly one."""
        if isinstance(like, Tensor) and self.maybe(0.6):
            return self.chance.choice(NEARLY)(self, like)
        return self.chance.choice(WRONG)(self)

    def lengths(self, steps: int, rows: int) -> Any:
        """Lengths of rows, in one of their forms."""
        found = [self.chance.randint(0, steps) for _ in range(rows)]
        forms: list[Callable[[list[int]], Any]] = [list, tuple, torch.tensor, np.array]
        if rows == 0:
            forms = [list, tuple]
        return self.chance.choice(forms)(found)

    def flags(self, steps: int, rows: int, share: float = 0.7) -> Tensor:
        """bool [T, B]."""
        return torch.rand(steps, rows) < share


def _resized(values: Values, like: Tensor) -> Tensor:
    size = [max(0, n + values.chance.choice([-1, 0, 1])) for n in like.shape]
    return torch.randn(*size).to(like.dtype) if like.dtype != torch.bool else torch.ones(*size) > 0


def _reshaped(values: Values, like: Tensor) -> Tensor:
    kind = values.chance.randrange(4)
    if kind == 0:
        return like[None]
    if kind == 1:
        return like.flatten()
    return like[0] if kind == 2 and like.dim() and len(like) else like.sum()


def _other_kind(values: Values, like: Tensor) -> Any:
    dtypes = [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.bool]
    dtypes += [torch.complex64, torch.uint8, torch.float32]
    return like.detach().to(values.chance.choice(dtypes))


def _other_layout(values: Values, like: Tensor) -> Any:
    kind = values.chance.randrange(5)
    like = like.detach()
    if kind == 0:
        return like.to_sparse()
    if kind == 1:
        return like.to("meta")
    if kind == 2 and like.dtype != torch.bool:
        return like.numpy()
    return like.tolist() if kind == 3 else [like, like]


NEARLY: tuple[Callable[[Values, Tensor], Any], ...] = (
    _resized,
    _reshaped,
    _other_kind,
    _other_layout,
    lambda values, like: (like, like),
    lambda values, like: {"x": like},
    lambda values, like: like.repeat(*[2] * like.dim()) if like.dim() else like,
)

WRONG: tuple[Callable[[Values], Any], ...] = (
    lambda values: None,
    lambda values: "ab",
    lambda values: "",
    lambda values: b"ab",
    lambda values: values.chance.choice([0, 1, -1, 2, 3.5, 2**31, 2**63, 2**70, -(2**70)]),
    lambda values: values.chance.choice([float("nan"), float("inf"), 1e400, -0.0]),
    lambda values: values.chance.choice([True, False]),
    lambda values: [],
    lambda values: (),
    lambda values: {},
    lambda values: [None, 1],
    lambda values: [2**70, 1],
    lambda values: ["a", "b"],
    lambda values: {1: torch.zeros(2)},
    lambda values: object(),
    lambda values: torch.zeros(()),
    lambda values: torch.zeros(0),
    lambda values: torch.zeros(2, 0, IN),
    lambda values: torch.zeros(0, 2, IN),
    lambda values: torch.zeros(2, 2, IN, 1),
    lambda values: np.zeros((2, 2, IN)),
    lambda values: np.array([None, 1]),
    lambda values: torch.nn.LSTM,
    lambda values: int,
    lambda values: len,
    lambda values: range(3),
    lambda values: {1, 2},
    lambda values: 1j,
)
