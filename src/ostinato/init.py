"""Rules that fill the weights of a cell, by name.

A rule fills one matrix [H, n] in place. A cell calls it once for each gate, because a gate is a
map of its own: orthogonal means that each gate's matrix is, not the block of all of them.

===============  ===========================================================================
name             rule
===============  ===========================================================================
``torch``        U(-1/sqrt(H), 1/sqrt(H)), the default of torch.nn.RNN, LSTM and GRU
``xavier``       U(+-sqrt(6 / (n + H))), Glorot and Bengio 2010
``orthogonal``   a random orthogonal matrix, Saxe et al. 2014
``identity``     the identity matrix, Le, Jaitly and Hinton 2015 (arXiv 1504.00941)
``zeros``        zero, for biases
===============  ===========================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

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
    "orthogonal": nn.init.orthogonal_,
    "identity": nn.init.eye_,
    "zeros": nn.init.zeros_,
}

MATRIX_RULES = ("xavier", "orthogonal", "identity")
"""Rules that make sense for a matrix only, not for a bias."""


def rule(name: Initialiser, argument: str) -> Callable[[Tensor], Any]:
    """The rule of this name, or the callable itself. ArgumentError for an unknown name."""
    if callable(name):
        return name
    if name not in RULES:
        raise ArgumentError(
            argument,
            wanted=f"one of {', '.join(map(repr, RULES))}, or a function that fills a matrix",
            got=repr(name),
            remedy="Any in-place function of torch.nn.init serves as a callable.",
        )
    return RULES[name]


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
