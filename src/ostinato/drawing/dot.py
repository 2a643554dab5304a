"""A picture as text in the DOT language of Graphviz."""

from __future__ import annotations

from ostinato.drawing.arrange import CALLS, COLOURS, FAILED, node_text
from ostinato.drawing.graph import Edge, Graph, Node

SHAPES = {"input": "oval", "output": "oval", "state": "oval", "parameter": "note"}


def as_dot(graph: Graph, caption: str = "") -> str:
    """The graph as DOT: a cluster for each time step, dashed edges where no gradient returns."""
    names = {node: f"n{i}" for i, node in enumerate(graph.nodes)}
    lines = ["digraph {", "  rankdir=BT", '  node [fontname="sans-serif" style=filled]']
    if caption:
        lines.append(f"  label={quoted(caption)}")
    outside = [n for n in graph.nodes if n.step is None or n.kind == "state"]
    lines += [f"  {names[node]} {attributes(node)}" for node in outside]
    for step in range(graph.num_steps):
        inside = [n for n in graph.nodes if n.step == step and n not in outside]
        lines.append(f"  subgraph cluster_{step} {{")
        if graph.num_steps > 1:
            lines.append(f"    label={quoted(f'step {step + 1}')}")
        lines += [f"    {names[node]} {attributes(node)}" for node in inside]
        lines.append("  }")
    lines += [f"  {names[e.source]} -> {names[e.target]} {wire(e)}" for e in graph.edges]
    return "\n".join([*lines, "}", ""])


def attributes(node: Node) -> str:
    """How a node is drawn, in brackets."""
    fill, border = FAILED if node.failed else COLOURS[node.kind]
    shape = SHAPES.get(node.kind, "box")
    said = f'label={quoted(node_text(node))} shape={shape} fillcolor="{fill}" color="{border}"'
    return f"[{said}]"


def wire(edge: Edge) -> str:
    """How an edge is drawn, in brackets: what it carries, unless its source says that itself."""
    said = [f"label={quoted(edge.value.text)}"] if edge.source.kind in CALLS else []
    said += [] if edge.value.grad else ["style=dashed"]
    return f"[{' '.join(said)}]"


def quoted(text: str) -> str:
    """A string of the DOT language."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
