"""A plan at work: memory for its buffers, its stages one after the other."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ostinato.backends.fused import dense, product
from ostinato.backends.fused.loop import CODE, launch
from ostinato.backends.fused.passes.plan import Buffer, Kernel, Multiply, Place, Plan, Stage
from ostinato.backends.fused.rows import BEFORE, Rows

CLOCK_NUMBERS = {
    "record": 0, "before": 1, "after": 2, "row": 3, "carry": 4, "carry_after": 5, "shard": 6,
    "fixed": 0,
}  # fmt: skip
Memory = dict[tuple[str, int], Tensor]
"""The tensor [rows, width] of each buffer, by role."""


@cache
def packer(kind: str) -> Callable[..., None]:
    """The function that packs a weight."""
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(product.address("pack", kind))


class Layout:
    """What the tables of a plan's time loop have in common in all its runs."""

    def __init__(self, plan: Plan, kind: str, kernels: dict[str, int]) -> None:
        self.plan, self.kind, self.kernels = plan, kind, kernels
        self.size = 4 if kind == "f4" else 8
        self.dtype = torch.float32 if kind == "f4" else torch.float64
        self.table = np.zeros((len(plan.buffers), 3), np.int64)
        for buffer in plan.buffers:
            fixed = buffer.clock == "fixed"
            self.table[buffer.number, 1] = 0 if fixed else buffer.width * self.size
            self.table[buffer.number, 2] = CLOCK_NUMBERS[buffer.clock]
        self.codes = [self.template(stage) for stage in plan.stages]

    def template(self, stage: Stage) -> np.ndarray:
        """The instructions of a stage, without the addresses of packed weights."""
        code = np.zeros((len(stage.work), CODE), np.int64)
        for i, work in enumerate(stage.work if stage.loop else ()):
            row = [0, self.kernels[work.name]] if isinstance(work, Kernel) else self.product(work)
            code[i, : len(row)] = row
        return code

    def product(self, work: Multiply) -> list[int]:
        """A product as an instruction."""
        a, c = work.a, work.c
        many = work.repeat > 1
        a_row, c_row = (work.k, work.n) if many else (a.buffer.width, c.buffer.width)
        return [
            1, product.address("product", self.kind), a.buffer.number, a.offset * self.size, a_row,
            0, c.buffer.number, c.offset * self.size, c_row, work.n, work.k, int(work.accumulate),
            work.repeat,
        ]  # fmt: skip


