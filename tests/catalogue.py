"""Every public cell and combinator, ready to be run: what the cross-cutting tests go through.

`tests/meta/test_catalogue.py` fails while an exported class has no entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from ostinato import (
    Cell,
    EmitState,
    GateDropout,
    HeldDropout,
    LayerNorm,
    LearnedState,
    Lift,
    MaskZero,
    NormPenalty,
    Recurrence,
    Recurrent,
    RecurrentDropout,
    Residual,
    Stack,
    WeightDrop,
    Zoneout,
    cells,
)
from ostinato.cell import zeros
from ostinato.typing import State, Tree

I, H, R, V = 3, 5, 2, 7  # noqa: E741  (input, hidden, projected, vocabulary)


@final
class MinimalGated(Cell):
    """A user's cell, as in the docstring of `ostinato.cell` (Zhou et al. 2016)."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.f = nn.Linear(input_size + hidden_size, hidden_size)
        self.n = nn.Linear(input_size + hidden_size, hidden_size)

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Tensor:
        return zeros(self, batch_size, self.hidden_size, dtype=dtype, device=device)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        f = torch.sigmoid(self.f(torch.cat([x, h], -1)))
        n = torch.tanh(self.n(torch.cat([x, f * h], -1)))
        h = (1 - f) * h + f * n
        return h, h


@final
class DictCell(Cell):
    """A user's cell whose state is a dict with a nested tuple; it returns the keys in its order."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.mix = nn.Linear(input_size + hidden_size, hidden_size)

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        def leaf(*size: int) -> Tensor:
            return zeros(self, batch_size, *size, dtype=dtype, device=device)

        return {"h": leaf(self.hidden_size), "trace": (leaf(self.hidden_size, 2), leaf(1))}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        h = torch.tanh(self.mix(torch.cat([x, state["h"]], -1)))
        seen, total = state["trace"]
        seen = torch.stack([0.5 * seen[..., 0] + h, seen[..., 0]], dim=-1)
        total = total + x.mean(-1, keepdim=True)
        return h * torch.sigmoid(total) + seen[..., 1], {"trace": (seen, total), "h": h}


class Averages(NamedTuple):
    """The state of `NamedCell`."""

    fast: Tensor
    slow: Tensor


@final
class NamedCell(Cell):
    """A user's cell whose state is a named tuple."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.rate = nn.Parameter(torch.linspace(-1, 1, input_size))

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Averages:
        one = zeros(self, batch_size, self.input_size, dtype=dtype, device=device)
        return Averages(one, one.clone())

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        a = torch.sigmoid(self.rate)
        fast = a * state.fast + (1 - a) * x
        slow = 0.9 * state.slow + 0.1 * fast
        return fast - slow, Averages(fast, slow)


@final
class PairCell(Cell):
    """A user's cell that takes a tuple (x [B, I], index [B]) and gives a dict."""

    def __init__(self, input_size: int, vocabulary: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, input_size)
        self.inner = cells.GRU(input_size, input_size)

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> State:
        return self.inner.initial_state(batch_size, dtype=dtype, device=device)

    def forward(self, x: Tree, state: State) -> tuple[Tree, State]:
        floats, index = x
        y, state = self.inner(floats + self.table(index), state)
        return {"y": y, "square": y * y}, state


@final
class Sums(Cell):
    """A user's cell without a parameter: running sums, y = tanh(sum)."""

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.input_size = input_size

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Tensor:
        return zeros(self, batch_size, self.input_size, dtype=dtype, device=device)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = state + x
        return torch.tanh(state), state


@final
class Joined(nn.Module):
    """A module for `Recurrence`: (x, h) -> sigmoid(W [x; h])."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.sigmoid(self.map(torch.cat([x, h], -1)))


@final
class Side(nn.Module):
    """A pair (x, h) side by side, [x; h]."""

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        return torch.cat(pair, -1)


@final
class Memory(nn.Module):
    """A module for `Recurrence` with a matrix: (x, (h [B, H], m [B, 2, 3])) to the same."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.map = nn.Linear(input_size + hidden_size + 6, hidden_size)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        h, m = state
        h = torch.tanh(self.map(torch.cat([x, h, m.flatten(1)], -1)))
        return h, 0.9 * m + h[:, :2, None] * h[:, None, 2:5]


