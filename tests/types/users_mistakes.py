"""Mistakes that a checker must find, one a line that ends in ``wrong``; see `test_types.py`."""

import torch

import ostinato
from ostinato import cells, unroll

xs = torch.randn(5, 2, 3)

print(unroll(cells.LSTM(3, 4), xs)[1].shape)  # wrong
print(unroll(cells.GRU(3, 4), xs)[0].no_such_name)  # wrong
unroll(cells.GRU(3, 4), xs, reversed=True)  # wrong
print(ostinato.nn.LSTM(3, 4)(xs)[1].shape)  # wrong
print(ostinato.nn.GRU(3, 4)(xs)[0].no_such_name)  # wrong
ostinato.nn.GRU(3, 4, layernorm=True)  # wrong
ostinato.nn.swap("model")  # wrong
