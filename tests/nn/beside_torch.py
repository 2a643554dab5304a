"""A drop-in beside torch.nn's layer with the same weights: how a case is made, run and compared."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import ostinato

I, H, R = 3, 4, 2  # noqa: E741  (input, hidden, projected)
SORTED, UNSORTED = [5, 4, 4, 1], [4, 1, 5, 4]
T, B = 5, 4

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn": ("RNN", {}),
    "rnn_relu": ("RNN", {"nonlinearity": "relu"}),
    "lstm": ("LSTM", {}),
    "lstm_proj": ("LSTM", {"proj_size": R}),
    "gru": ("GRU", {}),
}
FORMS = (
    "batched",
    "batch_first",
    "unbatched",
    "unbatched_batch_first",
    "sorted",
    "unsorted",
    "unsorted_batch_first",
)
CHOICES = {
    "kind": tuple(KINDS),
    "num_layers": (1, 2, 3),
    "bidirectional": (False, True),
    "bias": (True, False),
    "form": FORMS,
    "given": (False, True),
    "dtype": (torch.float64, torch.float32),
}


@dataclass(frozen=True)
class Case:
    """One way of making and calling a layer."""

    kind: str = "lstm"
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    form: str = "batched"
    given: bool = False
    dtype: torch.dtype = torch.float64

    def __str__(self) -> str:
        said = [self.kind, f"L{self.num_layers}", "bi" if self.bidirectional else "", self.form]
        said += ["" if self.bias else "no_bias", "hx" if self.given else ""]
        return "-".join(filter(None, [*said, str(self.dtype).removeprefix("torch.")]))


def covering(strength: int) -> list[Case]:
    """Cases in which every combination of this many choices stands at least once."""
    every = list(product(*CHOICES.values()))
    random.Random(0).shuffle(every)
    seen: set[tuple[tuple[int, Any], ...]] = set()
    cases: list[Case] = []
    for values in every:
        fresh = set(combinations(enumerate(values), strength)) - seen
        if fresh:
            seen |= fresh
            cases.append(Case(**dict(zip(CHOICES, values, strict=True))))
    return cases


def pair(case: Case, **options: Any) -> tuple[nn.Module, nn.Module]:
    """torch.nn's layer, and the drop-in with its weights."""
    name, kind = KINDS[case.kind]
    arguments: dict[str, Any] = {
        **kind,
        "num_layers": case.num_layers,
        "bidirectional": case.bidirectional,
        "bias": case.bias,
        "batch_first": case.form.endswith("batch_first"),
        "dtype": case.dtype,
        **options,
    }
    theirs = getattr(nn, name)(I, H, **arguments)
    ours = getattr(ostinato.nn, name)(I, H, **arguments)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def inputs(case: Case) -> tuple[Any, Any]:
    """The input of a case, and its hx or None; both require gradients."""
    if case.form.startswith(("sorted", "unsorted")):
        packed = pack_padded_sequence(
            torch.randn(T, B, I, dtype=case.dtype),
            torch.tensor(UNSORTED if case.form.startswith("unsorted") else SORTED),
            enforce_sorted=case.form == "sorted",
        )
        x = packed._replace(data=packed.data.requires_grad_())
    else:
        sizes = {"batched": (T, B), "batch_first": (B, T)}.get(case.form, (T,))
        x = torch.randn(*sizes, I, dtype=case.dtype, requires_grad=True)
    return x, hidden(case) if case.given else None


def hidden(case: Case) -> Any:
    """h_0, or (h_0, c_0)."""
    cells = case.num_layers * (1 + case.bidirectional)
    rows = () if case.form.startswith("unbatched") else (B,)

    def leaf(size: int) -> Tensor:
        return torch.randn(cells, *rows, size, dtype=case.dtype, requires_grad=True)

    if case.kind.startswith("lstm"):
        return leaf(R if case.kind == "lstm_proj" else H), leaf(H)
    return leaf(H)


def tensors(value: Any, name: str) -> dict[str, Tensor]:
    """The tensors of an output, state or input, by name."""
    if value is None:
        return {}
    if isinstance(value, PackedSequence):
        indices = {"there": value.sorted_indices, "back": value.unsorted_indices}
        found = {"data": value.data, "batch_sizes": value.batch_sizes, **indices}
        return {f"{name}.{key}": leaf for key, leaf in found.items() if leaf is not None}
    if isinstance(value, tuple):
        return {f"{name}[{i}]": leaf for i, leaf in enumerate(value)}
    return {name: value}


def results(module: nn.Module, x: Any, hx: Any, **options: Any) -> dict[str, Tensor]:
    """Output, last state, and the gradients of all floating inputs and parameters."""
    output, state = module(x, hx, **options)
    found = {**tensors(output, "output"), **tensors(state, "state")}
    seed = torch.Generator().manual_seed(3)
    loss = sum(weighed(leaf, seed) for leaf in found.values() if leaf.is_floating_point())
    assert isinstance(loss, Tensor)
    read = {**tensors(x, "input"), **tensors(hx, "hx"), **dict(module.named_parameters())}
    read = {name: leaf for name, leaf in read.items() if leaf.requires_grad}
    grads = torch.autograd.grad(loss, list(read.values()))
    return found | {f"d {name}": grad for name, grad in zip(read, grads, strict=True)}


def weighed(leaf: Tensor, seed: torch.Generator) -> Tensor:
    """A sum in which every entry has a weight of its own."""
    return (leaf * torch.randn(leaf.shape, generator=seed, dtype=torch.float64).to(leaf)).sum()


def ids(cases: Iterable[Case]) -> list[str]:
    return [str(case) for case in cases]