@final
class Times(nn.Module):
    """a * b, Torch's ``CMulTable``."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b


@dataclass(frozen=True)
class Entry:
    """A cell, how to make it, and what it takes."""

    name: str
    make: Callable[[], Cell]
    takes: str = "floats"
    """``floats`` [T, B, I], ``gaps``: the same with rows of zeros, ``index`` [T, B], or ``pair``: a
    tuple of floats and index."""
    noisy: bool = False
    """Draws at every step while training, so that two runs differ."""
    rows_meet: bool = False
    """Its rows see each other while training, as batch norm's do."""

    def inputs(self, num_steps: int, batch_size: int, dtype: torch.dtype, seed: int = 0) -> Tree:
        """xs [T, B, ...] for this cell."""
        drawn = torch.Generator().manual_seed(seed)
        floats = torch.randn(num_steps, batch_size, I, generator=drawn, dtype=torch.float64)
        index = torch.randint(V, (num_steps, batch_size), generator=drawn)
        zero = torch.rand(num_steps, batch_size, 1, generator=drawn) < 0.3
        made = {"floats": floats.to(dtype), "index": index}
        made["gaps"] = made["floats"].masked_fill(zero, 0.0)
        return made[self.takes] if self.takes in made else (made["floats"], index)

    def build(self, dtype: torch.dtype, *, training: bool = True, seed: int = 1) -> Cell:
        """The cell, its parameters drawn from the seed in float64 and rounded to the dtype.

        A noisy one, or one whose rows meet, is always in evaluation mode.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            cell = self.make().double()
            for p in cell.parameters():  # gains of 1 and biases of 0 would hide mistakes
                p.data += 0.1 * torch.randn_like(p)
        return cell.to(dtype).train(training and not (self.noisy or self.rows_meet))

    def __str__(self) -> str:
        return self.name


def lstm(input_size: int = I, hidden_size: int = H, **options: Any) -> cells.LSTM:
    return cells.LSTM(input_size, hidden_size, **options)


def gru(input_size: int = I, hidden_size: int = H, **options: Any) -> cells.GRU:
    return cells.GRU(input_size, hidden_size, **options)


def language_model() -> Cell:
    """All that a word model may want at once, nested."""
    return Stack(
        nn.Embedding(V, H),
        HeldDropout(H, 0.3),
        WeightDrop(lstm(H, H, layer_norm=True), 0.4),
        Residual(RecurrentDropout(gru(H, H), 0.3)),
        LearnedState(LayerNorm(gru(H, 4, reset="before"), 4)),
        nn.Linear(4, V),
        nn.Sequential(nn.Tanh(), nn.LayerNorm(V)),
    )


ENTRIES: tuple[Entry, ...] = (
    Entry("elman", lambda: cells.Elman(I, H)),
    Entry("elman_relu", lambda: cells.Elman(I, H, activation="relu")),
    Entry("elman_sigmoid", lambda: cells.Elman(I, H, activation="sigmoid")),
    Entry("elman_module", lambda: cells.Elman(I, H, activation=nn.PReLU())),
    Entry("elman_layer_norm_no_bias", lambda: cells.Elman(I, H, layer_norm=True, bias=False)),
    Entry("lstm", lstm),
    Entry("lstm_no_bias", lambda: lstm(bias=False)),
    Entry("lstm_proj", lambda: lstm(proj_size=R)),
    Entry("lstm_layer_norm", lambda: lstm(layer_norm=True, forget_bias=1.0)),
    Entry("lstm_proj_layer_norm", lambda: lstm(layer_norm=True, proj_size=R)),
    Entry("gru", gru),
    Entry("gru_no_bias", lambda: gru(bias=False)),
    Entry("gru_before", lambda: gru(reset="before")),
    Entry("gru_layer_norm", lambda: gru(layer_norm=True)),
    Entry("gru_before_layer_norm", lambda: gru(layer_norm=True, reset="before")),
    Entry(
        "gru_before_activation",
        lambda: gru(reset="before", activation=nn.Sequential(nn.PReLU(), nn.Dropout(0.3))),
        noisy=True,
    ),
    Entry("peephole_lstm", lambda: cells.PeepholeLSTM(I, H, forget_bias=1.0)),
    Entry("peephole_lstm_full", lambda: cells.PeepholeLSTM(I, H, peepholes="full")),
    Entry("peephole_lstm_proj", lambda: cells.PeepholeLSTM(I, H, proj_size=H + 1, bias=False)),
    Entry("batch_norm_lstm", lambda: cells.BatchNormLSTM(I, H), rows_meet=True),
    Entry("coupled_lstm", lambda: cells.CoupledLSTM(I, H)),
    Entry("multiplicative_lstm", lambda: cells.MultiplicativeLSTM(I, H)),
    Entry("mgu", lambda: cells.MGU(I, H)),
    Entry("mufuru", lambda: cells.MuFuRu(I, H)),
    Entry("mufuru_two", lambda: cells.MuFuRu(I, H, operations=("max", "keep"), bias=False)),
    Entry("recurrent_highway", lambda: cells.RecurrentHighway(I, H, depth=3)),
    Entry("ugrnn", lambda: cells.UGRNN(I, H, layer_norm=True)),
    Entry("janet", lambda: cells.JANET(I, H, forget_bias=1.0)),
    Entry("antisymmetric", lambda: cells.AntisymmetricRNN(I, H, epsilon=0.3, gated=True)),
    Entry("indrnn", lambda: cells.IndRNN(I, H)),
    Entry("sru", lambda: cells.SRU(I, H)),
    Entry("sru_square", lambda: cells.SRU(I, I)),
    Entry("min_gru", lambda: cells.MinGRU(I, H)),
    Entry("user", lambda: MinimalGated(I, H)),
    Entry("user_dict_state", lambda: DictCell(I, H)),
    Entry("user_named_state", lambda: NamedCell(I)),
    Entry("user_pair_input", lambda: PairCell(I, V), takes="pair"),
    Entry("user_no_parameters", lambda: Sums(I)),
    Entry("lift", lambda: Lift(nn.Linear(I, H))),
    Entry("lift_embedding", lambda: Lift(nn.Embedding(V, H)), takes="index"),
    Entry("lift_unknown", lambda: Lift(nn.Softmax(dim=-1))),
    Entry("recurrence_lstm", lambda: Recurrence(nn.LSTMCell(I, H), (H, H))),
    Entry("recurrence_gru", lambda: Recurrence(nn.GRUCell(I, H), H)),
    Entry("recurrence_rnn", lambda: Recurrence(nn.RNNCell(I, H), H)),
    Entry("recurrence_module", lambda: Recurrence(Joined(I, H), H)),
    Entry("recurrence_sizes", lambda: Recurrence(Memory(I, H), (H, [2, 3]))),
    Entry("recurrence_cell", lambda: Recurrence(Stack(Side(), lstm(I + H, 4), gru(4, H)), H)),
    Entry("recurrent", lambda: Recurrent(H, nn.Linear(I, H), nn.Linear(H, H))),
    Entry(
        "recurrent_start_module",
        lambda: Recurrent(
            nn.Linear(H, H), nn.Linear(I, H), nn.Linear(H, H), nn.Tanh(), Times(), hidden_size=H
        ),
    ),
    Entry(
        "recurrent_embedding",
        lambda: Recurrent(H, nn.Embedding(V, H), nn.Linear(H, H)),
        takes="index",
    ),
    Entry("stack", lambda: Stack(lstm(I, 6), gru(6, 4), cells.Elman(4, 5))),
    Entry("stack_residual", lambda: Stack(gru(I, 4), lstm(4, 4), gru(4, 4), skip="residual")),
    Entry("stack_dense", lambda: Stack(gru(I, 4), lstm(7, 2), gru(9, 4), skip="dense")),
    Entry(
        "stack_lifted",
        lambda: Stack(nn.Embedding(V, 4), lstm(4, H), nn.Dropout(0.5), nn.Linear(H, V)),
        takes="index",
        noisy=True,
    ),
    Entry("stack_mixed", lambda: Stack(lstm(), MinimalGated(H, 4), gru(4, 2), nn.Softmax(-1))),
    Entry("residual", lambda: Residual(lstm(I, I))),
    Entry("residual_lift", lambda: Residual(nn.Linear(I, I))),
    Entry("emit_state", lambda: EmitState(lstm())),
    Entry("emit_state_dict", lambda: EmitState(DictCell(I, H))),
    Entry("stack_emit_state", lambda: Stack(gru(), EmitState(lstm(H, 4, proj_size=R)))),
    Entry("learned_state", lambda: LearnedState(lstm())),
    Entry("learned_state_user", lambda: LearnedState(DictCell(I, H))),
    Entry("learned_state_stack", lambda: LearnedState(Stack(gru(), lstm(H, 4)))),
    Entry(
        "learned_state_recurrent",
        lambda: LearnedState(Recurrent(H, nn.Linear(I, H), nn.Linear(H, H))),
    ),
    Entry("mask_zero", lambda: MaskZero(lstm()), takes="gaps"),
    Entry("mask_zero_lift", lambda: MaskZero(nn.Linear(I, H)), takes="gaps"),
    Entry("mask_zero_learned", lambda: MaskZero(LearnedState(gru())), takes="gaps"),
    Entry("mask_zero_tree", lambda: MaskZero(EmitState(DictCell(I, H))), takes="gaps"),
    Entry("mask_zero_trim", lambda: MaskZero(lstm(), trim=True), takes="gaps"),
    Entry(
        "mask_zero_stack",
        lambda: Stack(MaskZero(gru(reset="before")), MaskZero(nn.Linear(H, 4))),
        takes="gaps",
    ),
    Entry("mask_zero_weights", lambda: MaskZero(WeightDrop(lstm(), 0.4), trim=True), takes="gaps"),
    Entry("norm_penalty", lambda: NormPenalty(0.3)),
    Entry("norm_penalty_stack", lambda: Stack(gru(), NormPenalty(0.3), nn.Linear(H, R))),
    Entry("held_dropout", lambda: HeldDropout(I, 0.4)),
    Entry("held_dropout_stack", lambda: Stack(HeldDropout(I, 0.4), lstm(), HeldDropout(H, 0.2))),
    Entry("recurrent_dropout_elman", lambda: RecurrentDropout(cells.Elman(I, H), 0.4)),
    Entry("recurrent_dropout_lstm", lambda: RecurrentDropout(lstm(), 0.4)),
    Entry("recurrent_dropout_proj", lambda: RecurrentDropout(lstm(proj_size=R), 0.4)),
    Entry("recurrent_dropout_gru", lambda: RecurrentDropout(gru(), 0.4)),
    Entry("recurrent_dropout_gru_before", lambda: RecurrentDropout(gru(reset="before"), 0.4)),
    Entry("recurrent_dropout_user", lambda: RecurrentDropout(DictCell(I, H), 0.4)),
    Entry("gate_dropout_lstm", lambda: GateDropout(lstm(), 0.4)),
    Entry("gate_dropout_peephole", lambda: GateDropout(cells.PeepholeLSTM(I, H), 0.4)),
    Entry("gate_dropout_gru", lambda: GateDropout(gru(layer_norm=True), 0.4)),
    Entry("gate_dropout_mono", lambda: GateDropout(gru(reset="before"), 0.4, mono=True)),
    Entry("weight_drop", lambda: WeightDrop(lstm(), 0.4)),
    Entry("weight_drop_names", lambda: WeightDrop(gru(), 0.4, ("weight_ih", "weight_hh"))),
    Entry("weight_drop_stack", lambda: WeightDrop(Stack(lstm(), gru(H, 4)), 0.4)),
    Entry("weight_drop_recurrence", lambda: WeightDrop(Recurrence(nn.GRUCell(I, H), H), 0.4)),
    Entry("zoneout", lambda: Zoneout(gru(), 0.3), noisy=True),
    Entry("zoneout_each", lambda: Zoneout(lstm(), (0.1, 0.4)), noisy=True),
    Entry("zoneout_user", lambda: Zoneout(NamedCell(I), 0.3), noisy=True),
    Entry("layer_norm", lambda: LayerNorm(lstm(), H)),
    Entry("layer_norm_user", lambda: LayerNorm(MinimalGated(I, H), H)),
    Entry("nested_zoneout", lambda: Zoneout(RecurrentDropout(lstm(), 0.3), (0.2, 0.1)), noisy=True),
    Entry("nested_learned", lambda: LearnedState(WeightDrop(Stack(gru(), lstm(H, I)), 0.4))),
    Entry("nested_dropout", lambda: RecurrentDropout(LearnedState(gru()), 0.4)),
    Entry("language_model", language_model, takes="index"),
)
"""One entry a line of the table of contents; names are the tests' ids."""
