"""What the compiler made of a cell, in words: for `explain`."""

from __future__ import annotations

from ostinato.backends.fused.passes.plan import Kernel, Multiply, Plan
from ostinato.backends.fused.recipe import Recipe


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


def multiplications(plan: Plan) -> int:
    """Multiplications in products, for one row and step."""
    work = [w for stage in plan.stages for w in stage.work if isinstance(w, Multiply)]
    grams = sum(gram.d.size * gram.a.shape[-1] for gram, _, _ in plan.grams)
    return grams + sum(w.n * w.k * w.repeat for w in work)


def account(recipe: Recipe) -> str:
    """The whole story: stages, sizes, what is saved, the arithmetic, and the kernels' text."""
    lines = [summary(recipe)]
    for name, plan in (("forward", recipe.forward), ("backward", recipe.backward)):
        if plan is None:
            continue
        lines.append(f"{name}: {multiplications(plan)} multiplications in products a row and step")
        for number, stage in enumerate(plan.stages):
            place = "in the loop" if stage.loop else ("before it" if number == 0 else "after it")
            lines += [f"  {place}: {line(work)}" for work in stage.work]
        lines += [
            f"  weights: gradient [{g.d.shape[-1]}, {g.a.shape[-1]}]" for g, _, _ in plan.grams
        ]
    return "\n".join([*lines, "", recipe.text])


def line(work: Kernel | Multiply) -> str:
    """One piece of work in a few words."""
    if isinstance(work, Kernel):
        stores = ", ".join(f"{v.name} -> {place.buffer.name}" for v, place in work.stores)
        return f"{work.name} stores {stores}" if stores else f"{work.name} sums gradients"
    sign = "+=" if work.accumulate else "="
    weight = work.value.args[1].name
    return f"{work.c.buffer.name} {sign} {work.a.buffer.name} [{work.k}] x {weight} [{work.n}]"
