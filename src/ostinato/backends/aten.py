"""Torch's own kernels for the standard cells: oneDNN on a CPU, cuDNN on CUDA.

Stateless modules that act on features alone are applied once to the whole sequence.
"""

from __future__ import annotations

from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ostinato import _padding, _tree
from ostinato.backends.base import Backend, Run
from ostinato.backends.call import Call, acts, hooked, in_autocast, in_trace, in_transform
from ostinato.cell import Lift
from ostinato.cells import GRU, LSTM, Elman, GatedCell
from ostinato.typing import State, Tree

FEATUREWISE: tuple[type[nn.Module], ...] = (
    nn.Identity,
    nn.Linear,
    nn.Embedding,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.Dropout,
    nn.Tanh,
    nn.Sigmoid,
    nn.ReLU,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Softplus,
    nn.Hardtanh,
)
"""Modules that act on the features of a step alone, whatever dimensions lead."""


METHODS = ("forward", "step", "from_input", "from_hidden")
"""What makes the step of a standard cell."""


@final
class Aten(Backend):
    """Torch's fused recurrent kernels."""

    name: ClassVar[str] = "aten"

    def accept(self, call: Call) -> Run | str:
        if isinstance(call.cell, Lift) and not hooked(call.cell):
            return refuse_module(call.cell.module) or Lifted(call)
        if any(map(hooked, call.cell.modules())):
            return "it has hooks, which are to be called at every step"
        return refuse_cell(call) or refuse_context(call) or KernelRun(call)


@final
class Lifted(Run):
    """A stateless module, applied once."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def describe(self) -> str:
        return "applied once to all steps"

    def run(self) -> tuple[Tree, State]:
        call = self.call
        module, xs = cast("Lift", call.cell).module, call.masked(call.xs)
        if any(getattr(part, "inplace", False) for part in module.modules()):
            xs = _tree.map(torch.clone, xs)
        return call.masked(module(xs)), call.state


@final
class KernelRun(Run):
    """A standard cell in torch's own kernel."""

    def __init__(self, call: Call) -> None:
        self.call, self.cell = call, cast("GatedCell", call.cell)

    def describe(self) -> str:
        call = self.call
        where = {"cpu": "oneDNN or native", "cuda": "cuDNN"}.get(call.sample.device.type, "native")
        packed = call.mask is not None and packs(self.cell)
        return f"torch's {where} kernel" + (", on packed rows" if packed else "")

    def run(self) -> tuple[Tree, State]:
        call, cell = self.call, self.cell
        if call.mask is not None:
            return run_masked(cell, call, call.mask)
        xs = call.xs.flip(0) if call.reverse else call.xs
        ys, state = kernel(cell, xs, call.state)
        return (ys.flip(0) if call.reverse else ys), state


def refuse_module(module: nn.Module) -> str | None:
    """Why a stateless module cannot be applied to all steps at once.

    Its forward hooks see all steps at once, as it does.
    """
    if acts(module.__dict__["_forward_pre_hooks"]):
        # as of spectral norm in training, which goes on a little at every call
        return f"{type(module).__name__} has hooks that may change it at every step"
    if type(module) in FEATUREWISE:
        return None
    if type(module) is nn.Sequential:
        return next(filter(None, map(refuse_module, module)), None)
    return f"{type(module).__name__} is not known to act on the features of a step alone"


def refuse_cell(call: Call) -> str | None:
    """Why torch has no kernel for this cell."""
    cell = call.cell
    name = type(cell).__name__
    if not isinstance(cell, (Elman, LSTM, GRU)):
        return f"torch has no kernel for {name}"
    if overridden(cell):
        return f"{name} has a step of its own"
    if is_parametrized(cell):
        return "its weights are computed anew at every step (a parametrization)"
    if cell.layer_norm:
        return f"torch's {name} kernel has no layer norm"
    if isinstance(cell, GRU) and cell.reset != "after":
        return 'torch\'s GRU kernel has reset="after" only'
    if isinstance(cell, Elman) and cell.activation not in ("tanh", "relu"):
        return "torch's kernels have tanh and relu only"
    return None


def overridden(cell: GatedCell) -> bool:
    """Whether somebody has given a standard cell another step."""
    standard = next(kind for kind in (Elman, LSTM, GRU) if isinstance(cell, kind))
    same = all(getattr(type(cell), name) is getattr(standard, name) for name in METHODS)
    return not same or any(name in vars(cell) for name in METHODS)


def refuse_context(call: Call) -> str | None:
    """Why torch's kernels cannot be used here and now."""
    if call.resets is not None:
        return "torch's kernels have no resets"
    if call.batch_size == 0:
        return "torch's kernels need a row"
    if in_transform():
        return "torch's kernels cannot run under functorch transforms or forward-mode AD"
    if call.sample.device.type == "cpu" and in_autocast(call.sample.device):
        return "torch's CPU kernels cannot train under autocast"
    return None


