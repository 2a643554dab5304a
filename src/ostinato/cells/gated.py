"""What gated cells share: weights in torch's layout, and how they are made and read."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TypedDict, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato import init
from ostinato.cell import Cell, zeros
from ostinato.errors import ArgumentError, DeviceError, DtypeError
from ostinato.typing import Initialiser, State, is_whole

# More features than this fit into no memory.
_LARGEST = 2**31 - 1


class Options(TypedDict, total=False):
    """What every gated cell takes by keyword: see `GatedCell`."""

    bias: bool
    init_ih: Initialiser
    init_hh: Initialiser
    init_bias: Initialiser
    device: torch.device | str | None
    dtype: torch.dtype | None


class GatedCell(Cell):
    """A cell with one product of x and one of h for all its gates, named as torch.nn names them.

    ``weight_ih`` [G*H, I], ``weight_hh`` [G*H, R], ``bias_ih`` and ``bias_hh`` [G*H], where R is
    the width of the h that is fed back (``recurrent_size``, for subclasses; else H). With
    ``layer_norm`` each product is normalised before its bias is added (Ba, Kiros and Hinton 2016,
    arXiv 1607.06450). Initialisers are names or functions as in `ostinato.init`.

    A subclass sets ``num_gates`` and says `step`; its state is h [B, R], or a tuple with h first.
    Raises ArgumentError for sizes and names that it cannot take.
    """

    num_gates: int
    """G."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        layer_norm: bool = False,
        recurrent_size: int | None = None,
        init_ih: Initialiser = "torch",
        init_hh: Initialiser = "torch",
        init_bias: Initialiser = "torch",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_size("input_size", input_size, least=0)
        check_size("hidden_size", hidden_size, least=1)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.recurrent_size = hidden_size if recurrent_size is None else recurrent_size
        self.bias, self.layer_norm = bias, layer_norm
        self._rules = {"init_ih": init_ih, "init_hh": init_hh, "init_bias": init_bias}
        rows = self.num_gates * hidden_size

        def weight(*size: int) -> nn.Parameter:
            return new_weight(*size, device=device, dtype=dtype)

        self.weight_ih, self.weight_hh = weight(rows, input_size), weight(rows, self.recurrent_size)
        self.bias_ih = weight(rows) if bias else None
        self.bias_hh = weight(rows) if bias else None
        self.norm_ih = weight(rows) if layer_norm else None
        self.norm_hh = weight(rows) if layer_norm else None
        self._reset_gates()

    @abstractmethod
    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        """One step whose recurrent products read ``read`` [B, R] in place of the state's h.

        `forward` passes h itself; recurrent dropout passes h under its mask. Where dropout is by
        gate, x is [B, G, I] and read [B, G, R], and each gate reads its own.
        """

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        h: Tensor = cast("tuple[Tensor, ...]", state)[0] if isinstance(state, tuple) else state
        return self.step(x, h, state)

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        return zeros(self, batch_size, self.recurrent_size, dtype=dtype, device=device)

    def reset_parameters(self) -> None:
        """Draw all weights anew by the rules that the cell was made with."""
        self._reset_gates()
        self.reset_own()

    def reset_own(self) -> None:
        """Draw what a subclass has beside the weights of the gates; it calls this when made."""

    def _reset_gates(self) -> None:
        self.draw(self.weight_ih, "init_ih", self.num_gates)
        self.draw(self.weight_hh, "init_hh", self.num_gates)
        for bias in (self.bias_ih, self.bias_hh):
            if bias is not None:
                self.draw(bias, "init_bias", self.num_gates)
        for gain in (self.norm_ih, self.norm_hh):
            if gain is not None:
                nn.init.ones_(gain)

    def weight(self, *size: int) -> nn.Parameter:
        """A parameter more, beside those of the gates, for `reset_own` to draw."""
        return nn.Parameter(self.weight_ih.new_empty(*size))

    def draw(self, weight: Tensor, option: str, num_gates: int) -> None:
        """Fill a weight [num_gates*H, n] by the rule of ``init_ih``, ``init_hh``, ``init_bias``."""
        init.fill(weight, num_gates, self._rules[option], option)

    def set_bias(self, gate: int, value: float) -> None:
        """Set the sum of the two biases of a gate, [H] each, where the cell has biases."""
        if self.bias_ih is not None and self.bias_hh is not None:
            nn.init.constant_(self.bias_ih.chunk(self.num_gates)[gate], value)
            nn.init.zeros_(self.bias_hh.chunk(self.num_gates)[gate])

    def from_input(self, x: Tensor) -> Tensor:
        """The share of x in the pre-activation of every gate, [B, G*H]."""
        return product(x, self.weight_ih, self.bias_ih, self.norm_ih)

    def from_hidden(self, h: Tensor, gates: slice | None = None) -> Tensor:
        """The share of h in the pre-activation of every gate, [B, G*H], or of some gates only."""
        if gates is None:
            return product(h, self.weight_hh, self.bias_hh, self.norm_hh)
        rows = slice(*(n * self.hidden_size for n in gates.indices(self.num_gates)[:2]))
        bias = None if self.bias_hh is None else self.bias_hh[rows]
        gain = None if self.norm_hh is None else self.norm_hh[rows]
        return product(h if h.dim() == 2 else h[:, gates], self.weight_hh[rows], bias, gain)

    def extra_repr(self) -> str:
        said = [f"{self.input_size}, {self.hidden_size}"]
        said += ["" if self.bias else "bias=False", "layer_norm=True" if self.layer_norm else ""]
        said += [f"{name}={rule!r}" for name, rule in self._rules.items() if rule != "torch"]
        return ", ".join(filter(None, said))


