"""What is recorded of a run: whatever a module does, its calls and where their values go."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ostinato import Recursor, Stack, cells, draw
from ostinato.drawing.graph import Graph, Node


def labels(graph: Graph, kind: str = "call") -> list[str]:
    return [node.label for node in graph.nodes if node.kind == kind]


def into(graph: Graph, label: str) -> set[str]:
    """The labels of what goes into the one node with this label."""
    (node,) = [node for node in graph.nodes if node.label == label]
    return {edge.source.label for edge in graph.into(node)}


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *xs: Tensor) -> Any:
        return self.function(*xs)


def graph_of(function: Any, *xs: Tensor) -> Graph:
    return draw(Function(function), xs).graph


def test_calls_are_nodes_and_tensors_edges() -> None:
    graph = graph_of(lambda a, b: torch.tanh(a) * (1 - b), torch.ones(2, 3), torch.ones(2, 3))
    assert labels(graph, "input") == ["xs[0] [2, 3]", "xs[1] [2, 3]"]
    assert labels(graph, "output") == ["output [2, 3]"]
    assert into(graph, "×") == {"tanh", "1 −"}  # noqa: RUF001
    assert {edge.value.shape for edge in graph.edges} == {"[2, 3]"}


def test_control_flow_is_followed() -> None:
    def steps(x: Tensor) -> Tensor:
        for _ in range(int(x.sum())):
            x = torch.tanh(x) if x.max() > 0.9 else torch.sin(x)
        return x

    graph = graph_of(steps, torch.ones(3))
    assert [label for label in labels(graph) if label in ("tanh", "sin")] == ["tanh", "sin", "sin"]
    assert labels(graph, "read") == ["int", "bool", "bool", "bool"]


def test_changes_in_place_are_seen_through_views() -> None:
    def fill(x: Tensor) -> Tensor:
        table = torch.zeros(2, 3)
        table[0] = x
        table[1].mul_(x)
        return table.sum()

    graph = graph_of(fill, torch.ones(3))
    assert labels(graph) == ["zeros", "[0] =", "[1]", "×", "sum"]  # noqa: RUF001
    assert into(graph, "sum") == {"×"}  # noqa: RUF001


def test_own_gradients_are_seen() -> None:
    class Halved(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x

        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Tensor:
            return dy / 2

    graph = graph_of(lambda x: torch.tanh(Halved.apply(x)), torch.ones(3, requires_grad=True))
    assert labels(graph) == ["view_as", "tanh"]


def test_what_leads_to_no_output_is_left_out() -> None:
    graph = graph_of(lambda x: (torch.sin(x), torch.tanh(x))[1], torch.ones(3))
    assert labels(graph) == ["tanh"]


def test_pieces_that_are_no_calls_have_no_node() -> None:
    dropout = nn.Dropout(0.5).eval()
    graph = draw(nn.Sequential(dropout, nn.Identity(), nn.Tanh()), torch.ones(3)).graph
    assert labels(graph, "module") == ["Tanh"]


class Tied(nn.Module):
    """Two layers with one matrix, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(3, 3), nn.Linear(3, 3)
        self.up.weight = self.down.weight
        self.register_buffer("scale", torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x)) * self.scale


def test_parameters_have_their_names_and_are_there_once() -> None:
    graph = draw(Tied(), torch.ones(2, 3)).graph
    boxes = {node.label: node for node in graph.nodes if node.kind == "parameter"}
    assert set(boxes) == {"down.weight [3, 3]", "down.bias [3]", "up.bias [3]", "scale [3]"}
    assert len(graph.out_of(boxes["down.weight [3, 3]"])) == 2
    assert all(node.step is None for node in boxes.values())


def test_values_are_named_after_variables() -> None:
    graph = draw(cells.LSTM(3, 5), torch.ones(2, 3)).graph
    assert {edge.value.name for edge in graph.edges} >= {"i", "f", "g", "o", "c", "h"}
    graph = draw(cells.GRU(3, 5), torch.ones(2, 3)).graph
    assert {edge.value.name for edge in graph.edges} >= {"r", "z", "n", "h"}


def test_modules_have_their_paths_and_depth_opens_them() -> None:
    net = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Linear(4, 2))

    def paths(depth: int) -> list[str]:
        graph = draw(net, torch.ones(2, 3), depth=depth).graph
        return [node.path for node in graph.nodes if node.kind == "module"]

    assert paths(0) == [""]
    assert paths(1) == ["0", "1"]
    assert paths(2) == paths(3) == ["0.0", "0.1", "1"]


def test_gradients_are_told_apart() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    net[0].requires_grad_(False)
    graph = draw(net, torch.ones(2, 3)).graph
    carries = {(e.source.label.split()[0], e.target.path): e.value.grad for e in graph.edges}
    assert not carries["input", "0"]
    assert not carries["0.weight", "0"]
    assert not carries["Linear", "1"]
    assert carries["1.weight", "1"]
    assert carries["Linear", ""]


def test_drawing_changes_nothing() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    stream = Recursor(Stack(cells.GRU(3, 4), net[1:]))
    x = torch.randn(5, 3)
    stream(x)
    before, state = copy.deepcopy(stream.state_dict()), stream.state[0].clone()
    drawn = torch.get_rng_state()
    with torch.no_grad():
        draw(stream, x)
        draw(stream.cell, x)
    assert torch.equal(drawn, torch.get_rng_state())
    assert torch.equal(state, stream.state[0])
    assert all(torch.equal(held, before[name]) for name, held in stream.state_dict().items())
    assert all(p.grad is None for p in stream.parameters())


def test_a_module_without_sight_is_joined_by_what_it_is_given() -> None:
    class Numpy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.utils.dlpack.from_dlpack(x.clone().numpy() * 2)

    graph = draw(nn.Sequential(nn.Tanh(), Numpy()), torch.ones(3)).graph
    assert into(graph, "Numpy") == {"Tanh"}


@pytest.mark.parametrize("depth", [1, 2])
def test_a_lift_is_not_seen(depth: int) -> None:
    graph = draw(Stack(nn.Linear(3, 4), cells.GRU(4, 2)), torch.ones(2, 3), depth=depth).graph
    found: list[Node] = [node for node in graph.nodes if node.label == "Linear"]
    assert [node.path for node in found] == ["layers.0"]