def weights(cell: GatedCell) -> list[Tensor]:
    """The weights of a cell in the order of torch's kernels."""
    ordered = [cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh]
    ordered.append(cell.weight_hr if isinstance(cell, LSTM) else None)
    return [weight for weight in ordered if weight is not None]


def kernel(cell: GatedCell, xs: Tensor, state: State) -> tuple[Tensor, State]:
    """One layer, one direction, over [T, B, I], all steps there."""
    if isinstance(cell, LSTM) and cell.proj_size and xs.device.type == "cpu":
        # the padded kernel warns at every call that oneDNN has no projections; this one does not
        all_rows = torch.full((xs.shape[0],), xs.shape[1], device="cpu")
        ys, state = packed_kernel(cell, xs.flatten(0, 1), all_rows, state)
        return ys.view(*xs.shape[:2], cell.proj_size), state
    # layers, dropout, reserve for the backward, bidirectional, batch first
    form = (cell.bias, 1, 0.0, learning(), False, False)
    if isinstance(cell, LSTM):
        h, c = state
        ys, h, c = torch.lstm(xs, [h[None], c[None]], weights(cell), *form)
        return ys, (h[0], c[0])
    ys, h = simple_kernel(cell)(xs, state[None], weights(cell), *form)
    return ys, h[0]


def learning() -> bool:
    """Whether there may be a backward; a trace of torch.jit, which has one flag, says yes."""
    return torch.is_grad_enabled() or in_trace()


def packed_kernel(
    cell: GatedCell, data: Tensor, batch_sizes: Tensor, state: State
) -> tuple[Tensor, State]:
    """The same over the data [N, I] of a PackedSequence, rows sorted by length."""
    form = (cell.bias, 1, 0.0, learning(), False)
    if isinstance(cell, LSTM):
        h, c = state
        ys, h, c = torch.lstm(data, batch_sizes, [h[None], c[None]], weights(cell), *form)
        return ys, (h[0], c[0])
    ys, h = simple_kernel(cell)(data, batch_sizes, state[None], weights(cell), *form)
    return ys, h[0]


def simple_kernel(cell: GatedCell):
    """The kernel of a cell whose state is h alone."""
    if isinstance(cell, GRU):
        return torch.gru
    assert isinstance(cell, Elman)
    return torch.rnn_tanh if cell.activation == "tanh" else torch.rnn_relu


def packs(cell: GatedCell) -> bool:
    """Whether masked steps must be left out, not run and thrown away.

    The c of an LSTM is not in ys, so it must be stopped at each row's last step; the h of a relu
    network may overflow after it, and put NaN into the gradient of the weights.
    """
    return isinstance(cell, LSTM) or (isinstance(cell, Elman) and cell.activation == "relu")


def run_masked(cell: GatedCell, call: Call, mask: Tensor) -> tuple[Tensor, State]:
    """Move each row's steps to the front in running order, run them, and move them back.

    Masked steps hold the state, so leaving them out changes nothing.
    """
    xs = call.masked(call.xs)
    lengths = mask.sum(0)
    in_place = call.lengths is not None and not call.reverse
    order = None if in_place else _padding.running_order(mask, call.reverse)
    moved = xs if order is None else _padding.take_steps(xs, order)
    run = run_packed if packs(cell) else run_padded
    ys, state = run(cell, moved, call.state, lengths)
    if order is not None:
        ys = _padding.take_steps(ys, order.argsort(dim=0))
    return call.masked(ys), state


def run_padded(cell: GatedCell, xs: Tensor, h: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
    """Run all steps, then read the state at each row's last one: h is y."""
    ys, _ = kernel(cell, xs, h)
    last = (lengths - 1).clamp(min=0)[None, :, None].expand(1, -1, h.shape[1])
    return ys, torch.where(lengths[:, None] > 0, ys.gather(0, last)[0], h)


def run_packed(cell: GatedCell, xs: Tensor, state: State, lengths: Tensor) -> tuple[Tensor, State]:
    """Run packed: only the steps that are there, and one of a row that has none."""
    packed = pack_padded_sequence(xs, lengths.clamp(min=1).cpu(), enforce_sorted=False)
    there, back = packed.sorted_indices, packed.unsorted_indices
    assert there is not None
    assert back is not None
    before = _tree.map(lambda leaf: leaf[there], state)
    ys, after = packed_kernel(cell, packed.data, packed.batch_sizes, before)
    padded, _ = pad_packed_sequence(
        PackedSequence(ys, packed.batch_sizes, there, back), total_length=xs.shape[0]
    )
    ran = lengths[:, None] > 0
    return padded, _tree.map(lambda new, old: torch.where(ran, new[back], old), after, state)
