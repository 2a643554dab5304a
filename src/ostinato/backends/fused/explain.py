"""What the compiler made of a cell, in words: for `explain`."""

from __future__ import annotations

from ostinato.backends.fused.ir.program import Gram
from ostinato.backends.fused.passes.plan import Kernel, Multiply, multiplications
from ostinato.backends.fused.run.recipe import Recipe


def summary(recipe: Recipe) -> str:
    """One line: what a step does, what was hoisted, what is saved."""
    flat = [w for stage in recipe.forward.stages if not stage.loop for w in stage.work]
    loop = [w for stage in recipe.forward.stages if stage.loop for w in stage.work]
    parts = [f"compiled; a step: {counts(loop)}"]
    if flat:
        parts.append(f"outside the loop: {counts(flat)}")
    if recipe.backward is not None:
        parts.append(f"saves {saved(recipe)} numbers a row and step")
    return "; ".join(parts)


def counts(work: list[Kernel | Multiply]) -> str:
    """As in ``1 product, 1 kernel``."""
    products = sum(isinstance(w, Multiply) for w in work)
    kernels = len(work) - products
    said = [
        f"{n} {name}{'' if n == 1 else 's'}"
        for n, name in ((products, "product"), (kernels, "kernel"))
        if n
    ]
    return ", ".join(said) or "nothing"


def saved(recipe: Recipe) -> int:
    """Numbers that a row keeps of a step for the backward: records and states."""
    kinds = ("record", "after")
    return sum(b.width for b in recipe.forward.buffers if b.role[0] in kinds and b.clock in kinds)


def account(recipe: Recipe) -> str:
    """The whole story: stages, what is saved, the arithmetic, and the text of the kernels."""
    lines = [summary(recipe)]
    for name, plan in (("forward", recipe.forward), ("backward", recipe.backward)):
        if plan is None:
            continue
        lines.append(
            f"{name}: {2 * multiplications(plan):,} floating-point operations a row and step"
        )
        for stage, place in zip(plan.stages, PLACES, strict=True):
            lines += [f"  {place}: {line(work)}" for work in stage.work]
        grams = [g for g, _, _ in plan.grams]
        lines += [f"  at the end: gradient of a weight [{rows(g)}]" for g in grams]
    return "\n".join([*lines, *saved_lines(recipe), "", recipe.text])


PLACES = ("all steps at once", "each step", "all steps at once")
"""Where the work of a stage is done: before, in and after the time loop."""


def rows(gram: Gram) -> str:
    """Rows and columns of the part of a weight whose gradient is worked out."""
    return f"{gram.d.shape[-1]}, {gram.a.shape[-1]}"


def saved_lines(recipe: Recipe) -> list[str]:
    """What a training step keeps of each row and step."""
    if recipe.backward is None:
        return []
    kinds = ("record", "after")
    kept = [b for b in recipe.forward.buffers if b.role[0] in kinds and b.clock in kinds]
    where: dict[int, list[str]] = {b.number: [] for b in kept}
    for v, place in recipe.forward.homes.items():
        if place.buffer.number in where and v.op != "product":
            where[place.buffer.number].append(v.name)
    return ["saved:", *(f"  {b.name} [{b.width}]: {', '.join(where[b.number])}" for b in kept)]


def line(work: Kernel | Multiply) -> str:
    """One piece of work in a few words."""
    if isinstance(work, Kernel):
        stores = ", ".join(f"{v.name} -> {place.buffer.name}" for v, place in work.stores)
        return f"{work.name} stores {stores}" if stores else f"{work.name} sums gradients"
    sign = "+=" if work.accumulate else "="
    weight = work.value.args[1].name
    return f"{work.c.buffer.name} {sign} {work.a.buffer.name} [{work.k}] x {weight} [{work.n}]"
