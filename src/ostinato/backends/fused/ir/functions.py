"""The functions of pointwise values: how each is written, in torch, and derived.

``text`` is a template over the arguments; functions that are no operator come from `maths`.
``vjp`` gives the gradient of each argument from ``g``, the gradient of the result, in terms of
the result where that avoids keeping the argument.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from ostinato.backends.fused.ir.values import Graph, Value

Gradients = tuple[Value | None, ...]
SHARE = 2.0 / 3.141592653589793**0.5
"""2 / sqrt(pi), the slope of erf at 0."""
SIXTH = 0.1666666716337204
"""1/6 as torch has it in the slope of hardsigmoid: rounded to float32, whatever the dtype."""
ROOT_HALF = 0.7071067811865476
GELU_CUBE, GELU_SCALE = 0.044715, 0.7978845608028654
"""Hendrycks and Gimpel 2016 (arXiv 1606.08415)."""
MISH_BORDER = 20.0


FOLDED: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "times": operator.mul,
    "neg": operator.neg,
}  # fmt: skip
"""What is worked out at once where all arguments are constants."""


class Writer:
    """Writes pointwise values into a graph, dropping what does nothing."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, function: str, *args: Value | float, dtype: str = "f") -> Value:
        values = [a if isinstance(a, Value) else self.graph.const(a) for a in args]
        if function in FOLDED and all(v.op == "const" for v in values):
            return self.graph.const(FOLDED[function](*(v.number for v in values)))
        if function in ("mul", "times"):
            for one, other in (values, values[::-1]):
                if one.op == "const" and one.number == 1.0:
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
    p = exponent.number
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


def _leaky(w: Writer, g: Value, out: Value, a: Value, slope: Value) -> Gradients:
    above = w("gt", a, 0.0, dtype="b")
    below = None if slope.op == "const" else w("where", above, 0.0, w("mul", g, a))
    return w("where", above, g, w("mul", g, slope)), below


def _elu(
    w: Writer, g: Value, out: Value, a: Value, alpha: Value, scale: Value, inner: Value
) -> Gradients:
    steep = w("mul", w("mul", w("mul", g, inner), alpha), scale)
    bent = w("mul", steep, w("exp", w("mul", a, inner)))
    return (w("where", w("gt", a, 0.0, dtype="b"), w("mul", g, scale), bent),)


