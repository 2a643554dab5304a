"""Every part of the benchmarks, in the order of the page."""

from __future__ import annotations

from benchmarks import (
    any_cell,
    busy,
    compiled,
    first_use,
    gemm,
    growth,
    language_model,
    layers,
    masking,
    memory,
    precision,
    proof,
    ragged,
    resets,
    streaming,
)
from benchmarks.part import Part

PARTS: tuple[Part, ...] = (
    language_model.PART,
    layers.TRAINING,
    layers.INFERENCE,
    any_cell.PART,
    precision.PART,
    ragged.PART,
    masking.PART,
    resets.PART,
    streaming.PART,
    gemm.PART,
    growth.PART,
    memory.KEPT,
    memory.PEAK,
    compiled.PART,
    first_use.PART,
    proof.PART,
    busy.PART,
)
