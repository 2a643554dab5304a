"""Checks of programs: every value keeps the rules of the language, and a rewrite keeps every sum.

`check_values` holds each value against the table of `ir`. `same_sums` proves a rewrite that only
moves terms of sums about: with sums, products that add to what is there and copies seen through,
each root must be made of the same terms, each as often as before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ostinato.backends.fused.ir.functions import FUNCTIONS
from ostinato.backends.fused.ir.values import STORED, Value, topological
from ostinato.backends.fused.ir.views import places


class Broken(AssertionError):
    """A program or plan that computes something else than the step: a fault of the compiler."""


def check_values(roots: Sequence[Value]) -> None:
    """Raise Broken where a value breaks the rules of its op."""
    for v in topological(roots):
        why = RULES[v.op](v)
        if why:
            raise Broken(f"{v.op} {v.name} {list(v.shape)}: {why}")


def _leaf(v: Value) -> str:
    return "has args" if v.args else ""


def _const(v: Value) -> str:
    return "has a shape" if v.shape or v.args else ""


def _pointwise(v: Value) -> str:
    if v.function not in FUNCTIONS:
        return f"{v.function} is no function"
    wrong = [a for a in v.args if a.op != "const" and a.shape != v.shape]
    return f"{wrong[0].name} has another shape" if wrong else ""


def _view(v: Value) -> str:
    (stored,) = v.args
    if stored.op not in STORED:
        return f"stands on {stored.op}, which has no place"
    at = places(v.reading)
    inside = not at.size or (at.min() >= 0 and at.max() < stored.size)
    return "" if inside else f"reaches beyond {stored.name}"


def _product(v: Value) -> str:
    a, w, *start = v.args
    transposed, k_start, n_start = v.block
    if w.op != "param" or len(w.shape) != 2:
        return "multiplies by what is no matrix among the params"
    n, k = reversed(w.shape) if transposed else w.shape
    if k_start + a.shape[-1] > k or n_start + v.shape[-1] > n:
        return f"reaches beyond {w.name}"
    if v.shape[:-1] != a.shape[:-1] or any(s.shape != v.shape for s in start):
        return "has another shape than its operands"
    return ""


def _reduce(v: Value) -> str:
    (a,) = v.args
    kept = tuple(n for i, n in enumerate(a.shape) if i not in v.axes)
    return "" if kept == v.shape else f"reduces {list(a.shape)}"


def _assemble(v: Value) -> str:
    used = np.zeros(v.size, bool)
    for where, part in v.parts:
        at = places(where)
        if at.size and (at.min() < 0 or at.max() >= v.size):
            return f"{part.name} reaches beyond it"
        if used[at].any() or (np.bincount(at, minlength=v.size) > 1).any():
            return f"{part.name} stands where another part stands"
        used[at] = True
    return ""


def _barrier(v: Value) -> str:
    return "" if v.args[0].shape == v.shape else "has another shape than what it holds"


RULES = {
    "input": _leaf, "param": _leaf, "const": _const, "pointwise": _pointwise, "view": _view,
    "product": _product, "reduce": _reduce, "assemble": _assemble, "barrier": _barrier,
}  # fmt: skip


def same_sums(before: Sequence[Value], after: Sequence[Value], by: str) -> None:
    """Raise Broken where a root is made of other terms after a rewrite."""
    forms = Forms()
    for old, new in zip(before, after, strict=True):
        if old is not new and forms.of(old) != forms.of(new):
            raise Broken(f"{by} changed the terms of {old.name}")


Form = frozenset[tuple[object, int]]
"""Terms, each with how often it is there."""


class Forms:
    """Values as sums of terms that are no sums."""

    def __init__(self) -> None:
        self.made: dict[Value, Form] = {}
        self.numbers: dict[object, int] = {}

    def of(self, root: Value) -> Form:
        for v in topological([root], stop=lambda v: v in self.made):
            if v not in self.made:
                self.made[v] = self.form(v)
        return self.made[root]

    def form(self, v: Value) -> Form:
        if v.op == "view":
            (stored,) = v.args
            terms = self.made[stored]
            return frozenset((self.number(("view", v.attrs, v.shape, t)), n) for t, n in terms)
        if v.op == "pointwise" and v.function == "add":
            return self.total(*(self.spread(a, v.shape) for a in v.args))
        if v.op == "pointwise" and v.function == "copy":
            return self.spread(v.args[0], v.shape)
        if v.op == "product" and len(v.args) > 2:
            a, w, start = v.args
            alone = self.term("product", v.attrs, v.shape, a, w)
            return self.total(alone, self.made[start])
        return self.term(v.op, v.attrs, v.shape, *v.args)

    def spread(self, a: Value, shape: tuple[int, ...]) -> Form:
        """A constant stands for as many entries as are wanted."""
        return self.term("const", a.attrs, shape) if a.op == "const" else self.made[a]

    def term(self, op: str, attrs: object, shape: object, *args: Value) -> Form:
        forms = tuple(self.number(self.made[a]) for a in args)
        return frozenset([(self.number((op, attrs, shape, forms)), 1)])

    def number(self, key: object) -> int:
        """A short name of something that may be long."""
        return self.numbers.setdefault(key, len(self.numbers))

    def total(self, *forms: Form) -> Form:
        count: Counter[object] = Counter()
        for form in forms:
            count.update(dict(form))
        return frozenset(count.items())
