"""The random operations of a step, made to use numbers that were drawn before.

A compiled loop draws for all steps at once, a plain loop step by step; with the same numbers both
must give the same. What each operation does with uniform or Gaussian numbers is said here a second
time, apart from the compiler's own rules in `lower.create`, which it is to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Fed(TorchDispatchMode):
    """Random operations take the next numbers of an iterator, of whatever shape."""

    def __init__(self, numbers: Iterator[Tensor]) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.numbers = numbers

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would import dynamo and sympy (1.3 s) to keep it from tracing this class
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(func).removeprefix("aten.")
        make = MAKERS.get(name)
        if make is None or (make is dropout and (not args[2] or args[1] in (0, 1))):
            return func(*args, **kwargs)
        like = [a.dtype for a in args if isinstance(a, Tensor)]
        dtype = kwargs.get("dtype") or next(iter(like), torch.get_default_dtype())
        made = make(next(self.numbers).to(dtype), *args)
        if name.split(".")[0].endswith("_"):
            return args[0].copy_(made.reshape(args[0].shape))
        return made


def sized(numbers: Tensor, size: Sequence[int]) -> Tensor:
    return numbers.view(*size)


def like(numbers: Tensor, t: Tensor) -> Tensor:
    return numbers.view(t.shape)


def bernoulli(u: Tensor, p: Tensor) -> Tensor:
    return (u.view(p.shape) < p).to(p.dtype)


def bernoulli_like(u: Tensor, t: Tensor, p: float | Tensor = 0.5) -> Tensor:
    return (u.view(t.shape) < p).to(t.dtype)


def dropout(u: Tensor, x: Tensor, p: float, train: bool) -> tuple[Tensor, Tensor]:
    keep = u.view(x.shape) >= p
    return x * keep / (1 - p), keep


def uniform(u: Tensor, t: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    return u.view(t.shape) * (high - low) + low


def normal_like(n: Tensor, t: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    return n.view(t.shape) * std + mean


def normal(n: Tensor, mean: float | Tensor, std: float | Tensor = 1.0) -> Tensor:
    shape = next(t.shape for t in (mean, std) if isinstance(t, Tensor))
    return n.view(shape) * std + mean


def normal_sized(n: Tensor, mean: float, std: float, size: Sequence[int]) -> Tensor:
    return n.view(*size) * std + mean


def exponential(u: Tensor, t: Tensor, rate: float = 1.0) -> Tensor:
    return -torch.log1p(-u.view(t.shape)) / rate


MAKERS: dict[str, Callable[..., Any]] = {
    "rand.default": sized, "randn.default": sized, "rand_like.default": like,
    "randn_like.default": like, "bernoulli.default": bernoulli, "bernoulli.p": bernoulli_like,
    "bernoulli_.float": bernoulli_like, "bernoulli_.Tensor": bernoulli_like,
    "native_dropout.default": dropout, "uniform_.default": uniform, "normal_.default": normal_like,
    "normal.Tensor_float": normal, "normal.float_Tensor": normal, "normal.Tensor_Tensor": normal,
    "normal.float_float": normal_sized, "exponential_.default": exponential,
}  # fmt: skip
"""What an operation gives, by its name, from uniform or Gaussian numbers and its arguments."""
