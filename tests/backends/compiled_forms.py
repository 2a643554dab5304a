"""Every form of a call under `torch.compile`, against the call without it. Run by test_operator.py.

``python compiled_forms.py BACKEND`` runs the table once, or some of it, ``BACKEND all`` with all
shapes: static, dynamic and automatic, in training and evaluation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import ostinato
from ostinato import (
    BiSequencer,
    BiSequencerLM,
    EmitState,
    HeldDropout,
    LearnedState,
    MaskZero,
    RecurrentDropout,
    Repeater,
    Residual,
    Sequencer,
    Stack,
    WeightDrop,
    Zoneout,
    _tree,
    cells,
)
from ostinato.nn import GRU, LSTM, RNN

SIZES = ((5, 3), (6, 4), (8, 5))


class Pair(nn.Module):
    """Work before and after a call that gives ys and a state."""

    def __init__(self, inner: nn.Module, width: int = 4, **options: Any) -> None:
        super().__init__()
        self.inner, self.options, self.out = inner, options, nn.Linear(width, 4)

    def call(self, xs: Tensor, *rest: Any, **options: Any) -> Any:
        if isinstance(self.inner, (ostinato.nn.LSTM, ostinato.nn.GRU, ostinato.nn.RNN)):
            return self.inner(xs, *rest, **options)
        return ostinato.unroll(self.inner, xs, *rest, **options, **self.options)

    def forward(self, xs: Tensor, *rest: Any, **options: Any) -> Any:
        ys, state = self.call(torch.tanh(xs), *rest, **options)
        return _tree.map(self.out, ys), state


class Single(nn.Module):
    """Work before and after a call that gives ys alone."""

    def __init__(self, inner: nn.Module, width: int = 4) -> None:
        super().__init__()
        self.inner, self.out = inner, nn.Linear(width, 4)

    def forward(self, xs: Tensor, **options: Any) -> Any:
        return self.out(self.inner(torch.tanh(xs), **options))


def x(*size: int) -> Tensor:
    return torch.randn(*size, 3, dtype=torch.float64, requires_grad=True)


def h(*size: int) -> Tensor:
    return torch.randn(*size, 4, dtype=torch.float64, requires_grad=True)


def ends(steps: int, rows: int) -> Tensor:
    return torch.tensor([steps] + [max(steps - 2, 0)] * (rows - 1))


def flags(steps: int, rows: int) -> Tensor:
    return torch.rand(steps, rows) > 0.3


Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def plain(t: int, b: int) -> Arguments:
    return (x(t, b),), {}


def padded(t: int, b: int) -> Arguments:
    return (x(t, b),), {"lengths": ends(t, b)}


def masked(t: int, b: int) -> Arguments:
    return (x(t, b), (h(b), h(b))), {"mask": flags(t, b)}


Form = tuple[Callable[[], nn.Module], Callable[[int, int], Arguments]]

FORMS: dict[str, Form] = {
    "unroll": (lambda: Pair(cells.GRU(3, 4)), plain),
    "unroll with lengths": (lambda: Pair(cells.LSTM(3, 4)), padded),
    "unroll with a list of lengths": (
        lambda: Pair(cells.LSTM(3, 4)),
        lambda t, b: ((x(t, b),), {"lengths": [t] * b}),
    ),
    "unroll with mask and state": (lambda: Pair(cells.LSTM(3, 4)), masked),
    "unroll in reverse with resets": (
        lambda: Pair(cells.MGU(3, 4), reverse=True),
        lambda t, b: ((x(t, b), h(b)), {"resets": flags(t, b)}),
    ),
    "the loop": (lambda: Pair(cells.GRU(3, 4), backend="eager"), plain),
    "checkpoints": (lambda: Pair(cells.GRU(3, 4), checkpoint=2), plain),
    "a stateless module": (lambda: Pair(nn.Linear(3, 4)), plain),
    "stack": (
        lambda: Pair(Stack(nn.Linear(3, 4), cells.MGU(4, 4), Residual(cells.LSTM(4, 4)))),
        padded,
    ),
    "batch norm": (
        lambda: Pair(Stack(nn.Linear(3, 4), nn.BatchNorm1d(4), cells.GRU(4, 4))),
        plain,
    ),
    "batch norm inside": (lambda: Pair(cells.BatchNormLSTM(3, 4)), plain),
    "dropout": (lambda: Pair(Stack(nn.Dropout(0.5), cells.GRU(3, 4))), plain),
    "held dropout": (lambda: Pair(Stack(HeldDropout(3), cells.GRU(3, 4))), plain),
    "weight drop": (lambda: Pair(WeightDrop(cells.LSTM(3, 4), 0.5)), plain),
    "recurrent dropout": (lambda: Pair(RecurrentDropout(cells.LSTM(3, 4), 0.5)), plain),
    "zoneout": (lambda: Pair(Zoneout(cells.LSTM(3, 4), 0.5)), plain),
    "learned state": (lambda: Pair(LearnedState(cells.LSTM(3, 4))), plain),
    "emitted state": (lambda: Pair(EmitState(cells.LSTM(3, 4))), plain),
    "mask zero": (lambda: Pair(MaskZero(cells.GRU(3, 4))), plain),
    "LSTM": (lambda: Pair(LSTM(3, 4)), plain),
    "LSTM in two directions": (
        lambda: Pair(LSTM(3, 4, 2, bidirectional=True, dropout=0.5, proj_size=3), 6),
        padded,
    ),
    "GRU with the batch first": (
        lambda: Pair(GRU(3, 4, batch_first=True)),
        lambda t, b: ((x(b, t), h(1, b)), {"lengths": ends(t, b)}),
    ),
    "RNN without a batch": (lambda: Pair(RNN(3, 4)), lambda t, b: ((x(t),), {})),
    "LSTM with all options": (
        lambda: Pair(
            LSTM(3, 4, 2, layer_norm=True, recurrent_dropout=0.3, zoneout=0.1, residual=True)
        ),
        plain,
    ),
    "sequencer": (lambda: Single(Sequencer(cells.GRU(3, 4))), padded),
    # a remembered state has its batch size
    "sequencer that remembers": (
        lambda: Single(Sequencer(cells.LSTM(3, 4), remember="both")),
        lambda t, b: ((x(t, 3),), {}),
    ),
    "bisequencer": (lambda: Single(BiSequencer(cells.GRU(3, 4)), 8), padded),
    "bisequencer with a merge": (
        lambda: Single(BiSequencer(cells.GRU(3, 4), merge=nn.Bilinear(4, 4, 4))),
        lambda t, b: ((x(t, b),), {"mask": flags(t, b)}),
    ),
    "bisequencer of both sides": (lambda: Single(BiSequencerLM(cells.GRU(3, 4)), 8), plain),
    "repeater": (lambda: Single(Repeater(cells.GRU(3, 4), 5)), lambda t, b: ((x(b),), {})),
}
FEW = ("unroll with lengths", "unroll with mask and state", "stack", "batch norm", "dropout",
       "LSTM in two directions", "sequencer that remembers", "bisequencer")  # fmt: skip
"""Those that the other two compilers are tried on when the whole table is not asked for."""


def leaves_of(given: Any) -> list[Tensor]:
    """The tensors among arguments."""
    trees = (*given[0], *given[1].values())
    return [t for tree in trees if not isinstance(tree, list) for t in _tree.leaves(tree)]


def gradients(made: Any, to: list[Tensor]) -> list[Tensor]:
    """Of a sum of all results, each entry with a weight of its own."""
    outs = [t for t in _tree.leaves(made) if t.requires_grad]
    weights = [torch.cos(torch.arange(t.numel(), dtype=t.dtype)).view(t.shape) for t in outs]
    found = torch.autograd.grad(outs, to, weights, allow_unused=True, materialize_grads=True)
    return list(found)


def equal(compiled: Any, model: nn.Module, twin: nn.Module, given: Arguments, seed: int) -> None:
    """Raise AssertionError where results, gradients or buffers differ."""
    torch.manual_seed(seed)
    got = compiled(*given[0], **given[1])
    torch.manual_seed(seed)
    want = twin(*given[0], **given[1])
    torch.testing.assert_close(got, want)
    inputs, grads = [t for t in leaves_of(given) if t.requires_grad], []
    for made, whose in ((got, model), (want, twin)):
        learned = [p for p in whose.parameters() if p.requires_grad]
        grads.append(gradients(made, [*inputs, *learned]))
    torch.testing.assert_close(*grads)
    torch.testing.assert_close(list(model.buffers()), list(twin.buffers()))


def check(name: str, backend: str, dynamic: bool | None, training: bool) -> None:
    """Raise where a form is not the same compiled, or breaks the graph."""
    make, arguments = FORMS[name]
    model, twin = (make().double().train(training) for _ in range(2))
    twin.load_state_dict(model.state_dict())
    torch._dynamo.reset()
    compiled = torch.compile(model, backend=backend, fullgraph=True, dynamic=dynamic)
    for seed, (steps, rows) in enumerate(SIZES):
        equal(compiled, model, twin, arguments(steps, rows), seed)


def cases(backend: str, full: bool) -> Iterator[tuple[str, bool | None, bool]]:
    """The rows of the table: form, dynamic, training."""
    if full:
        yield from ((n, d, t) for n in FORMS for d in (None, True, False) for t in (True, False))
    else:
        whole = backend == "aot_eager"
        yield from ((n, True if whole else None, True) for n in (FORMS if whole else FEW))


def main(backend: str, full: bool = False) -> None:
    """Print a line for each row of the table that fails, and how many held."""
    held = 0
    for name, dynamic, training in cases(backend, full):
        try:
            check(name, backend, dynamic, training)
            held += 1
        except Exception as error:
            print(f"{name}, dynamic={dynamic}, training={training}: {error!r}")
    print(f"{held} hold")


if __name__ == "__main__":
    main(sys.argv[1], full="all" in sys.argv)
