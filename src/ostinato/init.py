"""Rules that fill weights, by name: of a cell gate by gate, of any module by `initialise`.

A rule fills one matrix [H, n] in place. A cell calls it once for each gate, because a gate is a
map of its own: orthogonal means that each gate's matrix is, not the block of all of them.

The rules by name::

    torch        U(-1/sqrt(H), 1/sqrt(H)), the default of torch.nn.RNN, LSTM and GRU
    xavier       U(+-sqrt(6 / (n + H))), Glorot and Bengio 2010
    gaussian     N(0, 2 / (n + H)), the same deviation as xavier
    orthogonal   a random orthogonal matrix, Saxe et al. 2014
    identity     the identity matrix, Le, Jaitly and Hinton 2015 (arXiv 1504.00941)
    zeros        zero, for biases

`uniform`, `normal` and `constant` make rules of one's own numbers; any in-place function of
torch.nn.init is a rule too.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ostinato.cell import check_any_module
from ostinato.errors import ArgumentError
from ostinato.typing import Initialiser


def torch_default(matrix: Tensor) -> Tensor:
    """U(-1/sqrt(H), 1/sqrt(H)) for a matrix [H, n] or vector [H], as torch.nn.LSTM does."""
    # 1 / sqrt(H) and not H**-0.5: they differ in the last bit for one H in five
    bound = 1 / math.sqrt(matrix.shape[0]) if matrix.shape[0] else 0.0
    return nn.init.uniform_(matrix, -bound, bound)


RULES: dict[str, Callable[[Tensor], Any]] = {
    "torch": torch_default,
    "xavier": nn.init.xavier_uniform_,
    "gaussian": nn.init.xavier_normal_,
    "orthogonal": nn.init.orthogonal_,
    "identity": nn.init.eye_,
    "zeros": nn.init.zeros_,
}

MATRIX_RULES = ("xavier", "gaussian", "orthogonal", "identity")
"""Rules that make sense for a matrix only, not for a bias."""


def rule(name: Initialiser, argument: str) -> Callable[[Tensor], Any]:
    """The rule of this name, or the callable itself. ArgumentError for an unknown name."""
    if callable(name) and not isinstance(name, type):
        return name
    if not isinstance(name, str) or name not in RULES:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(
            argument,
            wanted=f"one of {', '.join(map(repr, RULES))}, or a function that fills a matrix",
            got=repr(name),
            remedy="Any in-place function of torch.nn.init serves as a callable.",
        )
    return RULES[name]


def uniform(bound: float) -> Callable[[Tensor], Any]:
    """The rule U(-bound, bound) for a weight [H, n] or bias [H]."""
    return lambda weight: nn.init.uniform_(weight, -bound, bound)


def normal(deviation: float, mean: float = 0.0) -> Callable[[Tensor], Any]:
    """The rule N(mean, deviation^2) for a weight [H, n] or bias [H]."""
    return lambda weight: nn.init.normal_(weight, mean, deviation)


def constant(value: float) -> Callable[[Tensor], Any]:
    """The rule that sets all of a weight [H, n] or bias [H] to one value."""
    return lambda weight: nn.init.constant_(weight, value)


def initialise(
    module: nn.Module, initialiser: Initialiser, but: Mapping[str, Initialiser] | None = None
) -> None:
    """Fill all parameters of a module in place, each [H, n] or [H] as a whole.

    ``but`` has other rules for some, by patterns of their names as in ``named_parameters``, such
    as ``{"*bias*": "zeros"}``; the first that fits counts. Where a rule is for matrices only,
    vectors without a rule of their own stay as they are. Raises ArgumentError for an unknown
    rule, and for a pattern that fits no parameter.
    """
    check_any_module("module", module)
    names = [name for name, _ in module.named_parameters()]
    for pattern in but or {}:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise ArgumentError(
                "but", wanted=f"a pattern of a name among {', '.join(names)}", got=repr(pattern)
            )
    for name, weight in module.named_parameters():
        own = [rule for pattern, rule in (but or {}).items() if fnmatch.fnmatchcase(name, pattern)]
        if own or weight.dim() > 1 or initialiser not in MATRIX_RULES:
            fill(weight, 1, own[0] if own else initialiser, f"the rule of {name}")


def fill(weight: Tensor, num_gates: int, initialiser: Initialiser, argument: str) -> None:
    """Fill a weight [G*H, n] or bias [G*H] gate by gate, in place, outside autograd."""
    one_gate = rule(initialiser, argument)
    if weight.dim() == 1 and initialiser in MATRIX_RULES:
        raise ArgumentError(
            argument,
            wanted="a rule for vectors, as a bias is one",
            got=repr(initialiser),
            remedy='Use "torch" or "zeros".',
        )
    with torch.no_grad():
        for gate in weight.chunk(num_gates):
            one_gate(gate)
