"""`draw`: cells over time, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ostinato
from catalogue import ENTRIES, Entry
from ostinato import Sequencer, Stack, _tree, cells, draw
from ostinato.drawing.arrange import Box, Plan
from ostinato.drawing.dot import as_dot
from ostinato.drawing.graph import Graph
from ostinato.errors import ArgumentError, DtypeError, ShapeError


def said(graph: Graph, kind: str) -> list[str]:
    return [node.label for node in graph.nodes if node.kind == kind]


def width(line: str) -> float:
    return 0.06 * len(line)


def first_step(entry: Entry) -> Any:
    return _tree.map(lambda leaf: leaf[0], entry.inputs(1, 2, torch.float32))


@pytest.mark.parametrize("depth", [0, 1, 9])
@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_every_cell_can_be_drawn(entry: Entry, depth: int) -> None:
    graph = draw(entry.build(torch.float32), first_step(entry), unrolled=2, depth=depth).graph
    plan = Plan(graph, width)
    assert set(plan.boxes) == set(graph.nodes)
    assert not overlapping(list(plan.boxes.values()))
    assert as_dot(graph).count("subgraph") == 2
    assert shapes_of_step(graph, plan, 0) == shapes_of_step(graph, plan, 1)


def overlapping(boxes: list[Box]) -> bool:
    """Whether any two boxes share a place."""
    return any(
        abs(a.x - b.x) < (a.width + b.width) / 2 - 1e-9
        and abs(a.y - b.y) < (a.height + b.height) / 2 - 1e-9
        for i, a in enumerate(boxes)
        for b in boxes[:i]
    )


def shapes_of_step(graph: Graph, plan: Plan, step: int) -> list[tuple[float, ...]]:
    """Where the boxes of a step are, seen from its leftmost one."""
    boxes = [plan.boxes[n] for n in graph.nodes if n.step == step and n.kind != "state"]
    left = min(box.left for box in boxes)
    return sorted((round(box.x - left, 6), round(box.y, 6), box.height) for box in boxes)


def test_steps_states_and_shared_parameters_are_visible() -> None:
    graph = draw(cells.LSTM(3, 5), torch.ones(4, 3), unrolled=3).graph
    assert said(graph, "input") == ["x₁ [4, 3]", "x₂ [4, 3]", "x₃ [4, 3]"]
    assert said(graph, "output") == ["y₁ [4, 5]", "y₂ [4, 5]", "y₃ [4, 5]"]
    assert set(said(graph, "state")) == {f"{n}{i}\n[4, 5]" for n in "hc" for i in "₀₁₂₃"}
    boxes = [node for node in graph.nodes if node.kind == "parameter"]
    assert {node.label for node in boxes} == {
        "weight_ih [20, 3]\nbias_ih [20]",
        "weight_hh [20, 5]\nbias_hh [20]",
    }
    for box in boxes:  # one box, read once in each step
        assert sorted({e.target.step for e in graph.out_of(box)}) == [0, 1, 2]
    for node in graph.nodes:
        if node.kind == "state" and 0 < (node.step or 0) < 3:
            assert {e.source.step for e in graph.into(node)} == {(node.step or 0) - 1}
            assert {e.target.step for e in graph.out_of(node)} == {node.step}


def test_a_single_step_has_primes() -> None:
    graph = draw(cells.GRU(3, 5), torch.ones(4, 3)).graph
    assert said(graph, "input") == ["x [4, 3]"]
    assert set(said(graph, "state")) == {"h\n[4, 5]", "h′\n[4, 5]"}  # noqa: RUF001


def test_a_stack_is_drawn_by_layers() -> None:
    graph = draw(Stack(cells.LSTM(3, 5), nn.Linear(5, 2)), torch.ones(4, 3), unrolled=2).graph
    assert said(graph, "module") == ["LSTM(3, 5)", "Linear"] * 2
    assert "h₁ [4, 5]\nc₁ [4, 5]" in said(graph, "state")
    assert not said(graph, "call")


def test_a_state_that_no_step_changes_is_shared() -> None:
    graph = draw(ostinato.HeldDropout(3, 0.5), torch.ones(4, 3), unrolled=3).graph
    (mask,) = [node for node in graph.nodes if node.kind == "state"]
    assert (mask.label, mask.step) == ("mask\n[4, 3] bool", None)
    assert {e.target.step for e in graph.out_of(mask)} == {0, 1, 2}
    unused = draw(ostinato.HeldDropout(3, 0.5).eval(), torch.ones(4, 3), unrolled=3).graph
    assert not said(unused, "state")


class Shift(ostinato.Cell):
    """y is the x of two steps ago: a state that is an input, and one that is handed on."""

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        last, older = state
        return older, (x, last)

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Any:
        return torch.zeros(batch_size, 3), torch.zeros(batch_size, 3)


def test_states_may_be_handed_on() -> None:
    graph = draw(Shift(), torch.ones(4, 3), unrolled=3).graph
    assert not overlapping(list(Plan(graph, width).boxes.values()))
    assert [node.label for node in graph.nodes if node.kind == "call"] == ["="] * 3


def test_inputs_and_outputs_of_modules_have_names() -> None:
    class Both(nn.Module):
        def forward(self, a: Tensor, pair: tuple[Tensor, dict[str, Tensor]]) -> dict[str, Any]:
            return {"sum": a + pair[0], "more": [pair[1]["deep"] * 2, 3]}

    given = {"a": torch.ones(2), "pair": (torch.ones(2), {"deep": torch.ones(1, 2)})}
    for example in (given, tuple(given.values())):
        graph = draw(Both(), example).graph
        assert said(graph, "input") == ["a [2]", "pair[0] [2]", "deep [1, 2]"]
        assert said(graph, "output") == ["sum [2]", "more[0] [1, 2]"]


def test_a_sequence_shell_is_a_module_like_others() -> None:
    xs = torch.ones(4, 2, 3)
    graph = draw(Sequencer(cells.GRU(3, 5)), xs).graph
    assert said(graph, "module") == ["GRU(3, 5)"]
    assert said(graph, "output") == ["output [4, 2, 5]"]
    steps = draw(Sequencer(cells.GRU(3, 5)), xs, depth=2).graph
    assert said(steps, "module") == []
    assert said(steps, "call").count("tanh") == 4


def test_a_run_over_time_is_one_node() -> None:
    class Coupled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = cells.LSTM(3, 5), cells.GRU(2, 5)

        def forward(self, source: Tensor, target: Tensor) -> Tensor:
            _, (h, _) = ostinato.unroll(self.encoder, source)
            ys, _ = ostinato.unroll(self.decoder, target, h)
            return ys

    model = Coupled()
    graph = draw(model, (torch.ones(4, 2, 3), torch.ones(6, 2, 2))).graph
    assert said(graph, "module") == ["LSTM(3, 5)", "GRU(2, 5)"]
    encoder, decoder = (node for node in graph.nodes if node.kind == "module")
    assert encoder in {edge.source for edge in graph.into(decoder)}
    assert said(graph, "output") == ["output [6, 2, 5]"]


def test_unused_inputs_are_named() -> None:
    class Half(nn.Module):
        def forward(self, used: Tensor, unused: Tensor, size: Tensor) -> Tensor:
            return used * size.shape[0]

    with pytest.raises(ArgumentError, match=r"got unused \[2\], size \[3\], which have none"):
        draw(Half(), (torch.ones(2), torch.ones(2), torch.ones(3)))


def test_an_input_that_only_steers_is_used() -> None:
    class Steered(nn.Module):
        def forward(self, x: Tensor, flag: Tensor) -> Tensor:
            return torch.tanh(x) if flag.item() > 0 else x

    graph = draw(Steered(), (torch.ones(2), torch.tensor(1.0))).graph
    assert said(graph, "read") == ["item"]
    assert said(graph, "input") == ["x [2]", "flag scalar"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"unrolled": 0}, ArgumentError, "unrolled: wanted a whole number of at least 1, got 0"),
        ({"unrolled": True}, ArgumentError, "unrolled: wanted a whole number"),
        ({"depth": -1}, ArgumentError, "depth: wanted a whole number of at least 0, got -1"),
        ({"example": 3.0}, ShapeError, r"example: wanted one step x \[B, ...\] for GRU"),
        ({"module": nn.Tanh(), "unrolled": 2}, ArgumentError, "1 for Tanh, which is no cell"),
        ({"module": torch.tanh}, DtypeError, "module: wanted a torch.nn.Module"),
        ({"example": torch.ones(2, 4)}, ShapeError, r"one step \[B, 3\] for GRU, got \[2, 4\]"),
    ],
)
def test_refusals(change: dict[str, Any], error: type[Exception], message: str) -> None:
    given: dict[str, Any] = {"module": cells.GRU(3, 5), "example": torch.ones(2, 3), **change}
    with pytest.raises(error, match=message):
        draw(given.pop("module"), given.pop("example"), **given)


def test_a_module_without_output_is_refused() -> None:
    class Silent(nn.Module):
        def forward(self, x: Tensor) -> None:
            torch.tanh(x)

    with pytest.raises(DtypeError, match="gives tensors"):
        draw(Silent(), torch.ones(2))


def test_pictures_are_files(tmp_path: Path) -> None:
    picture = draw(cells.Elman(3, 5), torch.ones(2, 3), unrolled=2)
    starts = {".svg": b"<?xml", ".png": b"\x89PNG", ".dot": b"digraph"}
    for suffix, start in starts.items():
        path = tmp_path / f"elman{suffix}"
        picture.save(path)
        once = path.read_bytes()
        assert once.startswith(start)
        picture.save(str(path))
        assert path.read_bytes() == once
    assert len(list(tmp_path.iterdir())) == 3


def test_a_notebook_is_given_svg() -> None:
    assert "<svg" in draw(cells.Elman(3, 5), torch.ones(2, 3))._repr_svg_()


def test_show_opens_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    draw(cells.Elman(3, 5), torch.ones(2, 3)).show()
    shown = Path(opened[0].removeprefix("file://"))
    assert shown.read_text().startswith("<?xml")
    shown.unlink()


@pytest.mark.parametrize("name", ["cell.pdf", "cell", "no/cell.svg"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    picture = draw(cells.Elman(3, 5), torch.ones(2, 3))
    with pytest.raises(ArgumentError, match=r"\.svg, \.png or \.dot|a folder that is there"):
        picture.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_of_a_file_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    picture = draw(cells.Elman(3, 5), torch.ones(2, 3))
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        picture.save(tmp_path / "elman.svg")
    assert not list(tmp_path.iterdir())
