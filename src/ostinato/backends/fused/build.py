"""From the text of kernels to object code, by Numba and LLVM.

Imported only where the cache has no code. Functions may contract a multiplication and an addition
and divide by a reciprocal, nothing else: NaN and infinities keep their meaning.
"""

# llvmlite's and Numba's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false
# pyright: reportReturnType=false

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import llvmlite.binding as llvm

from ostinato.backends.fused.machine import target_machine

OPTIONS = {
    "nopython": True,
    "error_model": "numpy",
    "fastmath": {"contract", "arcp"},
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
"""Numba's: no wrappers for calls from Python, no exceptions, and arithmetic that keeps NaN."""

HARMLESS = ("llvm.", "mem")
"""Names of outside functions that code may call: LLVM's own, and memset, memcpy, memmove."""


Names = Mapping[str, str]


def build(text: str, path: Path, symbols: Names, signatures: Names) -> bytes:
    """The object code of functions of a text, by name: each one's symbol and signature."""
    return target_machine().emit_object(build_module(text, path, symbols, signatures))


def build_module(text: str, path: Path, symbols: Names, signatures: Names) -> llvm.ModuleRef:
    """The functions as one LLVM module that needs nothing from outside.

    Functions of Python go through Numba; those that a text does not define are in the LLVM code
    that its `write_llvm()` gives.
    """
    module = execute(text, path)
    try:
        whole = llvm.parse_assembly(module.write_llvm() if hasattr(module, "write_llvm") else "")
        for name, symbol in symbols.items():
            if hasattr(module, name):
                whole.link_in(lowered(getattr(module, name), symbol, signatures[name]))
            else:
                whole.get_function(name).name = symbol
    finally:
        del sys.modules[module.__name__]
    hide(whole, set(symbols.values()))
    whole.verify()
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


def lowered(function: Callable, symbol: str, signature: str) -> llvm.ModuleRef:
    """A function as optimised LLVM code, with a C function of that symbol."""
    from numba.core import compiler, sigutils
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    flags = compiler.Flags()
    cpu_target.options.parse_as_flags(flags, OPTIONS)
    flags.no_compile = True
    arguments, result = sigutils.normalize_signature(signature)
    # what njit has wrapped
    function = getattr(function, "py_func", function)
    contexts = (cpu_target.typing_context, cpu_target.target_context)
    with global_compiler_lock:
        compiled = compiler.compile_extra(*contexts, function, arguments, result, flags, {})
        compiled.library.finalize()
        text = compiled.library.get_llvm_str()
    native = compiled.fndesc.mangled_name
    return llvm.parse_assembly(text + entry(symbol, native, len(arguments)))


def entry(symbol: str, native: str, arguments: int) -> str:
    """A C function of int64 arguments that calls Numba's, which can only succeed."""
    given = ", ".join(f"i64 %a{i}" for i in range(arguments))
    return f"""
        define void @"{symbol}"({given}) {{
          %result = alloca ptr
          %error = alloca ptr
          call i32 @"{native}"(ptr %result, ptr %error, {given})
          ret void
        }}"""


def hide(module: llvm.ModuleRef, symbols: set[str]) -> None:
    """Keep all other names inside the module, since other object code may use the same."""
    for value in (*module.functions, *module.global_variables):
        if value.is_declaration:
            assert value.name.startswith(HARMLESS), (
                f"{sorted(symbols)} call {value.name}: kernels must not raise or allocate"
            )
        elif value.name not in symbols:
            value.linkage = "internal"


def assembly(text: str, signatures: Names) -> str:
    """What the machine runs, to be read or counted."""
    symbols = {name: name for name in signatures}
    module = build_module(text, Path("assembly.py"), symbols, signatures)
    return target_machine().emit_assembly(module)
