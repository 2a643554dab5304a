"""Two steps by Torch7 from parameters that are written in a line, to 1e-10, on every backend.

The k-th number of all parameters, in the order of Torch7, is 0.3 sin(k).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ostinato import Recurrent, Sequencer, _tree, cells, torch7, unroll
from ostinato.backends import BACKENDS
from ostinato.errors import BackendError

X1, X2 = [0.5, -0.2], [-0.4, 0.9]
STEPS = torch.tensor([[X1], [X2]], dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    """A cell, its old class, and what two steps give."""

    make: Callable[[], nn.Module]
    layout: str
    want: list[list[float]]


def gru() -> cells.GRU:
    return cells.GRU(2, 2, reset="before")


CASES: dict[str, Case] = {
    "LSTM": Case(
        lambda: cells.PeepholeLSTM(2, 2),
        "nn.LSTM",
        [[-0.0623366549, -0.0412411319], [-0.0209772839, -0.1019103184]],
    ),
    "LSTM cell2gate=false": Case(
        lambda: cells.LSTM(2, 2),
        "nn.LSTM",
        [[0.0198724028, 0.0337445913], [-0.0263062920, 0.0303302991]],
    ),
    "FastLSTM": Case(
        lambda: cells.LSTM(2, 2),
        "nn.FastLSTM",
        [[-0.0159889106, 0.0639253165], [0.0065731267, 0.0937898358]],
    ),
    "GRU": Case(gru, "nn.GRU", [[0.0521115999, 0.0821666023], [-0.0524881930, 0.0761704880]]),
    "MuFuRu": Case(
        lambda: cells.MuFuRu(2, 2),
        "nn.MuFuRu",
        [[0.1111709423, 0.0765847115], [0.1990404145, 0.1082424092]],
    ),
    "MuFuRu of two": Case(
        lambda: cells.MuFuRu(2, 2, operations=("keep", "replace")),
        "nn.MuFuRu",
        [[0.2317930408, 0.1648738023], [0.4317513754, 0.2769681410]],
    ),
    "Recurrent": Case(
        lambda: Recurrent(2, nn.Linear(2, 2), nn.Linear(2, 2)),
        "",
        [[0.6262385071, 0.6088600445], [0.5199720029, 0.5860692709]],
    ),
    "SeqLSTM": Case(
        lambda: cells.LSTM(2, 2),
        "nn.SeqLSTM",
        [[0.0813260982, 0.1054263777], [0.1362450874, 0.0594228423]],
    ),
    "SeqLSTMP": Case(
        lambda: cells.LSTM(2, 3, proj_size=2),
        "nn.SeqLSTMP",
        [[-0.0198915006, -0.0032053676], [-0.0478660926, -0.0087521534]],
    ),
    "SeqGRU": Case(
        gru, "nn.SeqGRU", [[-0.1184125861, -0.1484258537], [-0.1968808265, -0.2498159445]]
    ),
    "MemoryCell": Case(
        lambda: cells.PeepholeLSTM(2, 2, peepholes="full"),
        "lstm.MemoryCell",
        [[0.1191122171, 0.0215484150], [0.1423421314, 0.0355948974]],
    ),
    "GRUCell": Case(
        gru, "lstm.GRUCell", [[-0.1398232643, -0.1984258939], [-0.1285691530, -0.3470666549]]
    ),
}


def by_sine(cell: Any, layout: str) -> Any:
    """The cell with 0.3 sin(1), 0.3 sin(2), ... for parameters, in the order of its old class."""
    named = [layout] if layout else []
    shapes = [tensor.shape for tensor in torch7.export(cell.double(), *named)]
    counted = torch.arange(1, sum(map(math.prod, shapes)) + 1, dtype=torch.float64)
    values = (0.3 * counted.sin()).split([math.prod(shape) for shape in shapes])
    return torch7.load(
        cell, [v.reshape(shape) for v, shape in zip(values, shapes, strict=True)], *named
    )


def close(got: Tensor, want: Any) -> None:
    want = torch.as_tensor(want, dtype=torch.float64)
    torch.testing.assert_close(got.detach(), want, rtol=0, atol=1e-10)


@pytest.mark.parametrize("backend", [b.name for b in BACKENDS])
@pytest.mark.parametrize("name", CASES)
def test_two_steps(name: str, backend: str) -> None:
    case = CASES[name]
    cell = by_sine(case.make(), case.layout)
    try:
        ys, _ = unroll(cell, STEPS, backend=backend)
    except BackendError:
        assert backend == "aten"
        assert name not in ("LSTM cell2gate=false", "FastLSTM", "SeqLSTM", "SeqLSTMP")
        return
    close(ys[:, 0], case.want)


def test_memory_of_the_memory_cell() -> None:
    case = CASES["MemoryCell"]
    _, (_, c) = unroll(by_sine(case.make(), case.layout), STEPS)
    close(c[0], [0.2745967485, 0.0998359973])


def test_mask_zero() -> None:
    cell = by_sine(cells.LSTM(2, 2), "nn.SeqLSTM")
    xs = torch.stack([STEPS[0], torch.zeros_like(STEPS[0]), STEPS[1]])
    there = torch.tensor([[True], [False], [True]])
    ys, _ = unroll(cell, xs, mask=there, resets=~there)
    close(ys[:, 0], [[0.0813260982, 0.1054263777], [0, 0], [0.1063901701, 0.0076778575]])


def test_batch_norm() -> None:
    """In training, then in evaluation from the start, with the statistics of the two steps."""
    cell = by_sine(cells.BatchNormLSTM(2, 2), "nn.FastLSTM")
    xs = torch.tensor(
        [[X1, X2, [1.1, 0.3]], [[-0.4, 0.9], [0.2, 0.1], [-1.0, 0.6]]], dtype=torch.float64
    )
    ys, _ = unroll(cell, xs)
    close(
        ys,
        [
            [
                [0.1912286433, 0.0452241299],
                [0.0310628766, 0.1223153010],
                [0.2778247139, 0.1517638218],
            ],
            [
                [0.2332840027, 0.0713755112],
                [0.2434693468, 0.1018663669],
                [0.0148069956, 0.1261548841],
            ],
        ],
    )
    ys, _ = unroll(cell.eval(), xs)
    close(
        ys,
        [
            [
                [0.2002135921, 0.1014888847],
                [0.1951742297, 0.0995202704],
                [0.2010621335, 0.1027577520],
            ],
            [
                [0.2110920916, 0.0935827346],
                [0.2129313537, 0.0951682243],
                [0.2112326957, 0.0928444631],
            ],
        ],
    )


def test_truncation() -> None:
    """Gradients stop at the border between two remembered calls."""
    cell = by_sine(gru(), "nn.GRU")
    shell = Sequencer(cell, remember="both")
    shell(STEPS[:1])
    carried = _tree.map(lambda leaf: leaf.detach().requires_grad_(), shell.state)
    ys = shell(STEPS[1:])
    cell.zero_grad()
    ys.backward(torch.ones_like(ys))
    want = [
        [-0.0003318386, 0.0007466368],
        [0.0007755610, -0.0017450122],
        [-0.0178676057, 0.0402021127],
        [-0.0012304937, 0.0027686108],
    ]
    assert cell.weight_ih.grad is not None
    close(cell.weight_ih.grad[:4], want)
    again, _ = unroll(cell, STEPS[1:], carried)
    (border,) = torch.autograd.grad(again, carried, torch.ones_like(again))
    close(border, [[0.4514188226, 0.4645190085]])
