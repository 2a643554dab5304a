"""From the text of kernels to object code, by LLVM.

Imported only where the cache has no code. A text is run as Python with the names of `Writer`: its
functions then write their own LLVM code.
"""

# llvmlite's own annotations are incomplete
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from ostinato.backends.fused.native.source.int64 import define
from ostinato.backends.fused.native.source.machine import target_machine
from ostinato.backends.fused.native.source.writer import Writer

HARMLESS = ("llvm.", "mem")
"""Names of outside functions that code may call: LLVM's own, and memset, memcpy, memmove."""

Names = Mapping[str, str]


def build(text: str, path: Path, symbols: Names, arity: Mapping[str, int]) -> bytes:
    """The object code of functions of a text, by name: each one's symbol, and of how many int64."""
    return target_machine().emit_object(build_module(text, path, symbols, arity))


def build_module(text: str, path: Path, symbols: Names, arity: Mapping[str, int]) -> llvm.ModuleRef:
    """The functions as one LLVM module that needs nothing from outside.

    A text that defines `write_llvm` gives all of it; of another each function writes itself.
    """
    writer = Writer()
    names = writer.names()
    exec(compile(text, path, "exec"), names)
    if "write_llvm" in names:
        module = llvm.parse_assembly(names["write_llvm"]())
        for name, symbol in symbols.items():
            module.get_function(name).name = symbol
    else:
        module = llvm.parse_assembly(write(writer, names, symbols, arity))
    optimise(module)
    hide(module, set(symbols.values()))
    module.verify()
    return module


def write(
    writer: Writer, names: Mapping[str, Any], symbols: Names, arity: Mapping[str, int]
) -> str:
    """Run each function of a text once, and give what they have written."""
    module = ir.Module()
    for name, symbol in symbols.items():
        _, writer.builder, given = define(module, symbol, arity[name])
        names[name](*given)
        writer.builder.ret_void()
    return str(module)


def optimise(module: llvm.ModuleRef) -> None:
    """Registers for memory, and nothing twice; loops are vectors already."""
    machine = target_machine()
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_unrolling = options.loop_vectorization = options.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)


def hide(module: llvm.ModuleRef, symbols: set[str]) -> None:
    """Keep all other names inside the module, since other object code may use the same."""
    for value in (*module.functions, *module.global_variables):
        if value.is_declaration:
            assert value.name.startswith(HARMLESS), (
                f"{sorted(symbols)} call {value.name}: kernels must not raise or allocate"
            )
        elif value.name not in symbols:
            value.linkage = "internal"


def assembly(text: str, arity: Mapping[str, int]) -> str:
    """What the machine runs, to be read or counted."""
    symbols = {name: name for name in arity}
    return target_machine().emit_assembly(build_module(text, Path("assembly.py"), symbols, arity))