def _gelu(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    below = w("mul", w("add", w("erf", w("mul", a, ROOT_HALF)), 1.0), 0.5)
    density = w("mul", w("exp", w("mul", w("mul", a, a), -0.5)), 0.5 * ROOT_HALF * SHARE)
    return (w("mul", g, w("add", below, w("mul", a, density))),)


def _gelu_tanh(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    square = w("mul", a, a)
    inner = w("mul", w("add", a, w("mul", w("mul", square, a), GELU_CUBE)), GELU_SCALE)
    bent = w("tanh", inner)
    slope = w("mul", w("add", w("mul", square, 3 * GELU_CUBE), 1.0), GELU_SCALE)
    inside = w("mul", w("sub", 1.0, w("mul", bent, bent)), slope)
    left = w("mul", w("add", bent, 1.0), 0.5)
    return (w("mul", g, w("add", left, w("mul", w("mul", a, 0.5), inside))),)


def _softplus(w: Writer, g: Value, out: Value, a: Value, beta: Value, border: Value) -> Gradients:
    scaled = w("mul", a, beta)
    above = w("gt", scaled, border, dtype="b")
    return (w("where", above, g, w("mul", g, w("sigmoid", scaled))),)


def _log_sigmoid(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    return (w("mul", g, w("sigmoid", w("neg", a))),)


def _within(low: str, high: str) -> Vjp:
    """The gradient passes between two borders; of NaN nothing does."""

    def vjp(w: Writer, g: Value, out: Value, a: Value, least: Value, most: Value) -> Gradients:
        inside = w("and", w(low, a, least, dtype="b"), w(high, a, most, dtype="b"), dtype="b")
        return (w.keep(inside, g),)

    return vjp


def _hard_sigmoid(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    inside = w("and", w("gt", a, -3.0, dtype="b"), w("lt", a, 3.0, dtype="b"), dtype="b")
    return (w.keep(inside, w("mul", g, SIXTH)),)


def _hard_swish(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    bent = w("mul", g, w("add", w("div", a, 3.0), 0.5))
    upper = w("where", w("ge", a, 3.0, dtype="b"), g, bent)
    return (w("where", w("le", a, -3.0, dtype="b"), 0.0, upper),)


def _shrink(w: Writer, g: Value, out: Value, a: Value, border: Value) -> Gradients:
    below, above = w("lt", a, w("neg", border), dtype="b"), w("gt", a, border, dtype="b")
    return (w.keep(w("or", below, above, dtype="b"), g),)


def _threshold(w: Writer, g: Value, out: Value, a: Value, border: Value, _: Value) -> Gradients:
    return (w("where", w("le", a, border, dtype="b"), 0.0, g),)


def _mish(w: Writer, g: Value, out: Value, a: Value) -> Gradients:
    bent = w("tanh", w("softplus", a, 1.0, MISH_BORDER))
    slope = w("mul", w("sigmoid", a), w("sub", 1.0, w("mul", bent, bent)))
    return (w("mul", g, w("add", bent, w("mul", a, slope))),)


def _lerp(w: Writer, g: Value, out: Value, a: Value, b: Value, weight: Value) -> Gradients:
    share = None if weight.op == "const" else w("mul", g, w("sub", b, a))
    return w("mul", g, w("sub", 1.0, weight)), w("mul", g, weight), share


class Root(torch.autograd.Function):
    """The square root as torch's norms and deviations have it: at 0 its gradient is set to 0.

    Not so the gradient of that gradient, which is not finite there.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return x.sqrt()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        (g,) = grads
        (out,) = ctx.saved_tensors
        # no infinity at 0, of which a further derivative would make NaN
        return (g / (out * 2).masked_fill(out == 0, 1)).masked_fill(out == 0, 0)


def number(x: torch.Tensor) -> float:
    """A constant argument as torch's own functions want it."""
    return float(x.detach().reshape(-1)[0])


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
    # what a step multiplies, torch rounds; within what is derived from one operation it is free
    "times": Function(
        "times({0}, {1})", torch.mul, lambda w, g, out, a, b: (w("mul", g, b), w("mul", g, a))
    ),
    "div": Function("({0} / {1})", torch.div, _div, 4),
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
    "sqrt0": Function(_call("sqrt"), Root.apply, _sqrt0, 8),
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
    "leaky_relu": Function(
        "where(({0} > {type}(0.0)), {0}, {0} * {1})",
        lambda x, slope: F.leaky_relu(x, number(slope)),
        _leaky,
    ),
    "prelu": Function(
        "where(({0} > {type}(0.0)), {0}, {0} * {1})",
        torch.ops.aten._prelu_kernel,
        _leaky,
    ),
    "elu": Function(
        "(where(({0} > {type}(0.0)), {0}, expm1(where(({0} > {type}(0.0)), {type}(0.0), {0})"
        " * {3}) * {1}) * {2})",
        lambda x, alpha, scale, inner: torch.ops.aten.elu(
            x, number(alpha), number(scale), number(inner)
        ),
        _elu,
        8,
    ),
    "gelu": Function(
        "({0} * {type}(0.5) * (erf({0} * {type}(0.7071067811865476)) + {type}(1.0)))",
        F.gelu,
        _gelu,
        8,
    ),
    "gelu_tanh": Function(
        "({0} * {type}(0.5) * (tanh(({0} + {0} * {0} * {0} * {type}(0.044715))"
        " * {type}(0.7978845608028654)) + {type}(1.0)))",
        lambda x: F.gelu(x, approximate="tanh"),
        _gelu_tanh,
        8,
    ),
    "softplus": Function(
        "where(({0} * {1} > {2}), {0},"
        " log1p(exp(where(({0} * {1} > {2}), {type}(0.0), {0} * {1}))) / {1})",
        lambda x, beta, border: F.softplus(x, number(beta), number(border)),
        _softplus,
        16,
    ),
    "log_sigmoid": Function(
        "(minimum({0}, {type}(0.0)) - log1p(exp(-absolute({0}))))", F.logsigmoid, _log_sigmoid, 16
    ),
    "clamp": Function(
        "where(({0} < {1}), {1}, where(({0} > {2}), {2}, {0}))",
        lambda x, low, high: torch.clamp(x, number(low), number(high)),
        _within("ge", "le"),
    ),
    "hardtanh": Function(
        "where(({0} < {1}), {1}, where(({0} > {2}), {2}, {0}))",
        lambda x, low, high: F.hardtanh(x, number(low), number(high)),
        _within("gt", "lt"),
    ),
    "hardsigmoid": Function(
        "(where(({0} < {type}(-3.0)), {type}(0.0), where(({0} > {type}(3.0)), {type}(6.0),"
        " {0} + {type}(3.0))) / {type}(6.0))",
        F.hardsigmoid,
        _hard_sigmoid,
        4,
    ),
    "hardswish": Function(
        "({0} * where(({0} < {type}(-3.0)), {type}(0.0), where(({0} > {type}(3.0)), {type}(6.0),"
        " {0} + {type}(3.0))) / {type}(6.0))",
        F.hardswish,
        _hard_swish,
        4,
    ),
    "softshrink": Function(
        "where(({0} > {1}), {0} - {1}, where(({0} < -{1}), {0} + {1},"
        " where(({0} == {0}), {type}(0.0), {0})))",
        lambda x, border: F.softshrink(x, number(border)),
        _shrink,
    ),
    "threshold": Function(
        "where(({0} <= {1}), {2}, {0})",
        lambda x, border, value: F.threshold(x, number(border), number(value)),
        _threshold,
    ),
    "mish": Function(
        "({0} * tanh(where(({0} > {type}(20.0)), {0},"
        " log1p(exp(where(({0} > {type}(20.0)), {type}(0.0), {0}))))))",
        F.mish,
        _mish,
        16,
    ),
    "lerp": Function(
        "where((absolute({2}) < {type}(0.5)), {0} + {2} * ({1} - {0}),"
        " {1} - ({1} - {0}) * ({type}(1.0) - {2}))",
        torch.lerp,
        _lerp,
    ),
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
    "xor": Function("({0} ^ {1})", torch.logical_xor, _flat),
    "not": Function("(~{0})", torch.logical_not, _flat),
}
