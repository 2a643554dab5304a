"""Recurrent cells, one published cell a file: equations only.

Read them qualified, ``cells.LSTM``; the layer that runs over a whole sequence in the manner of
torch is ``ostinato.nn.LSTM``.
"""

from ostinato.cells.antisymmetric import AntisymmetricRNN
from ostinato.cells.batch_norm_lstm import BatchNormLSTM
from ostinato.cells.coupled_lstm import CoupledLSTM
from ostinato.cells.elman import Elman
from ostinato.cells.gated import GatedCell, GatedMemory
from ostinato.cells.gru import GRU
from ostinato.cells.indrnn import IndRNN
from ostinato.cells.janet import JANET
from ostinato.cells.lstm import LSTM
from ostinato.cells.mgu import MGU
from ostinato.cells.min_gru import MinGRU
from ostinato.cells.mufuru import MuFuRu
from ostinato.cells.multiplicative_lstm import MultiplicativeLSTM
from ostinato.cells.peephole_lstm import PeepholeLSTM
from ostinato.cells.recurrent_highway import RecurrentHighway
from ostinato.cells.sru import SRU
from ostinato.cells.ugrnn import UGRNN

__all__ = [
    "GRU",
    "JANET",
    "LSTM",
    "MGU",
    "SRU",
    "UGRNN",
    "AntisymmetricRNN",
    "BatchNormLSTM",
    "CoupledLSTM",
    "Elman",
    "GatedCell",
    "GatedMemory",
    "IndRNN",
    "MinGRU",
    "MuFuRu",
    "MultiplicativeLSTM",
    "PeepholeLSTM",
    "RecurrentHighway",
]
