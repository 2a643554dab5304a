"""The passes alone: plans as expected text, and the meaning of programs by interpretation."""

from __future__ import annotations

import torch
from torch import nn

from ostinato import cells
from ostinato.backends.fused.lower.step import Step, lower
from ostinato.backends.fused.passes.plan import Kernel, Multiply, Plan
from ostinato.backends.fused.recipe import Recipe, make_recipe
from ostinato.backends.fused.record import record
from ostinato.backends.fused.reverse import Wanted


def step_of(cell: nn.Module, size: int) -> Step:
    xs = torch.zeros(2, 3, size)
    recording = record(cell, xs, cell.initial_state(3))
    return lower(recording, torch.float32, {id(p): n for n, p in cell.named_parameters()})


def recipe_of(cell: nn.Module, size: int) -> Recipe:
    step = step_of(cell, size)
    everything = Wanted(frozenset({0}), frozenset(range(len(step.params))))
    return make_recipe(step, torch.float32, everything)


def outline(plan: Plan) -> list[str]:
    """Each stage as a line: products as a width, kernels as k."""
    lines: list[str] = []
    for stage in plan.stages:
        parts = [describe(work) for work in stage.work]
        lines.append(("loop: " if stage.loop else "flat: ") + " ".join(parts))
    return lines


def describe(work: Kernel | Multiply) -> str:
    if isinstance(work, Kernel):
        return "k"
    return f"{work.k}->{work.n}{'+' if work.accumulate else ''}"


def test_what_depends_on_x_alone_leaves_the_loop() -> None:
    assert outline(recipe_of(cells.LSTM(5, 16), 5).forward) == [
        "flat: 5->64+",
        "loop: 16->64+ k",
        "flat: ",
    ]
    assert outline(recipe_of(cells.GRU(5, 16, reset="before"), 5).forward) == [
        "flat: 5->48+",
        "loop: 16->32 k 16->16 k",
        "flat: ",
    ]


def test_gradients_of_inputs_and_weights_leave_the_loop() -> None:
    recipe = recipe_of(cells.LSTM(5, 16), 5)
    assert recipe.backward is not None
    assert outline(recipe.backward) == ["flat: ", "loop: k 64->16", "flat: 64->5"]
    assert len(recipe.backward.grams) == 2


def test_gates_are_saved_over_the_hoisted_product() -> None:
    widths = {b.role: b.width for b in recipe_of(cells.LSTM(5, 16), 5).forward.buffers}
    records = [width for (kind, _), width in widths.items() if kind == "record"]
    assert records == [64]


def test_a_gru_saves_five_numbers_a_unit() -> None:
    buffers = recipe_of(cells.GRU(5, 16), 5).forward.buffers
    records = sum(b.width for b in buffers if b.role[0] == "record")
    assert records == 4 * 16


def test_a_row_scalar_is_no_vector_of_length_one() -> None:
    step = step_of(cells.LSTM(5, 1, layer_norm=True), 5)
    assert all(v.shape == (1,) for v in step.after)
    text = recipe_of(cells.LSTM(5, 1, layer_norm=True), 5).text
    assert "sum = radd(sum" in text
