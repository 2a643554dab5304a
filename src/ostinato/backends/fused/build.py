"""From the text of kernels to object code, by Numba and LLVM.

Imported only where the cache has no code. Functions may contract a multiplication and an addition
and divide by a reciprocal, nothing else: NaN and infinities keep their meaning.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import llvmlite.binding as llvm
import numba

from ostinato.backends.fused.compile import target_machine

FLAGS = {"contract", "arcp"}
"""What LLVM may do to the arithmetic of a kernel's text."""

HARMLESS = ("llvm.", "mem")
"""Names of outside functions that code may call: LLVM's own, and memset, memcpy, memmove."""


def build(text: str, path: Path, symbols: dict[str, str], signature: str) -> bytes:
    """The object code of the functions of a text, each under its symbol."""
    return target_machine().emit_object(build_module(text, path, symbols, signature))


def build_module(
    text: str, path: Path, symbols: dict[str, str], signature: str
) -> llvm.ModuleRef:
    """The functions as one optimised LLVM module."""
    module = execute(text, path)
    try:
        parts = [
            lowered(getattr(module, name), symbol, signature) for name, symbol in symbols.items()
        ]
    finally:
        del sys.modules[module.__name__]
    whole, *rest = parts
    for part in rest:
        whole.link_in(part)
    return whole


def execute(text: str, path: Path) -> ModuleType:
    """Run a text as a module, which Numba has to find by name while it compiles."""
    module = ModuleType(f"ostinato_kernels_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, path, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def lowered(function: object, symbol: str, signature: str) -> llvm.ModuleRef:
    """One function as an LLVM module that needs nothing from outside."""
    compiled = numba.cfunc(signature, error_model="numpy", fastmath=FLAGS)(function)
    module = llvm.parse_assembly(compiled.inspect_llvm())
    outside = [f.name for f in module.functions if f.is_declaration]
    foreign = [name for name in outside if not name.startswith(HARMLESS)]
    assert not foreign, f"{symbol} calls {foreign}: kernels must not raise or allocate"
    module.get_function(compiled.native_name).name = symbol
    return module


def assembly(text: str, names: tuple[str, ...], signature: str) -> str:
    """What the machine runs, to be read or counted."""
    symbols = {name: name for name in names}
    return target_machine().emit_assembly(
        build_module(text, Path("assembly.py"), symbols, signature)
    )
