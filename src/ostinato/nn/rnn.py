"""The drop-in for torch.nn.RNN."""

from __future__ import annotations

from functools import partial
from typing import Any, final, overload

import torch
from torch import Tensor

from ostinato import cells
from ostinato.errors import ArgumentError
from ostinato.nn import options
from ostinato.nn.layers import Layers, S


@final
class RNN(Layers[S]):
    """``torch.nn.RNN``, and what it lacks: layers of simple recurrent cells over a sequence.

    ``h' = tanh(W x + b + U h + b')``, or relu; `ostinato.cells.Elman` is the cell. Letters: T time
    steps, B rows of the batch, I = ``input_size``, H = ``hidden_size``, L = ``num_layers``, D = 2
    directions with ``bidirectional``, else 1::

        output, h_n = rnn(input, hx)    # input [T, B, I], output [T, B, D*H], h_n [L*D, B, H]

    The arguments of ``torch.nn.RNN`` come first, in its order; ``proj_size`` must be 0.

    Args:
        layer_norm: normalise both products of each cell (Ba et al. 2016).
        recurrent_dropout: the share of h that the recurrent products do not see in training; the
            mask holds for the whole sequence and is drawn anew at each call (Gal and Ghahramani
            2016).
        zoneout: the probability with which a unit keeps its old h (Krueger et al. 2016); a tuple
            gives one for each tensor of the state.
        residual: add its input to the output of each layer that reads as many features as it
            gives, the first layer too. ``dropout`` acts on what a layer gives before that is
            added.
        cell: any class of cells, or function ``(input_size, hidden_size) -> cell`` with y
            [B, hidden_size], in place of the standard one; ``hx`` and h_n are then the tree of its
            state with leaves [L*D, B, ...]. Its parameter ``a.b`` is ``a_b_l0``, and so on.

    Parameter names, shapes, order, initial values and the state dict are those of torch.nn. It
    differs in that T = 0 and B = 0 are allowed and give an empty output, and in the call's
    ``lengths``. Raises ArgumentError (a ValueError) and DtypeError (a TypeError) for arguments
    that do not fit or contradict each other.
    """

    @overload
    def __init__(
        self: RNN[Tensor],
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: float | tuple[float, ...] = 0.0,
        residual: bool = False,
        cell: None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: RNN[Any],
        input_size: int,
        hidden_size: int,
        *args: Any,
        cell: options.MakeCell,
        **options: Any,
    ) -> None: ...
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: float | tuple[float, ...] = 0.0,
        residual: bool = False,
        cell: options.MakeCell | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(
                "nonlinearity",
                wanted='"tanh" or "relu"',
                got=repr(nonlinearity),
                remedy="For others pass cell= with a function that makes a cells.Elman.",
            )
        options.refuse_proj_size("RNN", proj_size)
        standard = partial(
            cells.Elman,
            activation=nonlinearity,
            bias=bias,
            layer_norm=layer_norm,
            device=device,
            dtype=dtype,
        )
        make = options.cell_maker(
            cell,
            standard,
            device,
            dtype,
            nonlinearity=(nonlinearity, "tanh"),
            bias=(bias, True),
            layer_norm=(layer_norm, False),
        )
        super().__init__(
            make,
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional),
            own_cell=cell is not None,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            residual=residual,
        )
        self.nonlinearity, self.layer_norm = nonlinearity, layer_norm
        self.mode = f"RNN_{nonlinearity.upper()}"
