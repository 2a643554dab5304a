"""Steps for the tests: small functions of (x, state) with parameters, as cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ostinato import Cell


class Step(Cell):
    """A cell from ``fn(p, x, h) -> h``, or ``-> (y, h)``, and the sizes of its parameters."""

    def __init__(self, fn: Callable[..., Any], size: int = 6, **params: tuple[int, ...]) -> None:
        super().__init__()
        self.fn, self.size = fn, size
        for name, shape in params.items():
            # away from 0, so that logarithms and roots are smooth
            setattr(self, name, nn.Parameter(torch.rand(*shape) * 0.5 + 0.1))

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Tensor:
        dtype = dtype or next((p.dtype for p in self.parameters()), None)
        return torch.zeros(batch_size, self.size, dtype=dtype, device=device)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        made = self.fn(self, x, state)
        return made if isinstance(made, tuple) else (made, made)
