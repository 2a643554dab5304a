"""This CPU: what LLVM knows of it, and the sizes that follow from its registers and caches.

Results do not depend on these sizes: every sum is worked out in the same order on all machines.
"""

from __future__ import annotations

import functools
from pathlib import Path
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


def features() -> set[str]:
    """What this CPU can do, as in ``+avx512f``."""
    return set(host()[1].split(","))


def vector_bytes() -> int:
    """Bytes of this CPU's vectors."""
    if "+avx512f" in features():
        return 64
    return 32 if "+avx" in features() else 16


def panel_rows() -> int:
    """How many rows of 64 bytes the registers can add up; the rest of them is for operands."""
    if "+avx512f" in features():
        return 24
    # half as many registers of half the size; NEON: all of them, of a quarter
    return 6 if {"+avx", "+neon"} & features() else 3


CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
UNKNOWN = {1: 32 << 10, 2: 512 << 10}
"""Bytes of the first and second cache where the system does not say."""


@functools.cache
def cache(level: int) -> int:
    """Bytes of data that a core's own cache of a level holds."""
    for place in sorted(CACHES.glob("index*")):
        try:
            kind, number = (place / "type").read_text(), (place / "level").read_text()
            size = (place / "size").read_text().strip()
        except OSError:
            continue
        if kind.strip() != "Instruction" and int(number) == level and size.endswith("K"):
            return int(size[:-1]) << 10
    return UNKNOWN[level]


@functools.cache
def depth_block() -> int:
    """Rows of a panel at a time: at 64 bytes each they fill most of a first-level cache."""
    return 1 << (cache(1) // 64).bit_length() - 1


@functools.cache
def row_block() -> int:
    """Rows of A at a time: with `depth_block` float32 numbers each, they share a second-level cache
    with panels; a multiple of the heights of all tiles."""
    return max(1, cache(2) * 3 // 8 // (4 * depth_block()) // 24) * 24
