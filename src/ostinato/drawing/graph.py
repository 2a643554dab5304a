"""What a picture shows: the calls of one run, and the tensors that pass between them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["input", "output", "state", "parameter", "constant", "call", "module", "read"]


@dataclass(eq=False)
class Node:
    """One thing in a picture.

    ``label`` says what it does or is, ``path`` where in the module it is called. ``step`` is the
    time step, and None for what all steps share; a state belongs to the step that it goes into,
    so that the last state has the number of steps.
    """

    kind: Kind
    label: str
    path: str = ""
    step: int | None = 0
    failed: bool = False


@dataclass(eq=False)
class Value:
    """A tensor of the run: what made it, its shape, and whether a gradient goes back through it."""

    source: Node
    shape: str
    grad: bool
    name: str = ""

    @property
    def text(self) -> str:
        """The name and the shape, as in ``c [4, 5]``."""
        return f"{self.name} {self.shape}".strip()


@dataclass(eq=False)
class Edge:
    """A value going into a node."""

    value: Value
    target: Node

    @property
    def source(self) -> Node:
        """The node that made the value."""
        return self.value.source


@dataclass
class Graph:
    """Nodes in the order in which they were called, and the values between them."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    num_steps: int = 1
    _wired: set[tuple[Value, Node]] = field(default_factory=set)

    def add(self, node: Node) -> Node:
        """The node, which is now in the graph."""
        self.nodes.append(node)
        return node

    def connect(self, value: Value, target: Node) -> None:
        """A value into a node; once, however often it is read there."""
        if (value, target) not in self._wired:
            self._wired.add((value, target))
            self.edges.append(Edge(value, target))

    def into(self, node: Node) -> list[Edge]:
        """The edges that end at a node."""
        return [edge for edge in self.edges if edge.target is node]

    def out_of(self, node: Node) -> list[Edge]:
        """The edges that begin at a node."""
        return [edge for edge in self.edges if edge.source is node]

    def keep(self, nodes: Iterable[Node]) -> None:
        """Drop all other nodes, and the edges that begin or end there."""
        kept = set(nodes)
        self.nodes = [node for node in self.nodes if node in kept]
        self.edges = [e for e in self.edges if e.source in kept and e.target in kept]

    def before(self, nodes: Iterable[Node]) -> set[Node]:
        """These nodes and all that has an influence on them."""
        sources: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for edge in self.edges:
            sources[edge.target].append(edge.source)
        return reached(nodes, sources)

    def around(self, start: Node) -> set[Node]:
        """All that hangs together with a node, not counting what only shares parameters."""
        joined: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for edge in self.edges:
            joined[edge.target].append(edge.source)
            if edge.source.step is not None:
                joined[edge.source].append(edge.target)
        return reached([start], joined)


def reached(start: Iterable[Node], onwards: dict[Node, list[Node]]) -> set[Node]:
    """All nodes that one comes to from the first ones, these among them."""
    found: set[Node] = set()
    ahead = list(start)
    while ahead:
        node = ahead.pop()
        if node not in found:
            found.add(node)
            ahead += onwards[node]
    return found


def tidy(graph: Graph) -> None:
    """Make a recorded graph fit to be looked at, in place.

    What has no influence on an output goes; after a failure, what has nothing to do with it. A
    state that no step changes is drawn once, like a parameter, and goes away where nothing
    reads it. Parameters that go into the same nodes share one box, and so do the tensors of a
    state that pass between the same nodes.
    """
    for first in [n for n in graph.nodes if n.kind == "state" and n.step == 0]:
        share_unchanged(graph, first)
    split_passing(graph)
    failed = [node for node in graph.nodes if node.failed]
    ends = [node for node in graph.nodes if is_end(node, graph.num_steps)]
    graph.keep(graph.around(failed[0]) if failed else graph.before(ends))
    targets = {n: frozenset(e.target for e in graph.out_of(n)) for n in graph.nodes}
    merge(graph, lambda n: (n.kind, targets[n]) if n.step is None else None)
    sources = {n: frozenset(e.source for e in graph.into(n)) for n in graph.nodes}
    wired = {n: (n.step, sources[n], targets[n]) for n in graph.nodes}
    merge(graph, lambda n: wired[n] if n.kind == "state" and n.step is not None else None)


def is_end(node: Node, num_steps: int) -> bool:
    """Whether a node is what the run was for: an output, the last state, a value Python read."""
    return node.kind in ("output", "read") or (node.kind == "state" and node.step == num_steps)


def share_unchanged(graph: Graph, first: Node) -> None:
    """Where every step hands the same state on, let the first one stand for all."""
    chain = [first]
    while after := [e.target for e in graph.out_of(chain[-1]) if e.target.kind == "state"]:
        chain.append(after[0])
    if len(chain) <= graph.num_steps:
        return
    first.step = None
    passed = set(chain[1:])
    value = next(e.value for e in graph.out_of(first))
    read = [e.target for e in graph.edges if e.source in passed and e.target not in passed]
    graph.keep(n for n in graph.nodes if n not in passed)
    for target in read:
        graph.connect(value, target)
    if not graph.out_of(first):
        graph.keep(n for n in graph.nodes if n is not first)


def split_passing(graph: Graph) -> None:
    """Put a call before a state that a step has not computed, so that something stands there."""
    for edge in list(graph.edges):
        before, after = edge.source, edge.target
        if after.kind == "state" and before.kind in ("state", "parameter", "constant"):
            assert after.step is not None
            held = graph.add(Node("call", "=", step=after.step - 1))
            edge.target = held
            graph.connect(Value(held, edge.value.shape, edge.value.grad), after)


def merge(graph: Graph, key: Callable[[Node], Hashable | None]) -> None:
    """Make one node of all that have the same key; a node whose key is None stays alone."""
    groups: dict[Hashable, list[Node]] = {}
    for node in graph.nodes:
        if (found := key(node)) is not None:
            groups.setdefault(found, []).append(node)
    for first, *others in groups.values():
        if others:  # one line each
            first.label = "\n".join(n.label.replace("\n", " ") for n in (first, *others))
        for edge in graph.edges:
            if edge.target in others:
                edge.target = first
            if edge.source in others:
                edge.value.source = first
        graph.keep(n for n in graph.nodes if n not in others)
