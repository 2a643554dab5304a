"""Networks as graphs: what nngraph did, in plain PyTorch, and the pictures of it.

Rows 79 to 83 of the table of capabilities in docs/from-torch-rnn.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from conformance.golden import Case, close, load, tensor
from ostinato import (
    Recurrence,
    Stack,
    cells,
    draw,
    draw_on_error,
    flatten_parameters_and_grads,
    unroll,
)
from ostinato.drawing.arrange import COLOURS, FAILED
from ostinato.errors import ArgumentError


class TwoByTwo(nn.Module):
    """Two inputs, three outputs, one of them nested, a node that is split and one read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.both = nn.Linear(3, 4), nn.Linear(2, 4), nn.Linear(4, 6)

    def forward(self, a: Tensor, b: Tensor) -> Any:
        h = torch.tanh(self.left(a)) * self.right(b)
        first, second = self.both(h).split(3, dim=-1)  # node:split(2)
        return first, (second, (h,))  # nngraph.nest({first, {second, {h}}})


def test_row_79_graphs_with_several_inputs_and_outputs_are_modules() -> None:
    net, (a, b) = TwoByTwo(), (torch.randn(5, 3), torch.randn(5, 2))
    first, (second, (h,)) = net(a, b)
    by_hand = torch.tanh(a @ net.left.weight.T + net.left.bias)
    by_hand = by_hand * (b @ net.right.weight.T + net.right.bias)
    torch.testing.assert_close(h, by_hand)
    out = by_hand @ net.both.weight.T + net.both.bias
    torch.testing.assert_close(torch.cat([first, second], -1), out)

    traced = fx.symbolic_trace(net)  # the same as a graph that can be looked at and changed
    torch.testing.assert_close(traced(a, b), net(a, b), rtol=0, atol=0)
    shown = {node.name for node in traced.graph.nodes if node.op != "call_method"}
    assert {"a", "b", "left", "right", "both", "tanh"} <= shown


