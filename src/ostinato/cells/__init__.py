"""Recurrent cells, one published cell a file: equations only.

Read them qualified, ``cells.LSTM``; the layer that runs over a whole sequence in the manner of
torch is ``ostinato.nn.LSTM``.
"""

from ostinato.cells.batch_norm_lstm import BatchNormLSTM
from ostinato.cells.coupled_lstm import CoupledLSTM
from ostinato.cells.elman import Elman
from ostinato.cells.gated import GatedCell, GatedMemory
from ostinato.cells.gru import GRU
from ostinato.cells.lstm import LSTM
from ostinato.cells.mgu import MGU
from ostinato.cells.mufuru import MuFuRu
from ostinato.cells.multiplicative_lstm import MultiplicativeLSTM
from ostinato.cells.peephole_lstm import PeepholeLSTM
from ostinato.cells.recurrent_highway import RecurrentHighway

__all__ = [
    "GRU",
    "LSTM",
    "MGU",
    "BatchNormLSTM",
    "CoupledLSTM",
    "Elman",
    "GatedCell",
    "GatedMemory",
    "MuFuRu",
    "MultiplicativeLSTM",
    "PeepholeLSTM",
    "RecurrentHighway",
]
