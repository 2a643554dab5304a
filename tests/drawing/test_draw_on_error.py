"""`draw_on_error`: the failed node, named and in red."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import ostinato
from ostinato import Stack, cells, draw, draw_on_error, unroll
from ostinato.drawing.arrange import FAILED
from ostinato.errors import ArgumentError, ShapeError

RED = FAILED[0]


class Net(nn.Module):
    """Its head is a feature too narrow."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 6), nn.Linear(5, 2)

    def forward(self, image: Tensor) -> Tensor:
        hidden = torch.tanh(self.body(image))
        return self.head(hidden)


def red_line(path: Path) -> str:
    """The one line of a DOT file whose node failed."""
    (line,) = [line for line in path.read_text().splitlines() if RED in line]
    return line


def test_a_module_that_fails_is_named_and_red(tmp_path: Path) -> None:
    net, path = Net(), tmp_path / "failed.dot"
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        with draw_on_error(path):
            net(torch.ones(4, 3))
    told = (
        "linear in Net.head (Linear), given hidden [4, 6], "
        "Net.head.weight [2, 5], Net.head.bias [2]"
    )
    assert caught.value.__notes__ == [f"{told}; drawn in {path}"]
    assert "Net.head\\nLinear" in red_line(path)
    assert told in path.read_text()
    assert "image [4, 3]" in path.read_text()


def test_an_operation_that_fails_is_red(tmp_path: Path) -> None:
    class Product(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return torch.tanh(a) @ b

    with pytest.raises(RuntimeError) as caught, draw_on_error(tmp_path / "failed.dot"):
        Product()(torch.ones(2, 3), torch.ones(2, 3))
    assert caught.value.__notes__[0].startswith("matmul in Product, given [2, 3], b [2, 3]; ")
    assert 'label="@"' in red_line(tmp_path / "failed.dot")


def test_a_refusal_in_words_is_placed_too(tmp_path: Path) -> None:
    stack = Stack(cells.LSTM(3, 5), cells.GRU(6, 5))
    with pytest.raises(ShapeError) as caught, draw_on_error(tmp_path / "failed.dot"):
        stack(torch.ones(2, 3), stack.initial_state(2))
    assert caught.value.__notes__[0].startswith("ShapeError in Stack.layers.1 (GRU), given [2, 5]")
    assert "Stack.layers.1\\nGRU(6, 5)" in red_line(tmp_path / "failed.dot")


def test_torchs_kernels_are_placed_too(tmp_path: Path) -> None:
    stack = Stack(cells.LSTM(3, 5), cells.GRU(6, 5))
    with pytest.raises(RuntimeError) as caught, draw_on_error(tmp_path / "failed.dot"):
        unroll(stack, torch.ones(3, 2, 3), backend="aten")
    assert caught.value.__notes__[0].startswith("gru in Stack.layers.1 (GRU), given [3, 2, 5]")
    assert "Stack.layers.1.weight_ih [15, 6]" in (tmp_path / "failed.dot").read_text()


def test_a_picture_is_drawn_as_svg(tmp_path: Path) -> None:
    net = Net()
    with pytest.raises(RuntimeError), draw_on_error(tmp_path / "failed.svg"):
        net(torch.ones(4, 3))
    drawn = (tmp_path / "failed.svg").read_text()
    assert RED in drawn
    assert "linear in Net.head (Linear)" in drawn


def test_an_error_that_was_handled_leaves_no_trace(tmp_path: Path) -> None:
    class Careful(Net):
        def forward(self, image: Tensor) -> Tensor:
            try:
                return super().forward(image)
            except RuntimeError:
                return torch.tanh(image)

    careful = Careful()
    with draw_on_error(tmp_path / "failed.dot"):
        careful(torch.ones(4, 3))
    assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError) as caught, draw_on_error(tmp_path / "failed.dot"):
        careful(torch.ones(4, 3)) @ torch.ones(4)
    assert caught.value.__notes__[0].startswith("matmul, given [4, 3], [4]; ")
    assert red_line(tmp_path / "failed.dot")


def test_the_cause_of_another_error_is_what_failed(tmp_path: Path) -> None:
    def translated(net: nn.Module) -> None:
        try:
            net(torch.ones(4, 3))
        except RuntimeError as error:
            raise KeyError("broken") from error

    net = Net()
    with pytest.raises(KeyError) as caught, draw_on_error(tmp_path / "failed.dot"):
        translated(net)
    assert caught.value.__notes__[0].startswith("linear in Net.head (Linear)")


def test_errors_of_neither_torch_nor_a_module_are_not_drawn(tmp_path: Path) -> None:
    missing: dict[int, int] = {}
    with pytest.raises(KeyError) as caught, draw_on_error(tmp_path / "failed.dot"):
        missing[int(torch.ones(2).sum())]
    assert not hasattr(caught.value, "__notes__")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"\.svg, \.png or \.dot"):
        with draw_on_error(tmp_path / "failed.gif"):
            raise AssertionError("the block is not entered")


def test_hooks_are_gone_afterwards() -> None:
    from torch.nn.modules import module

    before = len(module._global_forward_hooks), len(module._global_forward_pre_hooks)
    with pytest.raises(RuntimeError):
        draw(Net(), torch.ones(4, 3))
    assert before == (len(module._global_forward_hooks), len(module._global_forward_pre_hooks))


def test_draw_tells_the_place() -> None:
    with pytest.raises(RuntimeError) as caught:
        draw(Net(), torch.ones(4, 3))
    assert caught.value.__notes__ == [
        "linear in head (Linear), given hidden [4, 6], head.weight [2, 5], head.bias [2]"
    ]
    with pytest.raises(ShapeError) as caught:
        draw(Stack(cells.LSTM(3, 5), cells.GRU(6, 5)), torch.ones(2, 3), unrolled=2)
    assert caught.value.__notes__ == ["ShapeError in layers.1 (GRU), given [2, 5]"]


def test_both_are_imported_on_first_use_only() -> None:
    assert set(ostinato.__all__) >= {"Picture", "draw", "draw_on_error"}
    with pytest.raises(AttributeError, match="no attribute 'drawn'"):
        _ = ostinato.drawn  # pyright: ignore
