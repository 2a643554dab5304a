"""Sums of products as products that add to what is there already.

``x W + b + h U`` becomes one product of h that is added to one of x that starts from b: what the
loop then reads is one row in place of two, and the gradient of the two is one value.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from ostinato.backends.fused.ir.program import Carry, Program
from ostinato.backends.fused.ir.values import Apply, Graph, Reading, Value, topological
from ostinato.backends.fused.lower.step import Step

Spot = tuple[int, Reading]
"""A sum, and the reading of a stored value that is a term of it."""


@dataclass
class Sums:
    """The sums of a graph and where products and params are terms of them."""

    graph: Graph
    terms: dict[Value, list[Value]] = field(default_factory=dict[Value, list[Value]])
    spots: dict[Value, set[Spot]] = field(default_factory=lambda: defaultdict(set))
    other: set[Value] = field(default_factory=set[Value])
    """Stored values that are also read otherwise than as terms."""
    twice: set[Value] = field(default_factory=set[Value])
    """Stored values that stand twice at one spot, which a chain would hold once."""


def find_sums(graph: Graph, roots: list[Value]) -> Sums:
    """All sums of two and more terms, each as large as possible."""
    order = topological(roots)
    uses: dict[Value, list[Value]] = defaultdict(list)
    for v in order:
        for a in v.args:
            uses[a].append(v)
    found = Sums(graph, other={v.args[0] if v.op == "view" else v for v in roots})
    inner: set[Value] = set()
    for v in reversed(order):
        if is_add(v) and v not in inner:
            found.terms[v] = flatten(v, uses, set(roots), inner)
    for v in order:
        if v in inner or v in found.terms:
            continue
        for a in v.args:
            note_other(found, graph, a, v)
    for number, terms in enumerate(found.terms.values()):
        for term in terms:
            note_term(found, graph, term, number)
    return found


def is_add(v: Value) -> bool:
    """Whether a value is the sum of two."""
    return v.op == "pointwise" and v.function == "add"


def flatten(
    v: Value, uses: dict[Value, list[Value]], roots: set[Value], inner: set[Value]
) -> list[Value]:
    """The terms of a sum, looking through sums that nothing else uses."""
    terms: list[Value] = []
    for a in v.args:
        if is_add(a) and len(uses[a]) == 1 and a not in roots:
            inner.add(a)
            terms += flatten(a, uses, roots, inner)
        else:
            terms.append(a)
    return terms


def note_other(found: Sums, graph: Graph, a: Value, user: Value) -> None:
    """A reading that is no term of a sum."""
    if user.op != "view" and a.op in ("product", "view"):
        found.other.add(graph.stored_reading(a)[0])


def note_term(found: Sums, graph: Graph, term: Value, number: int) -> None:
    """Note a term of a sum under what it is stored in, where products can be merged."""
    if term.op not in ("product", "view", "param"):
        return
    stored, reading = graph.stored_reading(term)
    if stored.op not in ("product", "param"):
        return
    if (number, reading) in found.spots[stored]:
        found.twice.add(stored)
    found.spots[stored].add((number, reading))


def merge(step: Step) -> Step:
    """The step with products that are always added to each other made into one."""
    roots = [*step.after, *step.ys]
    found = find_sums(step.graph, roots)
    early = without_state(step, topological(roots))
    groups: dict[frozenset[Spot], list[Value]] = defaultdict(list)
    for v, spots in found.spots.items():
        if v not in found.twice and (v not in found.other or v.op == "param"):
            groups[frozenset(spots)].append(v)
    chains: dict[Value, Value] = {}
    gone: set[Value] = set()
    for members in groups.values():
        join(step.graph, members, early, chains, gone)
    if not chains:
        return step
    new = Rebuild(step.graph, chains, gone, found.terms)
    return replace(step, after=tuple(map(new.value, step.after)), ys=tuple(map(new.value, step.ys)))


def without_state(step: Step, order: list[Value]) -> set[Value]:
    """The values that no state has a part in."""
    found: set[Value] = set()
    for v in order:
        if v not in step.states and all(a in found for a in v.args):
            found.add(v)
    return found


def join(
    graph: Graph,
    members: list[Value],
    early: set[Value],
    chains: dict[Value, Value],
    gone: set[Value],
) -> None:
    """One chain of products from those that always stand together: the early ones first."""
    products = sorted((v for v in members if v.op == "product"), key=lambda v: v not in early)
    if not products or len({v.shape for v in members}) > 1 or len(products[0].shape) != 1:
        return
    vectors = [v for v in members if v.op == "param" and products[0] in early]
    chain = [*vectors[:1], *products]
    if len(chain) < 2:
        return
    total = chain[0]
    for v in chain[1:]:
        total = graph.make("product", (*v.args, total), v.attrs, v.shape, v.dtype, v.name)
    chains[products[-1]] = total
    gone.update(chain[:-1])


@dataclass
class Rebuild:
    """The values of a graph after a merge."""

    graph: Graph
    chains: dict[Value, Value]
    gone: set[Value]
    terms: dict[Value, list[Value]]
    made: dict[Value, Value] = field(default_factory=dict[Value, Value])

    def value(self, v: Value) -> Value:
        """The new form of a value."""
        if v not in self.made:
            self.made[v] = self.rebuild(v)
        return self.made[v]

    def rebuild(self, v: Value) -> Value:
        if v in self.chains:
            chain = self.chains[v]
            return self.args_rebuilt(chain)
        if v in self.terms:
            kept = [self.value(t) for t in self.terms[v] if not self.dropped(t)]
            total = kept[0]
            for term in kept[1:]:
                total = self.graph.pointwise("add", total, term, name=v.name)
            return total
        return self.args_rebuilt(v)

    def dropped(self, term: Value) -> bool:
        """Whether a term is a part of a chain that stands in the same sum."""
        return (
            term.op in ("product", "view", "param")
            and self.graph.stored_reading(term)[0] in self.gone
        )

    def args_rebuilt(self, v: Value) -> Value:
        args = tuple(self.value(a) for a in v.args)
        if args == v.args:
            return v
        return self.graph.make(v.op, args, v.attrs, v.shape, v.dtype, v.name)


def accumulate(program: Program) -> Program:
    """Carried sums of work and products as products that add to the work, in its place."""
    return replace(program, carries=tuple(accumulated(program, c) for c in program.carries))


def accumulated(program: Program, carry: Carry) -> Carry:
    """A carried gradient whose last product adds to it in place."""
    graph, after = program.graph, carry.after
    if not is_add(after) or carry.held:
        return carry
    uses = topological(program.roots())
    readers: dict[Value, int] = defaultdict(int)
    for v in uses:
        for a in v.args:
            readers[a] += 1
    terms = flatten(
        after, {a: [a] * readers[a] for a in uses}, set(program.roots()) - {after}, set()
    )
    products = [t for t in terms if t.op == "product" and readers[t] == 1 and len(t.args) == 2]
    products = [t for t in products if len(t.shape) == 1]
    rest = [t for t in terms if t not in products]
    if not products or readers[after] or sum(r is after for r in program.roots()) > 1:
        return carry
    if rest:
        total = rest[0]
        for term in rest[1:]:
            total = graph.pointwise("add", total, term)
        # one of its own for each carry, as the product takes its place
        own = Apply("copy", owner=carry.index + 1)
        total = graph.make("pointwise", (total,), own, after.shape, "f", f"part_of_{after.name}")
    else:
        total, products = products[0], products[1:]
    for v in products:
        total = graph.make("product", (*v.args, total), v.attrs, v.shape, v.dtype, v.name)
    return replace(carry, after=total)