def test_row_79_gradients_of_several_readers_are_summed() -> None:
    net, a, b = TwoByTwo().double(), *(torch.randn(2, n, dtype=torch.float64) for n in (3, 2))
    inputs = (a.requires_grad_(), b.requires_grad_())

    def flat(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
        first, (second, (h,)) = net(a, b)
        return first, second, h

    assert torch.autograd.gradcheck(flat, inputs)


def test_row_79_a_graph_can_be_put_together_node_by_node() -> None:
    """As gModule({a, b}, {y, h}): torch.fx for those who make graphs by program."""
    graph = fx.Graph()
    a, b = graph.placeholder("a"), graph.placeholder("b")
    h = graph.call_function(torch.add, (graph.call_module("one", (a,)), b))
    y = graph.call_module("two", (graph.call_function(torch.tanh, (h,)),))
    graph.output((y, h))
    modules = {"one": nn.Linear(3, 4), "two": nn.Linear(4, 2)}
    net = fx.GraphModule(modules, graph)
    x, z = torch.randn(5, 3), torch.randn(5, 4)
    found, inner = net(x, z)
    torch.testing.assert_close(inner, modules["one"](x) + z)
    torch.testing.assert_close(found, modules["two"](torch.tanh(inner)))
    assert len(list(net.parameters())) == 4


class Unit(nn.Module):
    """The unit of the unrolled network of the tutorial: tanh(W [h; x] + b), h before x."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(hidden_size + 1, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(self.map(torch.cat([h, x], -1)))


class Unrolled(nn.Module):
    """Initial h [B, H] and numbers [B, T] to the prediction [B, 1] from the last h."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.cell = Recurrence(Unit(hidden_size), hidden_size)
        self.out = nn.Linear(hidden_size, 1)

    def forward(self, h: Tensor, numbers: Tensor) -> Tensor:
        _, h = unroll(self.cell, numbers.T[..., None], h)
        return self.out(h)


RNN = load("nngraph_rnn")


def filled(case: Case) -> tuple[Unrolled, Tensor, Tensor]:
    """The network with the recorded flat vector, which is aliased, and so its gradients."""
    net = Unrolled(case["args"]["hidden"]).double()
    parameters, grads = flatten_parameters_and_grads(net)
    assert parameters.numel() == case["flatSize"]
    with torch.no_grad():
        parameters.copy_(tensor(case["flatParams"]))
    return net, parameters, grads


@pytest.mark.parametrize("name", RNN)
def test_row_79_the_unrolled_network_has_the_recorded_numbers(name: str) -> None:
    case = RNN[name]
    net, _, grads = filled(case)
    h, numbers = (tensor(given).requires_grad_() for given in case["input"])
    y = net(h, numbers)
    close(y, tensor(case["output"]))
    loss = nn.functional.mse_loss(y, tensor(case["target"]))
    assert loss.item() == pytest.approx(case["loss"], abs=1e-8)
    loss.backward()
    for given, recorded in zip((h, numbers), case["gradInput"], strict=True):
        assert given.grad is not None
        close(given.grad, tensor(recorded))
    close(grads, tensor(case["flatGradParams"]))


@pytest.mark.parametrize("name", RNN)
def test_row_79_descent_on_the_flat_vector_has_the_recorded_course(name: str) -> None:
    case = RNN[name]
    net, parameters, grads = filled(case)
    h, numbers = (tensor(given) for given in case["input"])
    losses = []
    for step in range(6):
        loss = nn.functional.mse_loss(net(h, numbers), tensor(case["target"]))
        losses.append(loss.item())
        if step < 5:
            grads.zero_()
            loss.backward()
            with torch.no_grad():
                parameters -= case["args"]["lr"] * grads
    assert losses == pytest.approx(case["sgd_losses"], abs=1e-8)
    close(parameters, tensor(case["flatParamsAfter5"]))


class RockGRU(nn.Module):
    """The GRU of the Lua lstm rock: six biased maps, and z that takes the candidate."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        for gate in ("z", "r", "n"):
            setattr(self, f"{gate}_x", nn.Linear(input_size, hidden_size))
            setattr(self, f"{gate}_h", nn.Linear(hidden_size, hidden_size))

    def forward(self, h: Tensor, x: Tensor) -> Tensor:
        z = torch.sigmoid(self.z_x(x) + self.z_h(h))
        r = torch.sigmoid(self.r_x(x) + self.r_h(h))
        n = torch.tanh(self.n_x(x) + self.n_h(r * h))
        return (1 - z) * h + z * n


@pytest.mark.parametrize("traced", [False, True])
def test_row_79_the_gru_of_the_rock_has_the_recorded_numbers(traced: bool) -> None:
    (case,) = load("nngraph_cells").values()
    net = RockGRU(3, 4).double()
    maps = [net.z_x, net.z_h, net.n_x, net.r_x, net.r_h, net.n_h]  # as nngraph went through them
    parameters = [p for one in maps for p in (one.weight, one.bias)]
    for p, recorded in zip(parameters, case["params"], strict=True):
        p.data = tensor(recorded)
    h, x = (tensor(given).requires_grad_() for given in case["input"])
    y = (fx.symbolic_trace(net) if traced else net)(h, x)
    close(y, tensor(case["output"]))
    y.backward(tensor(case["gradOutput"]))
    ours = [h.grad, x.grad, *(p.grad for p in parameters)]
    for grad, recorded in zip(ours, [*case["gradInput"], *case["gradParams"]], strict=True):
        assert grad is not None
        close(grad, tensor(recorded))


def test_row_80_chaining_is_sequential() -> None:
    """``y = x - M - M2`` of nngraph."""
    first, second, x = nn.Linear(3, 4), nn.Tanh(), torch.randn(5, 3)
    net = nn.Sequential(first, second)
    assert torch.equal(net(x), second(first(x)))
    longer = net + nn.Sequential(nn.Linear(4, 2))  # chains can be joined
    assert [type(module).__name__ for module in longer] == ["Linear", "Tanh", "Linear"]
    both = Stack(nn.Linear(3, 4), cells.GRU(4, 2), nn.Tanh())  # with cells among them
    assert unroll(both, x[None])[0].shape == (1, 5, 2)


def test_row_81_pictures_have_names_colours_and_gradients(tmp_path: Path) -> None:
    """graph.dot(fg), node:annotate and annotateNodes; the backward graph is the solid lines."""
    net = TwoByTwo()
    net.right.requires_grad_(False)
    picture = draw(net, (torch.ones(5, 3), torch.ones(5, 2)))
    for suffix in ("dot", "svg", "png"):
        picture.save(tmp_path / f"net.{suffix}")
    assert (tmp_path / "net.png").stat().st_size > 5000
    for suffix in ("dot", "svg"):
        text = (tmp_path / f"net.{suffix}").read_text()
        for name in ("left", "right", "both", "a [5, 3]", "b [5, 2]", "h [5, 4]", "left.weight"):
            assert name in text, name
        for kind in ("input", "output", "parameter", "call", "module"):
            assert COLOURS[kind][0] in text
    solid = {(e.source.path, e.target.label) for e in picture.graph.edges if e.value.grad}
    assert ("left", "tanh") in solid
    assert not any(path == "right" for path, _ in solid)
    dashed = [e for e in picture.graph.edges if not e.value.grad]
    assert {"a [5, 3]", "b [5, 2]", "right.weight [4, 2]\nright.bias [4]"} <= {
        edge.source.label for edge in dashed
    }
    assert (tmp_path / "net.dot").read_text().count("style=dashed") == len(dashed)


def test_row_81_an_unrolled_network_is_drawn_as_tutorials_do(tmp_path: Path) -> None:
    picture = draw(cells.Elman(3, 5), torch.ones(2, 3), unrolled=3)
    picture.save(tmp_path / "elman.svg")
    text = (tmp_path / "elman.svg").read_text()
    for name in ("x₁ [2, 3]", "x₃ [2, 3]", "y₂ [2, 5]", "h₀", "h₃"):
        assert name in text
    assert text.count("weight_hh [5, 5]") == 1  # shared by all steps
    boxes = [node for node in picture.graph.nodes if node.kind == "parameter"]
    assert [len(picture.graph.out_of(box)) for box in boxes] == [6, 6]  # weight and bias, 3 steps


def test_row_82_the_failing_node_is_named_and_red(tmp_path: Path) -> None:
    net, path = TwoByTwo(), tmp_path / "failed.svg"
    net.both = nn.Linear(7, 6)
    with pytest.raises(RuntimeError) as caught, draw_on_error(path):
        net(torch.ones(5, 3), torch.ones(5, 2))
    (note,) = caught.value.__notes__
    assert note == (
        "linear in TwoByTwo.both (Linear), given h [5, 4], TwoByTwo.both.weight [6, 7], "
        f"TwoByTwo.both.bias [6]; drawn in {path}"
    )
    assert path.read_text().count(FAILED[0]) == 1


@pytest.mark.parametrize(
    ("example", "error", "message"),
    [
        ((torch.ones(5, 3),), TypeError, "missing a required argument: 'b'"),
        ((torch.ones(5, 3),) * 3, TypeError, "too many positional arguments"),
        ({"a": torch.ones(5, 3), "c": torch.ones(5, 2)}, TypeError, "missing a required"),
        ((torch.ones(5, 3), None), TypeError, "NoneType"),
    ],
    ids=["too few", "too many", "wrong name", "nothing"],
)
def test_row_82_wrong_inputs_are_refused(
    example: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        draw(TwoByTwo(), example)


def test_row_82_unused_inputs_are_refused_by_name() -> None:
    class Deaf(TwoByTwo):
        def forward(self, a: Tensor, b: Tensor) -> Any:
            return super().forward(a, torch.zeros(5, 2))

    with pytest.raises(ArgumentError, match=r"got b \[5, 2\], which has none"):
        draw(Deaf(), (torch.ones(5, 3), torch.ones(5, 2)))


def test_row_82_one_tensor_given_twice_is_two_inputs() -> None:
    x = torch.ones(5, 4)

    class Sum(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a + b

    graph = draw(Sum(), (x, x)).graph
    assert [n.label for n in graph.nodes if n.kind == "input"] == ["a [5, 4]", "b [5, 4]"]


class Trained(nn.Module):
    """A network that ends in its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.criterion = nn.Linear(3, 4), nn.CrossEntropyLoss()

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return self.criterion(self.net(x), target)


def test_row_83_a_criterion_is_a_node() -> None:
    trained, x, target = Trained(), torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 0])
    loss = trained(x, target)
    torch.testing.assert_close(loss, nn.functional.cross_entropy(trained.net(x), target))
    assert loss.shape == ()
    loss.backward()
    assert trained.net.weight.grad is not None

    graph = draw(trained, (x, target)).graph
    (node,) = [node for node in graph.nodes if node.label == "CrossEntropyLoss"]
    assert node.path == "criterion"
    carries = {edge.source.label: edge.value.grad for edge in graph.into(node)}
    assert carries == {"Linear": True, "target [5] int64": False}
    assert [edge.target.label for edge in graph.out_of(node)] == ["output scalar"]
