"""The drop-in for torch.nn.LSTM."""

from __future__ import annotations

from functools import partial
from typing import Any, final, overload

import torch

from ostinato import cells
from ostinato.nn import options
from ostinato.nn.layers import Layers, Pair, S


@final
class LSTM(Layers[S]):
    """``torch.nn.LSTM``, and what it lacks: layers of long short-term memories over a sequence.

    `ostinato.cells.LSTM` is the cell and holds its equations. Letters: T time steps, B rows of the
    batch, I = ``input_size``, H = ``hidden_size``, R = ``proj_size`` or H where that is 0,
    L = ``num_layers``, D = 2 directions with ``bidirectional``, else 1::

        output, (h_n, c_n) = lstm(input, (h_0, c_0))
        # input [T, B, I], output [T, B, D*R], h_n [L*D, B, R], c_n [L*D, B, H]

    The arguments of ``torch.nn.LSTM`` come first, in its order.

    Args:
        layer_norm: normalise both products of each cell, and c' before its tanh (Ba et al. 2016).
        recurrent_dropout: the share of h that the recurrent products do not see in training; the
            mask holds for the whole sequence and is drawn anew at each call (Gal and Ghahramani
            2016).
        zoneout: the probability with which a unit keeps its old value (Krueger et al. 2016): one
            for h and c, or (p_h, p_c).
        residual: add its input to the output of each layer that reads as many features as it
            gives, the first layer too. ``dropout`` acts on what a layer gives before that is
            added.
        cell: any class of cells, or function ``(input_size, hidden_size) -> cell`` with y
            [B, hidden_size], in place of the standard one; ``hx`` and what is returned for it are
            then the tree of its state with leaves [L*D, B, ...]. Its parameter ``a.b`` is
            ``a_b_l0``, and so on.

    Parameter names, shapes, order, initial values and the state dict are those of torch.nn. It
    differs in that T = 0 and B = 0 are allowed and give an empty output, in the call's ``lengths``,
    and in that hx may be a list. Raises ArgumentError (a ValueError) and DtypeError (a TypeError)
    for arguments that do not fit or contradict each other.
    """

    mode = "LSTM"
    # as torch.nn.LSTM, whose RNN and GRU copy it
    output_is_kept = True

    @overload
    def __init__(
        self: LSTM[Pair],
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
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
        self: LSTM[Any],
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
        form = {"bias": bias, "proj_size": proj_size, "layer_norm": layer_norm}
        standard = partial(cells.LSTM, **form, device=device, dtype=dtype)
        make = options.cell_maker(
            cell,
            standard,
            device,
            dtype,
            bias=(bias, True),
            proj_size=(proj_size, 0),
            layer_norm=(layer_norm, False),
        )
        super().__init__(
            make,
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional),
            proj_size,
            own_cell=cell is not None,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            residual=residual,
        )
        self.layer_norm = layer_norm
