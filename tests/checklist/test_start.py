"""The beginner's path, docs/start.md: what it says of its numbers is so.

Row 110 of the table of capabilities in docs/from-torch-rnn.md.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

PAGE = Path(__file__).parents[2] / "docs" / "start.md"


@pytest.fixture(scope="module")
def scope(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the names of the page stand for after all of its blocks have run, in one go."""
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("start"))
        for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S):
            exec(compile(block, PAGE.name, "exec"), names)
    return names


def test_row_110_the_simple_rnn_learns_short_sequences_and_no_long_ones(
    scope: dict[str, Any],
) -> None:
    baseline = 1 / 6  # the variance of a sum of two uniform numbers
    assert scope["errors"]["simple", 5] < 0.02
    assert 0.8 * baseline < scope["errors"]["simple", 60] < 1.2 * baseline


def test_row_110_with_gates_the_same_training_learns_long_sequences(scope: dict[str, Any]) -> None:
    for name in ("lstm", "gru"):  # 0.004 and 0.001 on the page
        assert scope["errors"][name, 60] < 0.25 * scope["errors"]["simple", 60]


def test_row_110_gradients_vanish_where_the_page_says_so(scope: dict[str, Any]) -> None:
    arrives = scope["arrives"]
    assert len(arrives["simple"]) == 60
    assert arrives["simple"][0] < 1e-12  # 3e-19 on the page
    assert 1e-9 < arrives["simple"][-21] < 1e-4
    assert arrives["lstm"][0] > 1e-2
    assert arrives["lstm"][-21] > 1e-2
    assert arrives["gru"][0] < 1e-8
    assert 1e-6 < arrives["gru"][-21] < 1e-2
    assert arrives["gru", "trained"][0] > 0.05
    assert arrives["lstm", "trained"][0] > 0.05


def test_row_110_the_cells_of_the_page_are_those_of_the_library(scope: dict[str, Any]) -> None:
    mine, theirs = scope["SimpleRNN"](2, 8), scope["cells"].Elman(2, 8)
    with torch.no_grad():
        theirs.weight_ih.copy_(mine.W.weight)
        theirs.weight_hh.copy_(mine.U.weight)
        theirs.bias_ih.copy_(mine.W.bias)
        theirs.bias_hh.zero_()
    xs = torch.randn(10, 4, 2)
    ys, h = scope["unroll"](mine, xs)
    torch.testing.assert_close(scope["unroll"](theirs, xs), (ys, h))
    torch.testing.assert_close(ys[-1], h)


def test_row_110_the_equations_of_the_lstm_are_its_step() -> None:
    """Line by line as the page has them."""
    from ostinato import cells

    lstm, (x, h, c) = cells.LSTM(3, 5), (torch.randn(4, n) for n in (3, 5, 5))
    products = x @ lstm.weight_ih.T + lstm.bias_ih + h @ lstm.weight_hh.T + lstm.bias_hh
    i, f, g, o = products.chunk(4, dim=-1)
    c_after = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h_after = torch.sigmoid(o) * torch.tanh(c_after)
    torch.testing.assert_close(lstm(x, (h, c)), (h_after, (h_after, c_after)))


def test_row_110_the_pictures_are_of_the_two_cells(scope: dict[str, Any]) -> None:
    pictures = re.findall(r"\(pictures/([^)]+)\)", PAGE.read_text())
    assert pictures == ["simple-rnn.svg", "lstm.svg"]
    texts = [
        re.findall(r"<text[^>]*>([^<]*)</text>", (PAGE.parent / "pictures" / name).read_text())
        for name in pictures
    ]
    assert sum(word == "tanh" for word in texts[0]) == 3  # one at each of three steps
    assert {"i [4, 5]", "f [4, 5]", "g [4, 5]", "o [4, 5]"} <= set(texts[1])
