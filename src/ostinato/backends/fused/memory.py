"""Memory and functions by integer addresses, for the text of compiled kernels.

A buffer is the int64 address of its first element and a scope. The scope is a promise to LLVM: in
one function, what is reached through one scope is never reached through another, so that loops
over any number of buffers are vectorised without run-time checks. `scope` is a literal from 0 to
63, `index` counts elements. The address must not change in the innermost loop, the index may:
LLVM does not see through a sum of addresses::

    row = address + r * 4 * 128
    for j in range(128):
        store_f4(row, j, load_f4(row, j, 3) + f4(0.5), 3)

Tables of int64 (`load_i8`) have no scope: what they hold must not be written in the same function.
"""

# llvmlite's and Numba's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import RequireLiteralValue
from numba.extending import intrinsic

from ostinato.backends.fused.emit import NUM_SCOPES

STORED = {
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
    types.int64: ir.IntType(64),
    types.boolean: ir.IntType(8),
}
"""How a value lies in memory; a bool is a byte."""


def metadata(module: ir.Module, scope: int) -> dict[str, ir.MDValue]:
    """`alias.scope` and `noalias` of one scope against all others."""
    domain = module.add_metadata(["ostinato"])
    scopes = [module.add_metadata([f"buffer {i}", domain]) for i in range(NUM_SCOPES)]
    others = [node for i, node in enumerate(scopes) if i != scope]
    own = module.add_metadata([scopes[scope]])
    return {"alias.scope": own, "noalias": module.add_metadata(others)}


def mark(instruction: ir.Instruction, module: ir.Module, scope: types.Type | None) -> None:
    """Put the scope on a load or a store."""
    if scope is not None:
        for name, node in metadata(module, scope.literal_value).items():
            instruction.set_metadata(name, node)


def place(builder: ir.IRBuilder, stored: ir.Type, address: ir.Value, index: ir.Value) -> ir.Value:
    """The pointer to element `index` of the buffer at `address`."""
    return builder.gep(builder.inttoptr(address, stored.as_pointer()), [index])


def require_literal(scope: types.Type | None) -> None:
    """Make Numba ask again with the value of the scope."""
    if scope is None:
        return
    if not isinstance(scope, types.IntegerLiteral):
        raise RequireLiteralValue("a scope is a literal int")
    assert 0 <= scope.literal_value < NUM_SCOPES, "a scope is from 0 to 63"


def typed_load(kind: types.Type, scope: types.Type | None) -> tuple[Any, Any]:
    """Signature and code of `load(address, index, scope)`, or without a scope."""
    require_literal(scope)
    scopes = () if scope is None else (scope,)

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        loaded = builder.load(place(builder, STORED[kind], args[0], args[1]))
        mark(loaded, builder.module, scope)
        if kind is types.boolean:
            return builder.icmp_unsigned("!=", loaded, ir.Constant(loaded.type, 0))
        return loaded

    return kind(types.int64, types.int64, *scopes), emit


def typed_store(kind: types.Type, scope: types.Type | None) -> tuple[Any, Any]:
    """Signature and code of `store(address, index, value, scope)`, or without a scope."""
    require_literal(scope)
    scopes = () if scope is None else (scope,)

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        value = args[2]
        if kind is types.boolean:
            value = builder.zext(value, STORED[kind])
        stored = builder.store(value, place(builder, STORED[kind], args[0], args[1]))
        mark(stored, builder.module, scope)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, kind, *scopes), emit


@intrinsic(prefer_literal=True)
def load_f4(typing, address, index, scope):
    """float32 number `index` of the buffer at `address`."""
    return typed_load(types.float32, scope)


@intrinsic(prefer_literal=True)
def load_f8(typing, address, index, scope):
    """float64 number `index` of the buffer at `address`."""
    return typed_load(types.float64, scope)


@intrinsic(prefer_literal=True)
def load_b1(typing, address, index, scope):
    """Bool number `index` of the buffer at `address`, of one byte each."""
    return typed_load(types.boolean, scope)


@intrinsic
def load_i8(typing, address, index):
    """int64 number `index` of the table at `address`."""
    return typed_load(types.int64, None)


@intrinsic(prefer_literal=True)
def store_f4(typing, address, index, value, scope):
    """Write float32 number `index` of the buffer at `address`; a float64 is rounded."""
    return typed_store(types.float32, scope)


@intrinsic(prefer_literal=True)
def store_f8(typing, address, index, value, scope):
    """Write float64 number `index` of the buffer at `address`."""
    return typed_store(types.float64, scope)


@intrinsic(prefer_literal=True)
def store_b1(typing, address, index, value, scope):
    """Write bool number `index` of the buffer at `address`, of one byte each."""
    return typed_store(types.boolean, scope)


@intrinsic
def store_i8(typing, address, index, value):
    """Write int64 number `index` of the table at `address`."""
    return typed_store(types.int64, None)


def typed_constant(kind: types.Type, number: types.Type) -> tuple[Any, Any]:
    """Signature and code of a conversion that LLVM folds for a literal."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        return context.cast(builder, args[0], number, kind)

    return kind(number), emit


@intrinsic
def f4(typing, number):
    """A number as float32: f4(0.5), since a bare 0.5 would widen everything to float64."""
    return typed_constant(types.float32, number)


@intrinsic
def f8(typing, number):
    """A number as float64."""
    return typed_constant(types.float64, number)


@intrinsic
def call(typing, address, numbers):
    """Call the C function at `address` with a tuple of int64: call(kernel, (cur, rows))."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
        kind = ir.FunctionType(ir.VoidType(), [STORED[types.int64]] * len(numbers))
        function = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(function, [builder.extract_value(args[1], i) for i in range(len(numbers))])
        return context.get_dummy_value()

    return types.void(types.int64, types.UniTuple(types.int64, len(numbers))), emit
