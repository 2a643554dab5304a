"""The random operations of a step, made to use numbers that were drawn before.

A compiled loop draws for all steps at once, a plain loop step by step; with the same numbers both
must give the same. What each operation does with uniform or Gaussian numbers is said here a second
time, apart from the compiler's own rules in `lower.create`, which it is to be compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Fed(TorchDispatchMode):
    """Random operations take the next numbers of an iterator, of whatever shape."""

    def __init__(self, numbers: Iterator[Tensor]) -> None:
        super().__init__()
        self.numbers = numbers

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # see `record.Recorder`
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(func).removeprefix("aten.")
        make = MAKERS.get(name)
        if make is None or (
            name.startswith("native_dropout") and (not args[2] or args[1] in (0, 1))
        ):
            return func(*args, **kwargs)
        like = kwargs.get("dtype") or next(
            (a.dtype for a in args if isinstance(a, Tensor)), torch.get_default_dtype()
        )
        made = make(next(self.numbers).to(like), *args)
        if name.split(".")[0].endswith("_"):
            return args[0].copy_(made.reshape(args[0].shape))
        return made


def bernoulli(u: Tensor, p: Tensor) -> Tensor:
    return (u.view(p.shape) < p).to(p.dtype)


def dropout(u: Tensor, x: Tensor, p: float, train: bool) -> tuple[Tensor, Tensor]:
    keep = u.view(x.shape) >= p
    return x * keep / (1 - p), keep


def normal(n: Tensor, mean: Any, std: Any = 1.0, *_: Any) -> Tensor:
    shape = next((t.shape for t in (mean, std) if isinstance(t, Tensor)), n.shape)
    return n.view(shape) * std + mean


MAKERS: dict[str, Any] = {
    "rand.default": lambda u, size, *_: u.view(size),
    "randn.default": lambda n, size, *_: n.view(size),
    "rand_like.default": lambda u, t, *_: u.view(t.shape),
    "randn_like.default": lambda n, t, *_: n.view(t.shape),
    "bernoulli.default": bernoulli,
    "bernoulli.p": lambda u, t, p=0.5: (u.view(t.shape) < p).to(t.dtype),
    "bernoulli_.float": lambda u, t, p=0.5: (u < p).to(t.dtype),
    "bernoulli_.Tensor": lambda u, t, p: (u.view(t.shape) < p).to(t.dtype),
    "native_dropout.default": dropout,
    "uniform_.default": lambda u, t, low=0.0, high=1.0: u * (high - low) + low,
    "normal_.default": lambda n, t, mean=0.0, std=1.0: n * std + mean,
    "normal.Tensor_float": normal,
    "normal.float_Tensor": normal,
    "normal.Tensor_Tensor": normal,
    "normal.float_float": lambda n, mean, std, size: n.view(size) * std + mean,
    "exponential_.default": lambda u, t, rate=1.0: -torch.log1p(-u) / rate,
}
"""By the name of the operation: what it gives, from the numbers and its arguments."""
