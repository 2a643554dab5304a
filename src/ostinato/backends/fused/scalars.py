"""Formulas as scalar functions for Numba that LLVM can vectorise.

`scalar` turns a Python formula over `Scalar` into a Numba intrinsic: its operators write LLVM
instructions where it is called, so that there is no function to compile, link or inline, and every
instruction carries exactly the flags that are safe. Multiply and add may be fused (`contract`);
nothing may assume that there is no NaN or infinity, or reorder a sum.
"""

# llvmlite's and Numba's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

FLAGS = ("contract",)
"""The flags of all arithmetic. `reassoc` would turn x * 0 + (x - x) into 0 for x = NaN."""

WIDTHS = {types.float32: (32, 23, 127), types.float64: (64, 52, 1023)}
"""Bits, bits of the mantissa, and bias of the exponent."""


@dataclass(frozen=True, eq=False)
class Scalar:
    """A float, a bool or the bits of a float in code that is being written."""

    builder: ir.IRBuilder
    value: ir.Value
    kind: types.Type
    """Which float this is, or which one its bits or its bool belong to."""

    def like(self, value: ir.Value) -> Scalar:
        return Scalar(self.builder, value, self.kind)

    def lift(self, other: Scalar | float) -> ir.Value:
        """A constant of the type of this."""
        return other.value if isinstance(other, Scalar) else ir.Constant(self.value.type, other)

    def __add__(self, other: Scalar | float) -> Scalar:
        return self.like(self.builder.fadd(self.value, self.lift(other), flags=FLAGS))

    def __sub__(self, other: Scalar | float) -> Scalar:
        return self.like(self.builder.fsub(self.value, self.lift(other), flags=FLAGS))

    def __mul__(self, other: Scalar | float) -> Scalar:
        return self.like(self.builder.fmul(self.value, self.lift(other), flags=FLAGS))

    def __truediv__(self, other: Scalar | float) -> Scalar:
        return self.like(self.builder.fdiv(self.value, self.lift(other), flags=FLAGS))

    def __rsub__(self, other: float) -> Scalar:
        return self.like(self.builder.fsub(self.lift(other), self.value, flags=FLAGS))

    def __rtruediv__(self, other: float) -> Scalar:
        return self.like(self.builder.fdiv(self.lift(other), self.value, flags=FLAGS))

    def __neg__(self) -> Scalar:
        return self.like(self.builder.fneg(self.value))

    __radd__, __rmul__ = __add__, __mul__

    def __gt__(self, other: Scalar | float) -> Scalar:
        return self.like(self.builder.fcmp_ordered(">", self.value, self.lift(other)))

    def __lt__(self, other: Scalar | float) -> Scalar:
        return self.like(self.builder.fcmp_ordered("<", self.value, self.lift(other)))

    def equals(self, other: Scalar | float) -> Scalar:
        """False for NaN."""
        return self.like(self.builder.fcmp_ordered("==", self.value, self.lift(other)))

    def where(self, yes: Scalar | float, no: Scalar | float) -> Scalar:
        """This is a bool: choose without a branch."""
        some = yes if isinstance(yes, Scalar) else no
        assert isinstance(some, Scalar)
        return some.like(self.builder.select(self.value, some.lift(yes), some.lift(no)))

    def at_most(self, high: Scalar | float) -> Scalar:
        """The smaller one; NaN stays NaN."""
        return (self > high).where(high, self)

    def at_least(self, low: Scalar | float) -> Scalar:
        """The larger one; NaN stays NaN."""
        return (self < low).where(low, self)

    def library(self, name: str) -> Scalar:
        """LLVM's own function of one argument: an instruction, never a call of libm."""
        function = self.builder.module.declare_intrinsic(f"llvm.{name}", [self.value.type])
        return self.like(self.builder.call(function, [self.value]))

    def extreme(self, name: str, other: Scalar) -> Scalar:
        """LLVM's `maximum` or `minimum`, which keep NaN; zeros of both signs are equal."""
        kind = self.value.type
        function = self.builder.module.declare_intrinsic(
            f"llvm.{name}", [kind], ir.FunctionType(kind, [kind, kind])
        )
        return self.like(self.builder.call(function, [self.value, other.value], fastmath=["nsz"]))

    def reordered_sum(self, other: Scalar) -> Scalar:
        """self + other, where LLVM may change the order of a sum over a loop."""
        flags = (*FLAGS, "reassoc")
        return self.like(self.builder.fadd(self.value, other.value, flags=flags))

    def polynomial(self, coefficients: Sequence[float]) -> Scalar:
        """Horner's rule, constant term first."""
        *rest, last = coefficients
        total = self * last + rest.pop()
        for coefficient in reversed(rest):
            total = total * self + coefficient
        return total

    @property
    def double(self) -> bool:
        return self.kind is types.float64

    def to_f8(self) -> Scalar:
        """The same number in float64."""
        if self.double:
            return self
        wide = self.builder.fpext(self.value, ir.DoubleType())
        return Scalar(self.builder, wide, types.float64)

    def to(self, kind: types.Type) -> Scalar:
        """This float64 number rounded to `kind`."""
        if kind is types.float64:
            return self
        return Scalar(self.builder, self.builder.fptrunc(self.value, ir.FloatType()), kind)

    def bits(self) -> Bits:
        width = WIDTHS[self.kind][0]
        return Bits(self.builder, self.builder.bitcast(self.value, ir.IntType(width)), self.kind)


@dataclass(frozen=True, eq=False)
class Bits:
    """The bits of a float, as a whole number."""

    builder: ir.IRBuilder
    value: ir.Value
    kind: types.Type

    def apply(self, instruction: str, other: Bits | int) -> Bits:
        """`add`, `sub`, `and_`, `or_`, `xor`, `shl`, `lshr`."""
        right = other.value if isinstance(other, Bits) else ir.Constant(self.value.type, other)
        written = getattr(self.builder, instruction)(self.value, right)
        return Bits(self.builder, written, self.kind)

    def nonzero(self) -> Scalar:
        """A bool: whether any bit is set."""
        written = self.builder.icmp_unsigned("!=", self.value, ir.Constant(self.value.type, 0))
        return Scalar(self.builder, written, self.kind)

    def float(self) -> Scalar:
        """The float with these bits."""
        stored = ir.DoubleType() if self.kind is types.float64 else ir.FloatType()
        return Scalar(self.builder, self.builder.bitcast(self.value, stored), self.kind)


def scalar(formula: Callable[..., Scalar]) -> Callable:
    """A Numba intrinsic of one float type; an argument named `condition` is a bool.

    Where float32 and float64 meet, the float64 is a literal, and is rounded to float32.
    """
    names = list(inspect.signature(formula).parameters)

    def typed(typing: Any, *given: types.Type) -> tuple[Any, Any]:
        kind = types.float32 if types.float32 in given else types.float64
        wanted = [types.boolean if name == "condition" else kind for name in names]

        def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
            return formula(*(Scalar(builder, arg, kind) for arg in args)).value

        return kind(*wanted), emit

    # Numba reads the number of the arguments from the signature
    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, either) for name in ("typing", *names)]
    typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(typed, name, getattr(formula, name))
    return intrinsic(typed)
