"""The functions of pointwise values: how each is written for Numba, in torch, and derived.

``text`` is a template over the arguments; functions that are no operator come from `maths`.
``vjp`` gives the gradient of each argument from ``g``, the gradient of the result, in terms of
the result where that avoids keeping the argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ostinato.backends.fused.ir import Graph, Value

Gradients = tuple[Value | None, ...]
SHARE = 2.0 / 3.141592653589793**0.5
"""2 / sqrt(pi), the slope of erf at 0."""
SIXTH = 0.1666666716337204


class Writer:
    """Writes pointwise values into a graph, dropping what does nothing."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, function: str, *args: Value | float, dtype: str = "f") -> Value:
        values = [a if isinstance(a, Value) else self.graph.const(a) for a in args]
        if function == "mul":
            for one, other in (values, values[::-1]):
                if one.op == "const" and float(one.attrs[0]) == 1.0:  # pyright: ignore
                    return other
        return self.graph.pointwise(function, *values, dtype=dtype)

    def keep(self, condition: Value, g: Value) -> Value:
        """g where the condition holds, 0 elsewhere."""
        return self("where", condition, g, 0.0)


Vjp = Callable[..., Gradients]


@dataclass(frozen=True)
class Function:
    """One function of numbers."""

    text: str
    torch: Callable[..., Any]
    vjp: Vjp | None = None
    cost: int = 1
    """Cheap operations that it is worth; 8 and more is worth saving rather than repeating."""


def _div(w: Writer, g: Value, out: Value, a: Value, b: Value) -> Gradients:
    if b.op == "const":
        return w("div", g, b), None
    scaled = w("div", g, b)
    return scaled, w("neg", w("mul", scaled, out))


def _extreme(above: str) -> Vjp:
    """maximum and minimum: ties share the gradient."""

    def vjp(w: Writer, g: Value, out: Value, a: Value, b: Value) -> Gradients:
        tie = w("eq", a, b, dtype="b")
        half = w("mul", g, 0.5)
        first = w("where", tie, half, w.keep(w(above, a, b, dtype="b"), g))
        second = w("where", tie, half, w.keep(w(above, b, a, dtype="b"), g))
        return first, second

    return vjp


def _pow(w: Writer, g: Value, out: Value, a: Value, exponent: Value) -> Gradients:
    p = float(exponent.attrs[0])  # pyright: ignore
    return w("mul", g, w("mul", w("pow", a, p - 1), p)), None


def _sqrt0(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    zero = w("eq", out, 0.0, dtype="b")
    return (w("where", zero, 0.0, w("div", w("mul", g, 0.5), out)),)


def _tanh(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    return (w("mul", g, w("sub", 1.0, w("mul", out, out))),)


def _sigmoid(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    return (w("mul", w("mul", g, out), w("sub", 1.0, out)),)


def _rsqrt(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    return (w("mul", w("mul", g, -0.5), w("mul", out, w("mul", out, out))),)


def _erf(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    return (w("mul", g, w("mul", w("exp", w("neg", w("mul", a, a))), SHARE)),)


def _call(name: str) -> str:
    return name + "({0})"


def _flat(*_: Any) -> Gradients:
    return (None,)


FUNCTIONS: dict[str, Function] = {
    "copy": Function("{0}", lambda x: x, lambda w, g, out, a: (g,), 0),
    "stop": Function("{0}", lambda x: x.detach(), _flat, 0),
    "add": Function("({0} + {1})", torch.add, lambda w, g, out, a, b: (g, g)),
    "sub": Function("({0} - {1})", torch.sub, lambda w, g, out, a, b: (g, w("neg", g))),
    "mul": Function(
        "({0} * {1})", torch.mul, lambda w, g, out, a, b: (w("mul", g, b), w("mul", g, a))
    ),
    "div": Function("({0} / {1})", torch.div, _div, 4),
    # torch's hardsigmoid has 1/6 rounded to float32 in its derivative, whatever the dtype
    "sixth": Function(
        "({0} / {type}(6.0))", lambda x: x / 6, lambda w, g, out, a: (w("mul", g, SIXTH),), 4
    ),
    "neg": Function("(-{0})", torch.neg, lambda w, g, out, a: (w("neg", g),)),
    "abs": Function("absolute({0})", torch.abs, lambda w, g, out, a: (w("mul", g, w("sign", a)),)),
    "sign": Function(_call("sign"), torch.sign, _flat),
    "relu": Function(
        _call("relu"),
        torch.relu,
        lambda w, g, out, a: (w("where", w("le", out, 0.0, dtype="b"), 0.0, g),),
    ),
    "sqrt": Function(
        _call("sqrt"), torch.sqrt, lambda w, g, out, a: (w("div", w("mul", g, 0.5), out),), 8
    ),
    "sqrt0": Function(_call("sqrt"), torch.sqrt, _sqrt0, 8),
    "rsqrt": Function(_call("rsqrt"), torch.rsqrt, _rsqrt, 8),
    "exp": Function(_call("exp"), torch.exp, lambda w, g, out, a: (w("mul", g, out),), 8),
    "expm1": Function(
        _call("expm1"), torch.expm1, lambda w, g, out, a: (w("mul", g, w("add", out, 1.0)),), 8
    ),
    "log": Function(_call("log"), torch.log, lambda w, g, out, a: (w("div", g, a),), 8),
    "log1p": Function(
        _call("log1p"), torch.log1p, lambda w, g, out, a: (w("div", g, w("add", a, 1.0)),), 8
    ),
    "sin": Function(_call("sin"), torch.sin, lambda w, g, out, a: (w("mul", g, w("cos", a)),), 8),
    "cos": Function(
        _call("cos"), torch.cos, lambda w, g, out, a: (w("neg", w("mul", g, w("sin", a))),), 8
    ),
    "tanh": Function(_call("tanh"), torch.tanh, _tanh, 8),
    "sigmoid": Function(_call("sigmoid"), torch.sigmoid, _sigmoid, 8),
    "erf": Function(_call("erf"), torch.erf, _erf, 8),
    "pow": Function("pow({0}, {1})", torch.pow, _pow, 16),
    "floor": Function(_call("floor"), torch.floor, _flat),
    "ceil": Function(_call("ceil"), torch.ceil, _flat),
    "trunc": Function(_call("trunc"), torch.trunc, _flat),
    "round": Function(_call("round"), torch.round, _flat),
    "maximum": Function("maximum({0}, {1})", torch.maximum, _extreme("gt")),
    "minimum": Function("minimum({0}, {1})", torch.minimum, _extreme("lt")),
    "where": Function(
        "where({0}, {1}, {2})",
        torch.where,
        lambda w, g, out, c, a, b: (None, w.keep(c, g), w("where", c, 0.0, g)),
    ),
    "float": Function("where({0}, {type}(1.0), {type}(0.0))", lambda x: x, _flat),
    "bool": Function("({0} != {type}(0.0))", lambda x: x != 0, _flat),
    "eq": Function("({0} == {1})", torch.eq, _flat),
    "ne": Function("({0} != {1})", torch.ne, _flat),
    "lt": Function("({0} < {1})", torch.lt, _flat),
    "le": Function("({0} <= {1})", torch.le, _flat),
    "gt": Function("({0} > {1})", torch.gt, _flat),
    "ge": Function("({0} >= {1})", torch.ge, _flat),
    "and": Function("({0} & {1})", torch.logical_and, _flat),
    "or": Function("({0} | {1})", torch.logical_or, _flat),
    "xor": Function("({0} != {1})", torch.logical_xor, _flat),
    "not": Function("(not {0})", torch.logical_not, _flat),
}
