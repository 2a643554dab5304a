"""A user's script, for `test_types.py`: what a checker makes of results, in ``assert_type``."""

from typing import Any, assert_type

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

import ostinato
from ostinato import cells, unroll

xs = torch.randn(5, 2, 3)

ys, (h, c) = unroll(cells.LSTM(3, 4), xs, lengths=[5, 2])
assert_type(ys, Tensor)
assert_type(h, Tensor)
assert_type(c, Tensor)
assert_type(unroll(cells.PeepholeLSTM(3, 4), xs, (h, c)), tuple[Tensor, tuple[Tensor, Tensor]])
assert_type(unroll(cells.GRU(3, 4), xs, h), tuple[Tensor, Tensor])
assert_type(unroll(cells.Elman(3, 4), xs, reverse=True), tuple[Tensor, Tensor])

stack = ostinato.Stack(cells.GRU(3, 4), torch.nn.Linear(4, 2))
assert_type(unroll(stack, xs), tuple[Tensor, Any])
tree: Any = xs  # a tuple or dict of tensors, for cells that take one
assert_type(unroll(stack, tree)[1], Any)

lstm = ostinato.nn.LSTM(3, 4, 2, bidirectional=True)
output, (h_n, c_n) = lstm(xs)
assert_type(output, Tensor)
assert_type(c_n, Tensor)
assert_type(lstm(xs, (h_n, c_n), lengths=[5, 2]), tuple[Tensor, tuple[Tensor, Tensor]])
assert_type(ostinato.nn.GRU(3, 4)(xs), tuple[Tensor, Tensor])
assert_type(ostinato.nn.RNN(3, 4, nonlinearity="relu")(xs), tuple[Tensor, Tensor])

packed = torch.nn.utils.rnn.pack_padded_sequence(xs, torch.tensor([5, 2]))
assert_type(lstm(packed), tuple[PackedSequence, tuple[Tensor, Tensor]])

# the state of another cell is whatever that cell has
other = ostinato.nn.GRU(3, 4, cell=cells.LSTM)
assert_type(other(xs), tuple[Tensor, Any])


class Tagger(torch.nn.Module):
    """A drop-in as an attribute keeps its types."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = ostinato.nn.LSTM(3, 4)

    def forward(self, xs: Tensor) -> Tensor:
        ys, (h, _) = self.lstm(xs)
        assert_type(ys, Tensor)
        return ys + h


report = ostinato.nn.swap(Tagger())
assert_type(report, ostinato.nn.Swap)
assert_type(report.left, dict[str, str])
