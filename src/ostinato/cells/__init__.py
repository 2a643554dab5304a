"""Recurrent cells, one published cell a file: equations only.

Read them qualified, ``cells.LSTM``; the layer that runs over a whole sequence in the manner of
torch is ``ostinato.nn.LSTM``.
"""

from ostinato.cells.elman import Elman
from ostinato.cells.gated import GatedCell
from ostinato.cells.gru import GRU
from ostinato.cells.lstm import LSTM

__all__ = ["GRU", "LSTM", "Elman", "GatedCell"]
