"""Numbers in LLVM code that is being written: one float, or one in each lane of a vector.

Python's operators on a `Scalar` write LLVM instructions. A formula over them serves both floats and
any number of lanes, and every instruction carries exactly the flags that are safe: multiply and add
may be fused (`contract`), but for `times`; nothing may assume that there is no NaN or infinity, or
reorder a sum. Where lanes meet a single number, that is used in all of them.
"""

# llvmlite's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from llvmlite import ir

from ostinato.backends.fused.native.source.abi import SIZES
from ostinato.backends.fused.native.source.machine import vector_bytes

INT32 = ir.IntType(32)
FLAGS = ("contract",)
"""The flags of all arithmetic. `reassoc` would turn x * 0 + (x - x) into 0 for x = NaN."""

FLOATS = {"f4": ir.FloatType(), "f8": ir.DoubleType()}
WIDTHS = {"f4": (32, 23, 127), "f8": (64, 52, 1023)}
"""Bits, bits of the mantissa, and bias of the exponent."""


def in_lanes(one: ir.Type, lanes: int) -> ir.Type:
    """The type of a value of one type in so many lanes."""
    return one if lanes == 1 else ir.VectorType(one, lanes)


def constant(one: ir.Type, lanes: int, number: float) -> ir.Value:
    """The same number in all lanes."""
    single = ir.Constant(one, number)
    if lanes == 1:
        return single
    splat = ir.FormattedConstant(one, f"splat ({single})")
    # llvmlite would write all lanes out
    splat.type = in_lanes(one, lanes)
    return splat


