"""Whole numbers, functions and loops in LLVM code that is being written.

Python's operators on a `Whole` write LLVM instructions; a loop's body is written once, in a `with`
or, in the text of kernels, in a `for`.
"""

# llvmlite's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from llvmlite import ir

INT64 = ir.IntType(64)


@dataclass(frozen=True, eq=False)
class Whole:
    """An int64: a count, a stride or an address."""

    builder: ir.IRBuilder
    value: ir.Value

    def lift(self, other: Whole | int) -> ir.Value:
        return other.value if isinstance(other, Whole) else INT64(other)

    def __add__(self, other: Whole | int) -> Whole:
        if not isinstance(other, Whole | int):
            # an index for each lane, which knows what the sum is
            return NotImplemented
        return Whole(self.builder, self.builder.add(self.value, self.lift(other)))

    __radd__ = __add__

    def __sub__(self, other: Whole | int) -> Whole:
        return Whole(self.builder, self.builder.sub(self.value, self.lift(other)))

    def __mul__(self, other: Whole | int) -> Whole:
        return Whole(self.builder, self.builder.mul(self.value, self.lift(other)))

    __rmul__ = __mul__

    def __floordiv__(self, other: Whole | int) -> Whole:
        """Of numbers that are not negative."""
        return Whole(self.builder, self.builder.udiv(self.value, self.lift(other)))

    def __mod__(self, other: Whole | int) -> Whole:
        """Of numbers that are not negative."""
        return Whole(self.builder, self.builder.urem(self.value, self.lift(other)))

    def test(self, comparison: str, other: Whole | int) -> ir.Value:
        """A condition: "==", "!=", "<", "<="."""
        return self.builder.icmp_signed(comparison, self.value, self.lift(other))

    def up(self, by: Whole | int) -> Whole:
        """The quotient, rounded up."""
        return (self + by - 1) // by

    def at_most(self, other: Whole | int) -> Whole:
        """The smaller one."""
        return choose(self.test("<", other), self, other)

    def pointer(self, to: ir.Type) -> ir.Value:
        """This address as a pointer."""
        return self.builder.inttoptr(self.value, to.as_pointer())


def choose(condition: ir.Value, yes: Whole, no: Whole | int) -> Whole:
    """One of two numbers, without a branch."""
    return Whole(yes.builder, yes.builder.select(condition, yes.value, yes.lift(no)))


def define(
    module: ir.Module, name: str, count: int
) -> tuple[ir.Function, ir.IRBuilder, list[Whole]]:
    """A function of so many int64 without a result, a builder in it, and its arguments."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [INT64] * count), name)
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    return function, builder, [Whole(builder, argument) for argument in function.args]


def call(function: ir.Function, *given: Whole | int) -> None:
    """Call a function that `define` made; one of the arguments is no literal."""
    some = next(number for number in given if isinstance(number, Whole))
    some.builder.call(function, [some.lift(number) for number in given])


def call_at(address: Whole, *given: Whole | int) -> None:
    """Call the C function at an address, of so many int64."""
    kind = ir.FunctionType(ir.VoidType(), [INT64] * len(given))
    address.builder.call(address.pointer(kind), [address.lift(number) for number in given])


def entry(table: Whole, index: Whole | int) -> Whole:
    """One number of a table."""
    return read(table + 8 * index, 1)[0]


def read(table: Whole, length: int) -> list[Whole]:
    """The numbers of a table."""
    b = table.builder
    kind = table.value.type
    return [Whole(b, b.load((table + 8 * i).pointer(kind))) for i in range(length)]


def take(counter: Whole) -> Whole:
    """Add one to the number at an address and give what it was, safe between threads."""
    b = counter.builder
    one = ir.Constant(counter.value.type, 1)
    return Whole(b, b.atomic_rmw("add", counter.pointer(one.type), one, "monotonic"))


@contextmanager
def count(low: Whole | int, high: Whole, step: Whole | int = 1) -> Iterator[Whole]:
    """Write the body of a loop over range(low, high, step)."""
    b = high.builder
    before = b.block
    head, body, done = (b.append_basic_block(name) for name in ("head", "body", "done"))
    b.branch(head)
    b.position_at_end(head)
    phi = b.phi(INT64)
    index = Whole(b, phi)
    b.cbranch(index.test("<", high), body, done)
    b.position_at_end(body)
    yield index
    phi.add_incoming(high.lift(low), before)
    phi.add_incoming((index + step).value, b.block)
    b.branch(head)
    b.position_at_end(done)
