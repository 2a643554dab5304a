"""Row kernels work on whole vectors: the machine's code is read, its instructions counted."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest
import torch

from ostinato import Cell, cells
from ostinato.backends.call import Call
from ostinato.backends.fused import build
from ostinato.backends.fused.compile import KERNEL
from ostinato.backends.stepping import FUSED

SIZE = 128
CELLS: dict[str, tuple[Cell, bool]] = {
    "elman": (cells.Elman(SIZE, SIZE), False),
    "lstm": (cells.LSTM(SIZE, SIZE), False),
    "gru": (cells.GRU(SIZE, SIZE, reset="before"), False),
    "lstm layer norm": (cells.LSTM(SIZE, SIZE, layer_norm=True), True),
}
"""Each with whether a row has numbers of its own, such as a variance."""
X86 = re.compile(r"\s+v?(?:add|sub|mul|div|max|min|sqrt|fn?m(?:add|sub)\d+)([ps])[sd]\s")
ARM = re.compile(r"\s+f(?:add|sub|mul|div|max|min|sqrt|n?m(?:add|sub|la|ls))\s+([vsd])\d")
PACKED, SINGLE = "packed", "single"


def instructions(text: str, names: list[str]) -> dict[str, Counter[str]]:
    """How many instructions of each kernel compute with vectors, and how many with one number."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    kernel = ""
    for line in build.assembly(text, dict.fromkeys(names, KERNEL)).splitlines():
        label = re.match(r'"?([A-Za-z_][\w.]*)"?:', line)
        if label:
            kernel = next((n for n in names if n in label[1]), "")
        hit = X86.match(line) or ARM.match(line)
        if hit and kernel:
            found[kernel][PACKED if hit[1] in "pv" else SINGLE] += 1
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", list(CELLS))
def test_kernels_are_vectorised(name: str, dtype: torch.dtype) -> None:
    cell, by_row = CELLS[name]
    cell = cell.to(dtype)
    call = Call(cell, torch.randn(2, 3, SIZE, dtype=dtype), cell.initial_state(3, dtype=dtype))
    recipe = FUSED.recipe(call)
    assert recipe.backward is not None
    names = [k.name for plan in (recipe.forward, recipe.backward) for k in plan.kernels()]
    found = instructions(recipe.text, names)
    assert found.keys() == set(names)
    for counts in found.values():
        # a share, as how many there are is another matter on each CPU
        assert counts[PACKED] / counts.total() >= (0.9 if by_row else 0.98)


def test_single_numbers_are_seen() -> None:
    text = """from ostinato.backends.fused.memory import *

def kernel(cur, rows):
    a = load_i8(cur, 0)
    total = f4(0.0)
    for j in range(rows):
        total = total * f4(0.5) + load_f4(a, j, 0)
        store_f4(a, j, total, 0)
"""
    counts = instructions(text, ["kernel"])["kernel"]
    assert counts[SINGLE] > counts[PACKED]
