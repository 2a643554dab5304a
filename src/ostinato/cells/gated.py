"""What Elman, LSTM and GRU share: weights in torch's layout, and how they are made."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato import init
from ostinato.cell import Cell, zeros
from ostinato.errors import ArgumentError
from ostinato.typing import Initialiser, State


class GatedCell(Cell):
    """A cell with one product of x and one of h for all its gates, named as torch.nn names them.

    ``weight_ih`` [G*H, I], ``weight_hh`` [G*H, R], ``bias_ih`` and ``bias_hh`` [G*H], where R is
    the width of the h that is fed back. With ``layer_norm`` each product is normalised before its
    bias is added (Ba, Kiros and Hinton 2016, arXiv 1607.06450).
    """

    num_gates: ClassVar[int]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool,
        layer_norm: bool,
        recurrent_size: int,
        init_ih: Initialiser,
        init_hh: Initialiser,
        init_bias: Initialiser,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        check_size("input_size", input_size, least=0)
        check_size("hidden_size", hidden_size, least=1)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.recurrent_size = recurrent_size
        self.bias, self.layer_norm = bias, layer_norm
        self._rules = {"init_ih": init_ih, "init_hh": init_hh, "init_bias": init_bias}
        rows = self.num_gates * hidden_size

        def weight(*size: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(*size, device=device, dtype=dtype))

        self.weight_ih, self.weight_hh = weight(rows, input_size), weight(rows, recurrent_size)
        self.bias_ih = weight(rows) if bias else None
        self.bias_hh = weight(rows) if bias else None
        self.norm_ih = weight(rows) if layer_norm else None
        self.norm_hh = weight(rows) if layer_norm else None

    @abstractmethod
    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        """One step whose recurrent products read ``read`` [B, R] in place of the state's h.

        `forward` passes h itself; recurrent dropout passes h under its mask.
        """

    def reset_parameters(self) -> None:
        """Draw all weights anew by the rules that the cell was made with."""
        rules = self._rules
        init.fill(self.weight_ih, self.num_gates, rules["init_ih"], "init_ih")
        init.fill(self.weight_hh, self.num_gates, rules["init_hh"], "init_hh")
        for bias in (self.bias_ih, self.bias_hh):
            if bias is not None:
                init.fill(bias, self.num_gates, rules["init_bias"], "init_bias")
        for gain in (self.norm_ih, self.norm_hh):
            if gain is not None:
                nn.init.ones_(gain)

    def from_input(self, x: Tensor) -> Tensor:
        """The share of x in the pre-activation of every gate, [B, G*H]."""
        return product(x, self.weight_ih, self.bias_ih, self.norm_ih)

    def from_hidden(self, h: Tensor) -> Tensor:
        """The share of h in the pre-activation of every gate, [B, G*H]."""
        return product(h, self.weight_hh, self.bias_hh, self.norm_hh)

    def zeros(
        self,
        batch_size: int,
        size: int,
        dtype: torch.dtype | None,
        device: torch.device | str | None,
    ) -> Tensor:
        """A zero leaf of the initial state, [B, size]."""
        return zeros(self, batch_size, size, dtype=dtype, device=device)

    def extra_repr(self) -> str:
        said = [f"{self.input_size}, {self.hidden_size}"]
        said += ["" if self.bias else "bias=False", "layer_norm=True" if self.layer_norm else ""]
        said += [f"{name}={rule!r}" for name, rule in self._rules.items() if rule != "torch"]
        return ", ".join(filter(None, said))


def product(x: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None) -> Tensor:
    """``x W^T + b``, the product normalised over its features first where there is a gain."""
    if gain is None:
        return F.linear(x, weight, bias)
    a = F.layer_norm(F.linear(x, weight), gain.shape, gain)
    return a if bias is None else a + bias


def check_size(argument: str, size: int, *, least: int) -> None:
    """Raise ArgumentError where a size is not a whole number of at least ``least``."""
    if isinstance(size, bool) or not isinstance(size, int) or size < least:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(
            argument,
            wanted=f"a whole number of at least {least}",
            got=repr(size),
            remedy="It counts features.",
        )