def spread(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    """A single value in all lanes."""
    if lanes == 1:
        return value
    undefined = ir.Constant(in_lanes(value.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, value, INT32(0))
    zeros = ir.Constant(ir.VectorType(INT32, lanes), None)
    return builder.shuffle_vector(first, undefined, zeros)


def intrinsic(builder: ir.IRBuilder, name: str, kind: ir.Type, arity: int) -> ir.Function:
    """LLVM's own function of so many values of one type."""
    lanes = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
    one = kind.element if isinstance(kind, ir.VectorType) else kind
    full = f"llvm.{name}.{lanes}{'f32' if isinstance(one, ir.FloatType) else 'f64'}"
    known = builder.module.globals.get(full)
    return known or ir.Function(builder.module, ir.FunctionType(kind, [kind] * arity), full)


@dataclass(frozen=True, eq=False)
class Scalar:
    """A float, or a condition on one, in each lane."""

    builder: ir.IRBuilder
    value: ir.Value
    kind: str
    """``f4`` or ``f8``: which float this is, or which one its condition belongs to."""

    @property
    def lanes(self) -> int:
        kind = self.value.type
        return kind.count if isinstance(kind, ir.VectorType) else 1

    def like(self, value: ir.Value) -> Scalar:
        return Scalar(self.builder, value, self.kind)

    def lift(self, number: float) -> Scalar:
        """A number beside this one, as a float of the same kind."""
        return self.like(constant(FLOATS[self.kind], self.lanes, number))

    def together(self, *others: Scalar | float) -> list[ir.Value]:
        """This and others in as many lanes as any of them has."""
        lifted = [self, *(o if isinstance(o, Scalar) else self.lift(o) for o in others)]
        lanes = max(scalar.lanes for scalar in lifted)
        return [scalar.in_lanes(lanes).value for scalar in lifted]

    def in_lanes(self, lanes: int) -> Scalar:
        """This, or this single number in so many lanes."""
        if self.lanes == lanes:
            return self
        return self.like(spread(self.builder, self.value, lanes))

    def write(self, instruction: str, other: Scalar | float) -> Scalar:
        """One instruction of arithmetic."""
        return self.like(getattr(self.builder, instruction)(*self.together(other), flags=FLAGS))

    def __add__(self, other: Scalar | float) -> Scalar:
        return self.write("fadd", other)

    def __sub__(self, other: Scalar | float) -> Scalar:
        return self.write("fsub", other)

    def __mul__(self, other: Scalar | float) -> Scalar:
        return self.write("fmul", other)

    def times(self, other: Scalar | float) -> Scalar:
        """The product, rounded before anything is added to it: x * y - x * y is then 0."""
        return self.like(self.builder.fmul(*self.together(other)))

    def __truediv__(self, other: Scalar | float) -> Scalar:
        return self.write("fdiv", other)

    def __rsub__(self, other: float) -> Scalar:
        return self.lift(other) - self

    def __rtruediv__(self, other: float) -> Scalar:
        return self.lift(other) / self

    def __neg__(self) -> Scalar:
        return self.like(self.builder.fneg(self.value))

    __radd__, __rmul__ = __add__, __mul__

    def compare(self, sign: str, other: Scalar | float) -> Scalar:
        """A condition: false where a number is NaN."""
        return self.like(self.builder.fcmp_ordered(sign, *self.together(other)))

    def __gt__(self, other: Scalar | float) -> Scalar:
        return self.compare(">", other)

    def __lt__(self, other: Scalar | float) -> Scalar:
        return self.compare("<", other)

    def __ge__(self, other: Scalar | float) -> Scalar:
        return self.compare(">=", other)

    def __le__(self, other: Scalar | float) -> Scalar:
        return self.compare("<=", other)

    def __eq__(self, other: Scalar | float) -> Scalar:
        return self.compare("==", other)

    def __ne__(self, other: Scalar | float) -> Scalar:
        """True where a number is NaN."""
        return self.like(self.builder.fcmp_unordered("!=", *self.together(other)))

    __hash__ = object.__hash__

    def __and__(self, other: Scalar) -> Scalar:
        return self.like(self.builder.and_(*self.together(other)))

    def __or__(self, other: Scalar) -> Scalar:
        return self.like(self.builder.or_(*self.together(other)))

    def __xor__(self, other: Scalar) -> Scalar:
        return self.like(self.builder.xor(*self.together(other)))

    def __invert__(self) -> Scalar:
        true = constant(ir.IntType(1), self.lanes, 1)
        return self.like(self.builder.xor(self.value, true))

    def where(self, yes: Scalar | float, no: Scalar | float) -> Scalar:
        """This is a condition: choose without a branch."""
        return self.like(self.builder.select(*self.together(yes, no)))

    def at_most(self, high: Scalar | float) -> Scalar:
        """The smaller one; NaN stays NaN."""
        return (self > high).where(high, self)

    def at_least(self, low: Scalar | float) -> Scalar:
        """The larger one; NaN stays NaN."""
        return (self < low).where(low, self)

    def library(self, name: str) -> Scalar:
        """LLVM's own function of one argument: an instruction, never a call of libm."""
        function = intrinsic(self.builder, name, self.value.type, 1)
        return self.like(self.builder.call(function, [self.value]))

    def extreme(self, name: str, other: Scalar) -> Scalar:
        """LLVM's `maximum` or `minimum`, which keep NaN; zeros of both signs are equal."""
        given = self.together(other)
        function = intrinsic(self.builder, name, given[0].type, 2)
        return self.like(self.builder.call(function, given, fastmath=["nsz"]))

    def polynomial(self, coefficients: Sequence[float]) -> Scalar:
        """Horner's rule, constant term first."""
        *rest, last = coefficients
        total = self * last + rest.pop()
        for coefficient in reversed(rest):
            total = total * self + coefficient
        return total

    @property
    def double(self) -> bool:
        return self.kind == "f8"

    def to_f8(self) -> Scalar:
        """The same number in float64."""
        if self.double:
            return self
        wide = self.builder.fpext(self.value, in_lanes(FLOATS["f8"], self.lanes))
        return Scalar(self.builder, wide, "f8")

    def to(self, kind: str) -> Scalar:
        """This float64 number rounded to `kind`."""
        if kind == "f8":
            return self
        narrow = self.builder.fptrunc(self.value, in_lanes(FLOATS["f4"], self.lanes))
        return Scalar(self.builder, narrow, kind)

    def bits(self) -> Bits:
        words = in_lanes(ir.IntType(WIDTHS[self.kind][0]), self.lanes)
        return Bits(self.builder, self.builder.bitcast(self.value, words), self.kind, self.lanes)


@dataclass(frozen=True, eq=False)
class Bits:
    """The bits of a float in each lane, as a whole number."""

    builder: ir.IRBuilder
    value: ir.Value
    kind: str
    lanes: int

    def lift(self, other: Bits | int) -> ir.Value:
        if isinstance(other, Bits):
            return other.value
        return constant(ir.IntType(WIDTHS[self.kind][0]), self.lanes, other)

    def apply(self, instruction: str, other: Bits | int) -> Bits:
        """`add`, `sub`, `and_`, `or_`, `xor`, `shl`, `lshr`."""
        written = getattr(self.builder, instruction)(self.value, self.lift(other))
        return Bits(self.builder, written, self.kind, self.lanes)

    def nonzero(self) -> Scalar:
        """A condition: whether any bit is set."""
        written = self.builder.icmp_unsigned("!=", self.value, self.lift(0))
        return Scalar(self.builder, written, self.kind)

    def float(self) -> Scalar:
        """The float with these bits."""
        floats = in_lanes(FLOATS[self.kind], self.lanes)
        return Scalar(self.builder, self.builder.bitcast(self.value, floats), self.kind)


@dataclass
class Variable:
    """A place for a number that changes, which LLVM makes a register of."""

    start: Scalar
    at: ir.Value = field(init=False)

    def __post_init__(self) -> None:
        b = self.start.builder
        with b.goto_entry_block():
            self.at = b.alloca(self.start.value.type)
        self.set(self.start)

    def get(self) -> Scalar:
        return self.start.like(self.start.builder.load(self.at))

    def set(self, number: Scalar) -> None:
        self.start.builder.store(number.value, self.at)


def full_lanes(kind: str) -> int:
    """The lanes of a vector on this machine."""
    return vector_bytes() // SIZES[kind]


def in_fewer_lanes(
    total: Scalar, lanes: int, combine: Callable[[Scalar, Scalar], Scalar] = Scalar.__add__
) -> Scalar:
    """The halves of a vector combined, again and again."""
    while total.lanes > lanes:
        half = total.lanes // 2
        low, high = (part(total.builder, total.value, at, half) for at in (0, half))
        total = combine(total.like(low), total.like(high))
    return total


def widen(builder: ir.IRBuilder, value: ir.Value, active: int, lanes: int, rest: float) -> ir.Value:
    """The first lanes of a value, and a number in all others, up to so many lanes."""
    if not isinstance(value.type, ir.VectorType):
        if lanes == 1:
            return value
        return builder.insert_element(constant(value.type, lanes, rest), value, INT32(0))
    have = value.type.count
    if have == active == lanes:
        return value
    mask = [i if i < active else have for i in range(lanes)]
    others = constant(value.type.element, have, rest)
    return builder.shuffle_vector(value, others, ir.Constant(ir.VectorType(INT32, lanes), mask))


def part(builder: ir.IRBuilder, vector: ir.Value, start: int, lanes: int) -> ir.Value:
    """Some neighbouring lanes."""
    if lanes == 1:
        return builder.extract_element(vector, INT32(start))
    mask = ir.Constant(ir.VectorType(INT32, lanes), list(range(start, start + lanes)))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)
