"""Drop-ins for torch.nn's recurrent layers: the same arguments, results and state dicts, and more.

``rnn.py``, ``lstm.py`` and ``gru.py`` hold the layers; ``layers.py`` what they share, which runs
each layer and direction by `ostinato.unroll`; ``form.py`` the forms of a sequence (batched,
unbatched, packed); ``template.py`` cells whose tensors the drop-in holds; ``wrap.py`` what the
options beyond torch.nn put round a cell; ``options.py`` and ``check.py`` what is refused, and in
which words. ``swap.py`` lets ostinato run the layers of a model that exists, and ``swapped.py`` is
what they become.
"""

from ostinato.nn.gru import GRU
from ostinato.nn.lstm import LSTM
from ostinato.nn.rnn import RNN
from ostinato.nn.swap import Swap, swap

__all__ = ["GRU", "LSTM", "RNN", "Swap", "swap"]