@dataclass
class Run:
    """One execution of a plan."""

    layout: Layout
    rows: Rows
    clocks: np.ndarray
    memory: Memory
    weights: list[Tensor]
    """The params, contiguous, in the program's dtype."""
    kept: list[Tensor] = field(default_factory=list[Tensor])
    spread: dict[tuple[str, int], Tensor] = field(default_factory=dict[tuple[str, int], Tensor])

    def __post_init__(self) -> None:
        self.plan, self.kind = self.layout.plan, self.layout.kind
        self.kernels, self.size = self.layout.kernels, self.layout.size

    def go(self) -> None:
        """All stages in order."""
        for buffer in self.plan.buffers:
            self.allocate(buffer)
        for stage, code in zip(self.plan.stages, self.layout.codes, strict=True):
            if stage.loop:
                self.run_loop(stage, code.copy())
            else:
                self.run_flat(stage)

    def allocate(self, buffer: Buffer) -> None:
        """Memory for a buffer that nobody gave."""
        if buffer.role in self.memory:
            return
        rows = {
            "record": self.rows.num_records, "row": self.rows.num_rows, "shard": self.rows.shards,
            "carry": 2 * self.rows.num_rows, "carry_after": 2 * self.rows.num_rows,
        }[buffer.clock]  # fmt: skip
        make = torch.zeros if buffer.role[0] == "sum" else torch.empty
        self.memory[buffer.role] = make(rows, buffer.width, dtype=self.layout.dtype)

    def run_loop(self, stage: Stage, code: np.ndarray) -> None:
        """The kernels and products of a stage, step by step."""
        if not stage.work or not len(self.clocks):
            return
        table = self.layout.table.copy()
        table[:, 0] = [self.memory[buffer.role].data_ptr() for buffer in self.plan.buffers]
        for i, work in enumerate(stage.work):
            if isinstance(work, Multiply):
                code[i, 5] = self.packed(work)
        launch(table, self.clocks, code)

    def packed(self, work: Multiply) -> int:
        """The address of a product's weight, packed."""
        packed = torch.empty(
            product.packed_size(work.n, work.k, self.kind), dtype=self.layout.dtype
        )
        self.kept.append(packed)
        weight = self.weights[work.weight]
        rows, columns = weight.stride()
        if work.transposed:
            rows, columns = columns, rows
        start = weight.data_ptr() + (work.n_start * rows + work.k_start * columns) * self.size
        packer(self.kind)(start, rows, columns, work.n, work.k, packed.data_ptr())
        return packed.data_ptr()

    def run_flat(self, stage: Stage) -> None:
        """Kernels and products over all records at once."""
        for work in stage.work:
            if isinstance(work, Multiply):
                self.multiply(work)
            else:
                self.run_kernel(work)

    def run_kernel(self, kernel: Kernel) -> None:
        table = np.zeros((len(self.plan.buffers), 3), np.int64)
        for buffer in self.plan.buffers:
            if buffer.clock in ("shard", "fixed"):
                tensor, clock = self.memory[buffer.role], CLOCK_NUMBERS[buffer.clock]
            elif buffer.clock in ("carry", "carry_after") or buffer.role[0] == "row":
                continue
            else:
                tensor, clock = self.all_rows(buffer), 0
            length = 0 if buffer.clock == "fixed" else buffer.width * self.size
            table[buffer.number] = (tensor.data_ptr(), length, clock)
        code = np.zeros((1, CODE), np.int64)
        code[0, 1] = self.kernels[kernel.name]
        launch(table, self.rows.flat, code)

    def multiply(self, work: Multiply) -> None:
        """A product over all records, by torch."""
        a, c = self.operand(work.a, work.k, work.repeat), self.operand(work.c, work.n, work.repeat)
        weight = self.weights[work.weight]
        weight = weight.T if work.transposed else weight
        weight = weight[work.n_start : work.n_start + work.n, work.k_start : work.k_start + work.k]
        if work.start is not None:
            c.copy_(self.weights[work.start].expand_as(c))
        multiply_into(c, a, weight, add=work.accumulate)

    def operand(self, place: Place, width: int, repeat: int) -> Tensor:
        """A place for all records as a matrix; vectors of a row stand one below another."""
        rows = self.all_rows(place.buffer)[:, place.offset : place.offset + width * repeat]
        return rows if repeat == 1 else rows.reshape(-1, width)

    def all_rows(self, buffer: Buffer) -> Tensor:
        """A buffer with one row for each record, in their order."""
        tensor, rows = self.memory[buffer.role], self.rows
        if buffer.clock == "record":
            return tensor
        if buffer.clock == "after":
            return tensor[rows.records : rows.records + rows.num_records]
        if buffer.clock == "before" and rows.before is None:
            start = int(rows.flat[0, 0, BEFORE])
            return tensor[start : start + rows.num_records]
        if buffer.role not in self.spread:
            index = rows.before if buffer.clock == "before" else self.row_of()
            assert index is not None
            self.spread[buffer.role] = tensor[index]
        return self.spread[buffer.role]

    def row_of(self) -> Tensor:
        """The row of each record."""
        rows = self.rows
        if rows.row_of is not None:
            return rows.row_of
        return torch.arange(rows.num_rows).repeat(rows.num_records // rows.num_rows)

    def gradients(self, wanted: frozenset[int]) -> dict[int, Tensor]:
        """The gradients of params after a backward run, by index."""
        found: dict[int, Tensor] = {}
        for gram, d, a in self.plan.grams:
            if gram.param in wanted:
                self.add_gram(found, gram, d, a)
        for (kind, index), tensor in self.memory.items():
            if kind == "sum":
                total = tensor.sum(0).view(self.weights[index].shape)
                found[index] = found[index] + total if index in found else total
        for first, twin in self.plan.program.alike:
            if twin in wanted:
                found[twin] = found[first].clone().view(self.weights[twin].shape)
        return found

    def add_gram(self, found: dict[int, Tensor], gram: Any, d: Place, a: Place) -> None:
        n, k = gram.d.shape[-1], gram.a.shape[-1]
        repeat = gram.d.size // n
        left, right = self.operand(d, n, repeat), self.operand(a, k, repeat)
        weight = self.weights[gram.param]
        new = gram.param not in found
        whole = weight.numel() == n * k
        if new:
            found[gram.param] = torch.empty_like(weight) if whole else torch.zeros_like(weight)
        out = found[gram.param]
        if gram.transposed:
            # the gradient is that of w.T: the other product, so that rows of the result are dense
            out = out[gram.k_start : gram.k_start + k, gram.n_start : gram.n_start + n]
            left, right = right, left
        else:
            out = out[gram.n_start : gram.n_start + n, gram.k_start : gram.k_start + k]
        multiply_into(out, left.T, right.T, add=not (new and whole))


def multiply_into(out: Tensor, a: Tensor, w: Tensor, *, add: bool) -> None:
    """out = a w.T, or out += that, by the faster of our product and torch's."""
    if dense.wins(a.shape[0], w.shape[0], a.shape[1]):
        dense.matmul(a, w, out, accumulate=add)
    elif add:
        out.addmm_(a, w.T)
    else:
        torch.mm(a, w.T, out=out)
