"""Rows, order and places of one time step, and its text in DOT."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ostinato.drawing.dot import as_dot, quoted
from ostinato.drawing.graph import Graph, Kind, Node, Value
from ostinato.drawing.layers import Extent, Link, Step, lay_out, settle

WIDE = Extent(0.5, 0.5)


def laid_out(
    *arrows: str, inputs: str = "", outputs: str = "", **pulls: float
) -> tuple[Step, dict[str, Node]]:
    """The layout of arrows such as "ab", from a to b."""
    kinds: dict[str, Kind] = {**dict.fromkeys(inputs, "input"), **dict.fromkeys(outputs, "output")}
    names = dict.fromkeys("".join(arrows))
    nodes = {name: Node(kinds.get(name, "call"), name) for name in names}
    links = [Link(nodes[a], nodes[b]) for a, b in arrows]
    drawn = {nodes[name]: pull for name, pull in pulls.items()}
    extents = dict.fromkeys(nodes.values(), WIDE)
    return lay_out(list(nodes.values()), links, extents, drawn, gap=0.2), nodes


def test_rows_are_longest_paths() -> None:
    step, nodes = laid_out("xa", "ab", "xb", "by", "bc", "cz", inputs="x", outputs="yz")
    rows = {name: step.row[node] for name, node in nodes.items()}
    assert rows == dict(zip("xabcyz", (0, 1, 2, 3, 4, 4), strict=True))  # outputs on top


def test_a_node_without_sources_is_near_its_target() -> None:
    step, nodes = laid_out("xa", "ab", "bc", "kc", "cy", inputs="x", outputs="y")
    assert step.row[nodes["k"]] == step.row[nodes["c"]] - 1


def test_a_chain_is_straight() -> None:
    step, nodes = laid_out("xa", "xk", "ab", "kb", "by", inputs="x", outputs="y")
    assert step.x[nodes["x"]] == pytest.approx(step.x[nodes["b"]])
    assert step.x[nodes["y"]] == pytest.approx(step.x[nodes["b"]])


def test_long_arrows_keep_their_place_in_the_rows_between() -> None:
    step, nodes = laid_out("xa", "ab", "bc", "xc", inputs="x")
    (long,) = [link for link in step.links if link.target is nodes["c"] and link.bends]
    assert len(long.bends) == 2
    for bend, name in zip(long.bends, "ab", strict=True):
        assert abs(step.x[bend] - step.x[nodes[name]]) >= WIDE.right + 0.2


def test_arrows_do_not_cross_without_need() -> None:
    step, nodes = laid_out("xa", "xb", "xc", "ad", "be", "cf", "fg", "eg", "dg", inputs="x")
    order = [[step.x[nodes[name]] for name in row] for row in ("abc", "def")]
    assert sorted(range(3), key=order[0].__getitem__) == sorted(range(3), key=order[1].__getitem__)


def test_pulled_nodes_go_to_their_sides() -> None:
    step, nodes = laid_out("xa", "xb", "xc", "ad", "bd", "cd", inputs="x", a=1.0, c=-1.0)
    assert step.rows[1] == [nodes["c"], nodes["b"], nodes["a"]]


def test_places_keep_order_and_distances() -> None:
    wanted = {"a": (0.0, 1), "b": (0.0, 3), "c": (9.0, 1)}
    x = settle("abc", wanted, dict.fromkeys("abc", WIDE), 0.2)
    assert all(x[right] - x[left] >= 1.2 - 1e-12 for left, right in pairwise("abc"))
    assert x == pytest.approx({"a": -0.9, "b": 0.3, "c": 9.0})  # b weighs three times as much


def test_dot_is_quoted() -> None:
    assert quoted('a "b"\n\\') == r'"a \"b\"\n\\"'


def test_dot_has_names_shapes_and_colours() -> None:
    graph = Graph()
    x, tanh = graph.add(Node("input", "x [2]")), graph.add(Node("call", "tanh"))
    y = graph.add(Node("output", "y [2]"))
    graph.connect(Value(x, "[2]", grad=False, name="x"), tanh)
    graph.connect(Value(tanh, "[2]", grad=True, name="z"), y)
    assert as_dot(graph) == (
        "digraph {\n"
        "  rankdir=BT\n"
        '  node [fontname="sans-serif" style=filled]\n'
        "  subgraph cluster_0 {\n"
        '    n0 [label="x [2]" shape=oval fillcolor="#dbeafe" color="#2563eb"]\n'
        '    n1 [label="tanh" shape=box fillcolor="#ffffff" color="#374151"]\n'
        '    n2 [label="y [2]" shape=oval fillcolor="#ede9fe" color="#7c3aed"]\n'
        "  }\n"
        "  n0 -> n1 [style=dashed]\n"
        '  n1 -> n2 [label="z [2]"]\n'
        "}\n"
    )