class GatedMemory(GatedCell):
    """A gated cell with a memory beside h, as an LSTM: its state is (h [B, R], c [B, H])."""

    @abstractmethod
    def step(self, x: Tensor, read: Tensor, state: State) -> tuple[Tensor, State]:
        """One step, as in `GatedCell`, from the state (h, c) to y = h' and (h', c')."""

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> State:
        h = super().initial_state(batch_size, dtype=dtype, device=device)
        return h, zeros(self, batch_size, self.hidden_size, dtype=dtype, device=device)


def product(x: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None) -> Tensor:
    """``x W^T + b``, the product normalised over its features first where there is a gain."""
    if gain is None:
        return linear(x, weight, bias)
    a = F.layer_norm(linear(x, weight, None), gain.shape, gain)
    return a if bias is None else a + bias


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x W^T + b`` for x [B, n]; for x [B, G, n] each gate's rows of W with its own x."""
    if x.dim() == 2:
        return F.linear(x, weight, bias)
    gates = zip(x.unbind(1), weight.chunk(x.shape[1]), strict=True)
    a = torch.cat([F.linear(own, rows) for own, rows in gates], dim=-1)
    return a if bias is None else a + bias


def read_by(gate: int, h: Tensor) -> Tensor:
    """The h [B, R] that a gate reads: h itself, or its own of h [B, G, R]."""
    return h if h.dim() == 2 else h[:, gate]


def draw_projection(weight: Tensor) -> None:
    """Fill W_hr [R, H] as torch does: from U(+-1/sqrt(H)), by the width of c."""
    bound = 1 / math.sqrt(weight.shape[1])
    nn.init.uniform_(weight, -bound, bound)


def check_size(argument: str, size: int, *, least: int) -> None:
    """Raise ArgumentError where a size is not a whole number of at least ``least``."""
    if is_whole(size) and size > _LARGEST:
        raise ArgumentError(
            argument,
            wanted=f"at most {_LARGEST:,}",
            got=repr(size),
            remedy="It counts features.",
        )
    if not is_whole(size) or size < least:  # pyright: ignore[reportUnnecessaryComparison]
        raise ArgumentError(
            argument,
            wanted=f"a whole number of at least {least}",
            got=repr(size),
            remedy="It counts features.",
        )


def new_weight(
    *size: int, device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Parameter:
    """A parameter that is to be filled. Raises where there is no such dtype, device or memory."""
    check_kind(device, dtype)
    try:
        return nn.Parameter(torch.empty(*size, device=device, dtype=dtype))
    except RuntimeError as error:
        raise ArgumentError(
            "hidden_size",
            wanted="sizes of weights that fit into memory",
            got=f"a weight {list(size)}",
            remedy="Take a smaller cell, or several layers.",
        ) from error


def check_kind(device: object, dtype: object) -> None:
    """Raise DtypeError or DeviceError where weights cannot be of this dtype or on this device."""
    real = isinstance(dtype, torch.dtype) and (dtype.is_floating_point or dtype.is_complex)
    if dtype is not None and not real:
        raise DtypeError(
            "dtype",
            wanted="torch.float32 or another of numbers with a point",
            got=repr(dtype),
            remedy="Weights are trained, which whole numbers cannot be.",
        )
    try:
        torch.empty(0, device=device)  # pyright: ignore[reportArgumentType, reportCallIssue]
    except (RuntimeError, TypeError, AssertionError) as error:
        raise DeviceError(
            "device",
            wanted="a device that torch has here",
            got=repr(device),
            remedy='Use "cpu", or leave it out.',
        ) from error


def check_set_bias(argument: str, value: float | None, bias: bool) -> None:
    """Raise ArgumentError where a bias is to start at a value, and there is none."""
    if value is not None and not bias:
        raise ArgumentError(
            argument,
            wanted="None where bias=False",
            got=str(value),
            remedy="Drop one of the two arguments.",
        )
