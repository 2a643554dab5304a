"""The class of a swapped layer: torch.nn's own, but for how it runs.

Nothing is held here: a call reads the settings and the weights where torch.nn's forward reads
them, so that whoever changes either (a hook, `torch.func.functional_call`, weight drop) is heard.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ostinato.backends.call import Memo, in_autocast
from ostinato.nn.gru import GRU
from ostinato.nn.layers import Layers
from ostinato.nn.lstm import LSTM
from ostinato.nn.qconfig import qconfig
from ostinato.nn.rnn import RNN
from ostinato.nn.template import copied

STANDARD: tuple[type[nn.RNNBase], ...] = (nn.RNN, nn.LSTM, nn.GRU)
"""What can be swapped, subclasses included."""


@cache
def swapped_class(base: type[nn.RNNBase]) -> type[nn.RNNBase]:
    """A subclass of torch.nn.RNN, LSTM or GRU, or of a subclass of theirs, run by ostinato.

    It has the name and module of its base, since code of others asks for these.
    """

    def forward(self: Any, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        if not runs_here(self, input):
            return base.forward(self, input, hx)
        self._update_flat_weights()
        return twin(self).forward(input, hx)

    def __reduce_ex__(self: Any, protocol: Any) -> tuple[Any, ...]:
        return remade, (base,), self.__getstate__()

    def __prepare_scriptable__(self: Any) -> nn.Module:
        return plain(self, base)  # torch.jit.script compiles torch's own forward

    names = {name: getattr(base, name) for name in ("__module__", "__qualname__", "__doc__")}
    methods = (forward, __reduce_ex__, __prepare_scriptable__)
    body = {method.__name__: method for method in methods}
    return type(base.__name__, (base,), {**names, **body, "stands_for": base, "qconfig": qconfig})


def remade(base: type[nn.RNNBase]) -> nn.RNNBase:
    """An empty module of the swapped class, for pickle and deepcopy to fill."""
    return object.__new__(swapped_class(base))


def plain(module: nn.RNNBase, base: type[nn.RNNBase]) -> nn.RNNBase:
    """A module of the base that shares everything with this one."""
    twin = object.__new__(base)
    vars(twin).update(vars(module))
    return twin


FEW_STEPS = 4
"""Below that many steps torch's kernels are faster: they have less to set up (measured with
batches of 1 and 32 and H of 64 and 512)."""


def runs_here(module: nn.RNNBase, input: Any) -> bool:
    """Whether ostinato runs the call: on a CPU, and where it gains by it.

    Elsewhere torch.nn's forward runs: on CUDA, for tracing and export, under autocast, and where
    it is as fast.
    """
    if torch.jit.is_tracing() or torch.compiler.is_compiling():  # pyright: ignore[reportPrivateImportUsage]
        return False
    x = input.data if isinstance(input, PackedSequence) else input
    if not isinstance(x, Tensor) or x.dim() not in (2, 3) or 0 in x.shape:
        return True  # refused in words, or a case that torch.nn has not
    if x.device.type != "cpu" or in_autocast(x.device) or as_fast_in_torch(module, x):
        return False
    if isinstance(input, PackedSequence):
        return len(input.batch_sizes) >= FEW_STEPS
    return x.shape[1 if module.batch_first and x.dim() == 3 else 0] >= FEW_STEPS


def as_fast_in_torch(module: nn.RNNBase, x: Tensor) -> bool:
    """An LSTM without gradients: oneDNN, and packed rows, are as fast as compiled loops or more."""
    inference = not torch.is_grad_enabled() and x.dtype == torch.float32
    return inference and module.mode == "LSTM" and module.proj_size == 0


def twin(module: Any) -> Layers:
    """The drop-in with the settings and weights that torch.nn's forward would use now."""
    empty = skeleton(
        module.mode,
        *(module.input_size, module.hidden_size, module.num_layers),
        bias=module.bias,
        batch_first=module.batch_first,
        dropout=module.dropout if module.num_layers > 1 else 0.0,  # where it has an effect
        bidirectional=module.bidirectional,
        proj_size=module.proj_size,
    )
    weights = dict(zip(module._flat_weights_names, module._flat_weights, strict=True))
    made = copied(empty, weights, {}, {})
    vars(made)["training"] = module.training
    # not the skeleton's, which would keep these weights alive
    vars(made)["_memo"] = Memo()
    return cast("Layers", made)


@lru_cache(maxsize=256)
def skeleton(mode: str, *sizes: Any, **options: Any) -> Layers:
    """A drop-in without weights."""
    kind, options = {"LSTM": LSTM, "GRU": GRU}.get(mode, RNN), {**options, "device": "meta"}
    if kind is RNN:
        options["nonlinearity"] = mode.removeprefix("RNN_").lower()
    # it outlives this call, whose transforms and modes are not on in another thread
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(kind, *sizes, **options).result()
