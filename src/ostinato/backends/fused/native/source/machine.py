"""This CPU, as LLVM knows it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import llvmlite.binding as llvm


@functools.cache
def target_machine() -> llvm.TargetMachine:
    """LLVM's code generator for exactly this CPU."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    cpu, features = host()
    return target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="default", codemodel="jitdefault", jit=True
    )


@functools.cache
def host() -> tuple[str, str]:
    """Name and features of this CPU, as LLVM says them."""
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def vector_bytes() -> int:
    """Bytes of this CPU's vectors."""
    features = set(host()[1].split(","))
    if "+avx512f" in features:
        return 64
    return 32 if "+avx" in features else 16
